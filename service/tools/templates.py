"""Texts with gaps: what a bot's file says, and what is put in when the model calls.

Values of the deployment (`service.deployment_values`) are put in once, when the file is read.
`{{arguments.NAME}}`, `{{inputs.NAME}}` and `{{call.NAME}}` are put in for each call. What was
put in is never read as a template again: no value can name another value.

Pure. Literals can hold secrets: nothing here shows one, in errors or in `repr`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from service.deployment_values import expand
from service.tools.port import Arguments, ToolContext, ToolError

_MARK = re.compile(r"\{\{(?P<inside>[^{}]*)\}\}|\{\{")
_PLACEHOLDER = re.compile(r"\s*(?P<source>arguments|inputs|call)\.(?P<name>[\w.-]+)\s*")
_CALL_NAMES = frozenset({"session_id", "conversation_id", "call_id", "language"})
_FORM = "placeholders in the form {{arguments.NAME}}, {{inputs.NAME}} or {{call.NAME}}"


class Absent(Enum):
    """The mark of a value that was not given, unlike one that is null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A gap for one value of the call."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The values of one call of the function."""

    arguments: Arguments = field(repr=False)
    call: ToolContext = field(repr=False)

    def value(self, placeholder: Placeholder) -> object:
        """Return the value, `ABSENT` when the model, the flow or the call did not give it."""
        if placeholder.source == "arguments":
            return self.arguments.get(placeholder.name, ABSENT)
        if placeholder.source == "inputs":
            return self.call.inputs.get(placeholder.name, ABSENT)
        value = getattr(self.call, placeholder.name)
        return ABSENT if value is None else value

    def text(self, placeholder: Placeholder) -> str | None:
        """Return the value as text, None when it is absent or null.

        Raises:
            ToolError: `invalid_arguments`; it is a list or an object.
        """
        value = self.value(placeholder)
        if value is None or value is ABSENT:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise ToolError("invalid_arguments", f"{placeholder.name} must be a single value.")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with gaps. Literal parts never follow each other."""

    parts: tuple[str | Placeholder, ...] = field(repr=False)

    @property
    def sole(self) -> Placeholder | None:
        """The placeholder when it is the whole template."""
        first = self.parts[0] if len(self.parts) == 1 else ""
        return first if isinstance(first, Placeholder) else None

    @property
    def arguments(self) -> frozenset[str]:
        """The names of the arguments that fill its gaps."""
        gaps = (part for part in self.parts if isinstance(part, Placeholder))
        return frozenset(gap.name for gap in gaps if gap.source == "arguments")

    @property
    def literals(self) -> str:
        """What is fixed, without the gaps."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def filled(self, scope: Scope, encode: Callable[[str, str], str] | None = None) -> str | None:
        """Return the text; a missing value is an empty text, or None when it is all there is.

        Args:
            scope: the values.
            encode: gets a value and its name, returns what to put in.

        Raises:
            ToolError: `invalid_arguments`; a value does not fit.
        """
        if self.sole is not None and scope.text(self.sole) is None and encode is None:
            return None
        pieces = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(part)
                continue
            value = scope.text(part) or ""
            pieces.append(encode(value, part.name) if encode else value)
        return "".join(pieces)


Tree = Template | list["Tree"] | dict[str, "Tree"] | int | float | bool | None
"""A JSON value whose strings are templates."""


def filled_tree(tree: Tree, scope: Scope) -> object:
    """Return the JSON value.

    A string that is one placeholder takes the value with its type; when that is absent, its member
    or element is left out, and a whole body is null.

    Raises:
        ToolError: `invalid_arguments`; a list or an object stands within a text.
    """
    value = _filled(tree, scope)
    return None if value is ABSENT else value


def _filled(tree: Tree, scope: Scope) -> object:
    if isinstance(tree, Template):
        return scope.value(tree.sole) if tree.sole is not None else tree.filled(scope)
    if isinstance(tree, dict):
        members = {name: _filled(item, scope) for name, item in tree.items()}
        return {name: value for name, value in members.items() if value is not ABSENT}
    if isinstance(tree, list):
        return [value for item in tree if (value := _filled(item, scope)) is not ABSENT]
    return tree


@dataclass(frozen=True, slots=True)
class Names:
    """What templates may refer to."""

    arguments: frozenset[str]
    inputs: frozenset[str]
    values: Mapping[str, str] = field(repr=False)


class TemplateReader:
    """Reads templates and gathers what is wrong with them.

    Attributes:
        problems: pairs of the key in the file and what was expected there.
    """

    def __init__(self, names: Names) -> None:
        self.problems: list[tuple[str, str]] = []
        self._known = {
            "arguments": names.arguments,
            "inputs": names.inputs,
            "call": _CALL_NAMES,
        }
        self._values = names.values

    def read(self, key: str, text: str) -> Template:
        """Return the template; what is wrong with it is in `problems` and left out of it."""
        expansion = expand(text, self._values)
        self.problems += [(key, problem) for problem in expansion.problems]
        parts: list[str | Placeholder] = []
        for number, part in enumerate(expansion.parts):
            was_put_in = number % 2 == 1
            parts += [part] if was_put_in else self._gaps(key, part)
        return Template(_merged(parts))

    def read_tree(self, key: str, value: object) -> Tree:
        """Return the JSON value with its strings as templates."""
        if isinstance(value, str):
            return self.read(key, value)
        if isinstance(value, dict):
            return {name: self.read_tree(f"{key}.{name}", item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.read_tree(f"{key}[{i}]", item) for i, item in enumerate(value)]
        if value is None or isinstance(value, int | float):
            return value
        self.problems.append((key, "a text, number, truth value, list or table"))
        return None

    def _gaps(self, key: str, text: str) -> list[str | Placeholder]:
        parts: list[str | Placeholder] = []
        end = 0
        for mark in _MARK.finditer(text):
            parts += [text[end : mark.start()], self._placeholder(key, mark["inside"] or "")]
            end = mark.end()
        return [*parts, text[end:]]

    def _placeholder(self, key: str, inside: str) -> str | Placeholder:
        match = _PLACEHOLDER.fullmatch(inside)
        if match is None:
            self.problems.append((key, _FORM))
            return ""
        source, name = match["source"], match["name"]
        if name not in self._known[source]:
            self.problems.append((key, f"{{{{{source}.{name}}}}} to be declared; it is not known"))
        return Placeholder(source, name)


def _merged(parts: list[str | Placeholder]) -> tuple[str | Placeholder, ...]:
    merged: list[str | Placeholder] = []
    for part in parts:
        if part == "":
            continue
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
