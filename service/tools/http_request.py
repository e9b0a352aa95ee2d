"""The requests of one HTTP tool: read once from the bot's file, filled in for each call.

Pure. Header values hold secrets of the deployment; nothing here shows them.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.tools.http_client import Request
from service.tools.json_values import encoded
from service.tools.port import ToolContext, ToolError
from service.tools.templates import Scope, Template, TemplateReader, Tree, filled_tree
from service.tools.urls import UrlError, UrlTemplate, url_template

MAX_HEADER_CHARS = 4_096
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OURS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that say how the bytes travel; a tool that set one could split its request in two."""
_IDEMPOTENCY_SPACE = uuid.UUID("8d0b6e5c-5f0e-4f0c-9f0a-2f6f8c1d7b35")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTemplate:
    """What a tool sends.

    Attributes:
        body: template of the JSON body; None for the arguments themselves.
        has_body: the method has one.
        idempotency_header: name of the header that takes the key, or empty.
    """

    method: str
    url: UrlTemplate
    headers: Mapping[str, Template] = field(repr=False)
    query: Mapping[str, Template] = field(repr=False)
    body: Tree = field(repr=False)
    has_body: bool
    idempotency_header: str
    max_bytes: int
    allow_private: bool

    def filled(self, scope: Scope) -> Request:
        """Return the request of one call.

        Raises:
            ToolError: `invalid_arguments`; a value cannot stand where the tool puts it.
        """
        return Request(
            method=self.method,
            place=self.url.place,
            target=self.url.target(scope, self.query),
            headers=self._headers(scope),
            body=self._body(scope) if self.has_body else None,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
        )

    def _headers(self, scope: Scope) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "audioconnector-bridge"}
        if self.has_body:
            headers["Content-Type"] = "application/json"
        if self.idempotency_header:
            headers[self.idempotency_header] = idempotency_key(scope.call)
        for name, template in self.headers.items():
            value = template.filled(scope)
            if value is not None:
                headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
                headers[name] = _checked_header(name, value)
        return headers

    def _body(self, scope: Scope) -> bytes:
        return encoded(scope.arguments if self.body is None else filled_tree(self.body, scope))


def idempotency_key(call: ToolContext) -> str:
    """Return the key of a call of the function: the same for each try, another for each call."""
    return str(uuid.uuid5(_IDEMPOTENCY_SPACE, f"{call.session_id}\n{call.call_id}"))


def read_url(reader: TemplateReader, text: str) -> UrlTemplate | None:
    """Return the address, None when it has problems, which the reader then knows."""
    count = len(reader.problems)
    template = reader.read("url", text)
    if len(reader.problems) > count:
        return None
    try:
        return url_template(template)
    except UrlError as error:
        reader.problems.append(("url", str(error)))
        return None


def read_headers(reader: TemplateReader, headers: Mapping[str, str]) -> dict[str, Template]:
    """Return the headers; the reader knows the problems of names and fixed values."""
    for name in headers:
        if not is_header_name(name):
            reader.problems.append((f"headers.{name}", "the name of a header that a tool may set"))
    templates = {name: reader.read(f"headers.{name}", text) for name, text in headers.items()}
    for name, template in templates.items():
        if not _HEADER_VALUE.fullmatch(template.literals):
            reader.problems.append((f"headers.{name}", "printable ASCII, without line breaks"))
    return templates


def is_header_name(name: str) -> bool:
    """True for a name that has the form of one and is not ours to set."""
    return _HEADER_NAME.fullmatch(name) is not None and name.lower() not in _OURS


def _checked_header(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ToolError("invalid_arguments", f"A value for {name} has characters of another kind.")
    if len(value) > MAX_HEADER_CHARS:
        raise ToolError("invalid_arguments", f"A value for {name} is too long.")
    return value.strip()
