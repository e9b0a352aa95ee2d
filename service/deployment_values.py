"""Values of the deployment in the texts of bots' files: `${NAME}` and `${NAME:-default}`.

They are secrets and addresses, and are put in once, when a file is read: what was put in is never
read as a placeholder. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MARK = re.compile(r"\$\{([^{}]*)\}|\$\{")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,127})(?::-(.*))?", re.DOTALL)
_FORM = "placeholders in the form ${NAME} or ${NAME:-default}"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with the values put in.

    Attributes:
        parts: what the text has itself and what was put in, in turn; the first and the last are
            the text's own.
        problems: what was expected and is not there; they show no value.
    """

    parts: tuple[str, ...] = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All parts together."""
        return "".join(self.parts)


def expand(text: str, values: Mapping[str, str]) -> Expansion:
    """Put the values in. A `${` that begins no placeholder is a problem, and is left out.

    Args:
        text: as it stands in the file.
        values: by name; an empty one counts as absent.
    """
    parts: list[str] = []
    problems: list[str] = []
    end = 0
    for mark in _MARK.finditer(text):
        value, problem = _value(mark[1], values)
        parts += (text[end : mark.start()], value)
        problems += [problem] if problem else []
        end = mark.end()
    return Expansion((*parts, text[end:]), tuple(problems))


def _value(inside: str | None, values: Mapping[str, str]) -> tuple[str, str]:
    """Return the value, and what is wrong; `inside` is None for a brace that is never closed."""
    form = None if inside is None else _INSIDE.fullmatch(inside)
    if form is None:
        return "", _FORM
    name, default = form.groups()
    value = values.get(name) or default
    if value is None:
        return "", f"a value for {name}, which the deployment lacks"
    return value, ""
