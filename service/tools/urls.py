"""Addresses with gaps: a fixed place, and a path and query that a call fills in.

Pure. Whatever the model writes stays within one segment of the path or one value of the query.

Source: RFC 3986, 2.1 (encoding), 3.3 (path), 5.2.4 (dot segments).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from service.tools.port import ToolError
from service.tools.templates import Placeholder, Scope, Template

MAX_TARGET_CHARS = 8_192
"""Servers take 8 kB for the request line: nginx, Apache."""
_PLACE = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_-][a-z0-9_.-]*)(?::(?P<port>\d{1,5}))?"
    r"(?=[/?]|$)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE = "/?%:@!$&'()*+,;=~"
_SEPARATORS = re.compile(r"[/\\;]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class UrlError(ValueError):
    """The address cannot be used; its text says what was expected and shows no part of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to connect to. `host` is lower case; IPv6 addresses stand in brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """An address with gaps behind the host."""

    place: Place
    path: Template
    query: Template

    def target(self, scope: Scope, query: Mapping[str, Template]) -> str:
        """Return path and query for one call; members of `query` without a value are left out.

        Raises:
            ToolError: `invalid_arguments`; a value does not fit, or all of them are too long.
        """
        path = self.path.filled(scope, _segment) or "/"
        pairs = [self.query.filled(scope, _quoted) or ""]
        for name, template in query.items():
            value = template.filled(scope)
            if value is not None:
                pairs.append(f"{quote(name, safe='')}={_quoted(value, name)}")
        joined = "&".join(pair for pair in pairs if pair)
        target = f"{path}?{joined}" if joined else path
        if len(target) > MAX_TARGET_CHARS:
            raise ToolError("invalid_arguments", "The arguments are too long.")
        return target


def url_template(template: Template) -> UrlTemplate:
    """Split a template of an address.

    Raises:
        UrlError: scheme, host and port are not fixed, or it has a user name or a fragment.
    """
    if "#" in template.literals or re.search(r"\s", template.literals):
        raise UrlError("an address without a fragment (#) and without spaces")
    first, rest = (template.parts or ("",))[0], template.parts[1:]
    match = _PLACE.match(first) if isinstance(first, str) else None
    tail = match.string[match.end() :] if match else ""
    if match is None or (rest and not tail):
        raise UrlError("http(s)://host or http(s)://host:port, fixed; {{...}} only behind it")
    path, query = _halves((tail, *rest))
    return UrlTemplate(_place(match), path, query)


def _place(match: re.Match[str]) -> Place:
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65_536:
        raise UrlError("a port from 1 to 65535")
    return Place(scheme, match["host"].lower(), port)


def _halves(parts: tuple[str | Placeholder, ...]) -> tuple[Template, Template]:
    """Split at the first `?` of a literal; values cannot make one."""
    for i, part in enumerate(parts):
        if isinstance(part, str) and "?" in part:
            before, _, after = part.partition("?")
            return _encoded(*parts[:i], before), _encoded(after, *parts[i + 1 :])
    return _encoded(*parts), Template(())


def _encoded(*parts: str | Placeholder) -> Template:
    """Encode what no address may have, such as letters with accents, in the literals."""
    return Template(
        tuple(quote(part, safe=_SAFE) if isinstance(part, str) else part for part in parts)
    )


def _segment(value: str, name: str) -> str:
    """Refuse what could lead out of the segment, also at servers that decode it too early."""
    if not value:
        raise ToolError("invalid_arguments", f"{name} must not be empty.")
    if _CONTROL.search(value) or {".", ".."}.intersection(_SEPARATORS.split(value)):
        raise ToolError("invalid_arguments", f"{name} has characters that are not allowed.")
    return _quoted(value, name)


def _quoted(value: str, name: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ToolError("invalid_arguments", f"{name} is not valid text.") from None
