"""What the model of a bot may call: control tools, tools of a kind, remote MCP servers. Pure."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from service.bots.checking import free_outputs
from service.bots.definition import BotTable, McpTable
from service.bots.port import McpServer
from service.bots.reading import Problems, entry_key, join, read_table, shown, suggestion
from service.deployment_values import expand
from service.tools.port import (
    DeclarationError,
    Surroundings,
    Tool,
    ToolDeclaration,
    ToolKind,
)


class ControlTools(Protocol):
    """Makes the functions by which a bot acts on its call."""

    def __call__(
        self,
        names: Sequence[str],
        *,
        targets: Sequence[str],
        specialists: Mapping[str, str],
        digit_fields: Mapping[str, str],
        outputs: Mapping[str, str],
    ) -> tuple[Tool, ...]:
        """Return the control tools, in the order of their names.

        Args:
            names: of controls.
            targets: to whom a call may be handed.
            specialists: bots that may take over, with what they are for.
            digit_fields: numbers that may be asked for, with what they are.
            outputs: output variables that may be set, with what they hold.
        """
        ...


CheckSchema = Callable[[dict[str, Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the deployment gives to all bots.

    Attributes:
        kinds: of tools, by name.
        values: for `${NAME}`: secrets, and addresses.
        control_tools: makes the functions by which a bot acts on its call.
        voices: names that the provider knows; ids of own voices (`voice_…`) are always taken.
        default_voice: of bots that name none.
        check_schema: raises `ValueError` when the parameters of a tool are no JSON Schema.
    """

    kinds: Mapping[str, ToolKind]
    values: Mapping[str, str] = field(repr=False)
    control_tools: ControlTools
    voices: tuple[str, ...]
    default_voice: str
    check_schema: CheckSchema


def make_control_tools(
    table: BotTable, tables: Mapping[str, BotTable], deployment: Deployment
) -> tuple[Tool, ...]:
    """Return the control tools of a bot whose file has no problems; `tables` are all bots'.

    An output that takes digits is not among those that the model may set.
    """
    return deployment.control_tools(
        table.controls,
        targets=table.targets,
        specialists={bot_id: tables[bot_id].description for bot_id in table.specialists},
        digit_fields={name: digits.description for name, digits in table.digits.items()},
        outputs=free_outputs(table),
    )


def make_tools(table: BotTable, deployment: Deployment, problems: Problems) -> tuple[Tool, ...]:
    """Return the tools that a bot declares, without those that have problems."""
    surroundings = Surroundings(
        input_names=frozenset(table.inputs),
        allowed_hosts=tuple(table.allowed_hosts),
        values=deployment.values,
        sensitive_fields=frozenset(
            name for name, digits in table.digits.items() if digits.sensitive
        ),
    )
    tools = []
    for number, raw in enumerate(table.tools, 1):
        key = entry_key("tools", raw, number)
        kind = _kind_of(raw, key, deployment.kinds, problems)
        declared = kind and _declaration(raw, kind, key, table, problems)
        if kind is None or declared is None:
            continue
        try:
            tool = kind.make(declared, surroundings)
        except DeclarationError as error:
            for name, expected in error.problems:
                problems.add(f"{key}.{name}" if name else key, f"expected {expected}")
        else:
            _check_schema(tool, key, deployment.check_schema, problems)
            tools.append(tool)
    return tuple(tools)


def _check_schema(tool: Tool, key: str, check: CheckSchema, problems: Problems) -> None:
    if tool.parameters is None or not _has_form(tool.parameters, f"{key}.parameters", problems):
        return
    try:
        check(tool.parameters)
    except ValueError:
        expected = "a JSON Schema (draft 7) that refers to no other document"
        problems.add(f"{key}.parameters", f"expected {expected}")


def _has_form(schema: Mapping[str, Any], key: str, problems: Problems) -> bool:
    """True when a schema is one of an object whose members can be walked; else it is noted."""
    before = len(problems.lines)
    if schema.get("type") != "object":
        problems.expect(f"{key}.type", '"object"', schema.get("type", ""))
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        problems.expect(f"{key}.properties", "a table of tables", properties)
    else:
        for name, one in properties.items():
            if not isinstance(one, dict):
                problems.expect(join(f"{key}.properties", name), "a table", one)
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        problems.expect(f"{key}.required", "a list of texts", required)
    return len(problems.lines) == before


def _kind_of(
    raw: Mapping[str, Any], key: str, kinds: Mapping[str, ToolKind], problems: Problems
) -> ToolKind | None:
    name = raw.get("kind")
    if isinstance(name, str) and name in kinds:
        return kinds[name]
    got = "nothing" if name is None else shown(name)
    problems.add(f"{key}.kind", f"expected one of {', '.join(sorted(kinds))}, got {got}")
    return None


def _declaration(
    raw: Mapping[str, Any], kind: ToolKind, key: str, table: BotTable, problems: Problems
) -> ToolDeclaration | None:
    """Return the declaration; None when it has problems."""
    before = len(problems.lines)
    declared = read_table(raw, kind.declaration, problems, key=key)
    if len(problems.lines) > before:
        return None
    shape = declared.parameters or {"type": "object"}
    if not _has_form(shape, f"{key}.parameters", problems):
        return None
    properties = shape.get("properties", {})
    for argument, digits in declared.fill.items():
        filled = join(f"{key}.fill", argument)
        if digits not in table.digits:
            near = suggestion(digits, table.digits)
            problems.add(filled, f"{shown(digits)} is not among the digits of this file{near}")
        if argument in properties or argument in shape.get("required", []):
            problems.add(filled, "the model writes it as well; take it out of parameters")
    return declared if len(problems.lines) == before else None


def make_mcp_servers(
    table: BotTable, values: Mapping[str, str], problems: Problems
) -> tuple[McpServer, ...]:
    """Return the remote servers of a bot; `values` of the deployment are put in."""
    return tuple(
        _mcp_server(server, join("mcp", server.label), values, problems) for server in table.mcp
    )


def _mcp_server(
    server: McpTable, key: str, values: Mapping[str, str], problems: Problems
) -> McpServer:
    url = _expanded(server.url, f"{key}.url", values, problems)
    if url and not _is_safe_url(url):
        # Not shown: a value of the deployment may stand in it.
        problems.add(f"{key}.url", "expected an https address (http only on this machine)")
    return McpServer(
        label=server.label,
        url=url,
        authorization=_expanded(server.authorization, f"{key}.authorization", values, problems),
        headers={
            name: _expanded(value, f"{key}.headers.{name}", values, problems)
            for name, value in server.headers.items()
        },
        description=server.description,
        allowed_tools=tuple(server.allowed_tools),
        needs_approval=tuple(server.needs_approval),
        approved=tuple(server.approved),
    )


def _expanded(text: str, key: str, values: Mapping[str, str], problems: Problems) -> str:
    """Return the text with the deployment's values; empty when it cannot be used."""
    expansion = expand(text, values)
    for expected in expansion.problems:
        problems.add(key, f"expected {expected}")
    if not expansion.text.isprintable():
        problems.add(key, "expected no control characters")
    return "" if expansion.problems else expansion.text


def _is_safe_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # broken brackets, or a port that is no number
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
