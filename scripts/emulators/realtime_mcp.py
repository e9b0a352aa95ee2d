"""MCP servers that the emulated provider talks to: what they offer, to whom, and what they answer.

Values and rules only; who sends which event: `realtime_session` and `realtime_mcp_output`.
Source: openai_realtime spec 7.5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from scripts.emulators.realtime_wire import Json

FailureKind = Literal["tool_execution_error", "protocol_error", "http_error"]


class McpFailure(Exception):
    """A call that fails: at the tool, in the protocol, or on the way to the server."""

    def __init__(
        self, message: str, *, kind: FailureKind = "tool_execution_error", code: int = 0
    ) -> None:
        """Takes the words of the server; `code` belongs to the two kinds other than the tool's."""
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.code = code

    def body(self) -> Json:
        """The `error` of an `mcp_call`."""
        code = {} if self.kind == "tool_execution_error" else {"code": self.code}
        return {"type": self.kind, **code, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """One tool of an emulated MCP server.

    Attributes:
        answer: What a call gives: text or a JSON value, a failure, or a function that takes the
            arguments and returns the one or raises the other.
        schema: JSON Schema of the arguments.
        description: For the model.
        delay_s: How long a call takes.
        is_read_only: For filters by `read_only`.
    """

    answer: object
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    description: str = ""
    delay_s: float = 0.0
    is_read_only: bool = False

    def run(self, arguments: Json) -> str:
        """Returns the output as text.

        Raises:
            McpFailure: The call fails.
        """
        answer = self.answer(arguments) if callable(self.answer) else self.answer
        if isinstance(answer, McpFailure):
            raise answer
        return answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()


McpServers = Mapping[str, Mapping[str, McpTool]]
"""By label; the tools of a server by name."""


class McpAccess:
    """What one session may use of the servers."""

    def __init__(self, servers: McpServers) -> None:
        self._servers = servers
        self._declared: dict[str, Json] = {}  # the newest declarations, by label
        self._listed: dict[str, Json] = {}  # those whose listing has completed

    def declare(self, declaration: Json) -> bool:
        """Whether the tools must be listed: the server is new, or declared in another way."""
        label = declaration["server_label"]
        is_new = self._declared.get(label) != declaration
        self._declared[label] = declaration
        return is_new

    def list_tools(self, declaration: Json) -> list[Json] | None:
        """The tools for an `mcp_list_tools` item, callable from now; None: no such server."""
        label = declaration["server_label"]
        server = self._servers.get(label)
        if server is None:
            return None
        self._listed[label] = declaration
        return [
            {"name": name, "description": tool.description, "input_schema": dict(tool.schema)}
            for name, tool in self._allowed(declaration).items()
        ]

    def offered(self, tools: Sequence[Json]) -> list[Json]:
        """The callable tools behind the `mcp` entries of a session's tools, one by one."""
        return [
            {
                "type": "mcp",
                "server_label": declaration["server_label"],
                "name": name,
                "description": tool.description,
                "parameters": dict(tool.schema),
            }
            for declaration in tools
            if declaration["type"] == "mcp"
            and self._listed.get(declaration["server_label"]) == declaration
            for name, tool in self._allowed(declaration).items()
        ]

    def tool(self, label: str, name: str) -> McpTool:
        """A tool that was offered."""
        return self._servers[label][name]

    def needs_approval(self, label: str, name: str) -> bool:
        """Whether each use of it is asked for; so it is where the session says nothing."""
        policy = self._listed[label].get("require_approval") or "always"
        if isinstance(policy, str):
            return policy == "always"
        never = policy.get("never")
        return never is None or not _matches(never, name, self.tool(label, name))

    def _allowed(self, declaration: Json) -> dict[str, McpTool]:
        server = self._servers[declaration["server_label"]]
        allowed = declaration.get("allowed_tools")
        if allowed is None:
            return dict(server)
        chosen = {"tool_names": allowed} if isinstance(allowed, list) else allowed
        return {name: tool for name, tool in server.items() if _matches(chosen, name, tool)}


def _matches(chosen: Json, name: str, tool: McpTool) -> bool:
    """Whether a filter with `tool_names`, `read_only` or both means the tool."""
    is_named = name in chosen.get("tool_names", (name,))
    return is_named and chosen.get("read_only", tool.is_read_only) == tool.is_read_only
