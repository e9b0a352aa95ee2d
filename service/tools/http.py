"""Tools that ask a JSON endpoint over HTTP. See README.md beside this file."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Annotated, Any, Literal

import jmespath  # type: ignore[import-untyped]  # the package has no types
import msgspec

from service.tools.addresses import is_allowed
from service.tools.http_client import (
    DEFAULT_MAX_BYTES,
    MOST_MAX_BYTES,
    Answer,
    HttpClient,
    Request,
    Unreachable,
)
from service.tools.http_request import RequestTemplate, is_header_name, read_headers, read_url
from service.tools.json_values import decoded
from service.tools.port import (
    Arguments,
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolDeclaration,
    ToolError,
)
from service.tools.templates import Names, Scope, Template, TemplateReader
from service.tools.urls import UrlTemplate

PAUSE_S = 0.2
"""Before the first repetition, twice as long before the next; half of it is left to chance."""
QUICK_BYTES = 65_536
"""To decode so much takes a millisecond; more is done in a thread, or the audio would stutter."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_BUSY = frozenset({502, 503, 504})
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class HttpDeclaration(ToolDeclaration, kw_only=True):
    """A `[[tools]]` table of the kind `http`; README.md beside this file has every key."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    query: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    body: Any = None
    result: str = ""
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=MOST_MAX_BYTES)] = DEFAULT_MAX_BYTES
    allow_private: bool = False
    retries: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    idempotency_header: str = ""


class HttpKind:
    """Makes HTTP tools; they share one client."""

    declaration = HttpDeclaration

    def __init__(
        self,
        client: HttpClient | None = None,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            client: sends the requests; `aclose` closes it.
            pause: waits so many seconds between two tries.
        """
        self._client = client or HttpClient()
        self._pause = pause

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        """Return the tool; see `ToolKind`."""
        parameters = declared.parameters or _NO_PARAMETERS
        known = frozenset(parameters.get("properties") or ()) | declared.fill.keys()
        reader = TemplateReader(Names(known, surroundings.input_names, surroundings.values))
        request = _request(reader, declared, surroundings)
        expression = _expression(reader, declared.result)
        if reader.problems or request is None:
            raise DeclarationError(reader.problems)
        tries = 1 + (declared.retries if _is_repeatable(declared) else 0)
        work = _HttpWork(
            self._client, request, expression=expression, tries=tries, pause=self._pause
        )
        return Tool(
            name=declared.name,
            description=declared.description,
            parameters=parameters,
            run=work.run,
            timeout_s=declared.timeout_s,
            announce_after_s=declared.announce_after_s,
            max_calls=declared.max_calls,
            fill=declared.fill,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _HttpWork:
    """What one tool does when it is called."""

    def __init__(
        self,
        client: HttpClient,
        request: RequestTemplate,
        *,
        expression: Any,
        tries: int,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        self._client = client
        self._request = request
        self._expression = expression
        self._tries = tries
        self._pause = pause

    async def run(self, arguments: Arguments, call: ToolContext) -> object:
        """See `Run`."""
        answer = await self._answer(self._request.filled(Scope(arguments, call)))
        answer.raise_for_status()
        if len(answer.body) > QUICK_BYTES:
            return await asyncio.to_thread(_narrowed, answer.body, self._expression)
        return _narrowed(answer.body, self._expression)

    async def _answer(self, request: Request) -> Answer:
        for repetition in range(1, self._tries):
            try:
                answer = await self._client.send(request)
                if answer.status not in _BUSY:
                    return answer
            except Unreachable:
                pass  # the next try may get through; the last one says so
            await self._pause(PAUSE_S * repetition * random.uniform(0.5, 1))  # noqa: S311
        return await self._client.send(request)


def _is_repeatable(declared: HttpDeclaration) -> bool:
    """True when doing it twice does no harm: by the method, or because the server sees the key."""
    return declared.method in _REPEATABLE or bool(declared.idempotency_header)


def _request(
    reader: TemplateReader, declared: HttpDeclaration, around: Surroundings
) -> RequestTemplate | None:
    url = read_url(reader, declared.url)
    if url is not None:
        _check_host(reader, url, around.allowed_hosts)
    has_body = declared.method in _WITH_BODY
    if declared.body is not None and not has_body:
        reader.problems.append(("body", "no body with this method, or POST, PUT or PATCH"))
    if declared.idempotency_header and not is_header_name(declared.idempotency_header):
        reader.problems.append(("idempotency_header", "the name of a header that a tool may set"))
    headers = read_headers(reader, declared.headers)
    query = {name: reader.read(f"query.{name}", _text(v)) for name, v in declared.query.items()}
    sensitive = {name for name, field in declared.fill.items() if field in around.sensitive_fields}
    _check_address(reader, url, query, sensitive)
    body = None if declared.body is None else reader.read_tree("body", declared.body)
    if url is None:
        return None
    return RequestTemplate(
        method=declared.method,
        url=url,
        headers=headers,
        query=query,
        body=body,
        has_body=has_body,
        idempotency_header=declared.idempotency_header,
        max_bytes=declared.max_bytes,
        allow_private=declared.allow_private,
    )


def _check_host(reader: TemplateReader, url: UrlTemplate, allowed_hosts: tuple[str, ...]) -> None:
    if not is_allowed(url.place.host, url.place.port, allowed_hosts):
        reader.problems.append(("url", "a host that is allowed (allowed_hosts)"))


def _check_address(
    reader: TemplateReader,
    url: UrlTemplate | None,
    query: Mapping[str, Template],
    sensitive: Set[str],
) -> None:
    """Note sensitive digits in an address: servers on the way write addresses down."""
    places = {f"query.{name}": template.arguments for name, template in query.items()}
    if url is not None:
        places["url"] = url.path.arguments | url.query.arguments
    for key, arguments in places.items():
        for name in sorted(arguments & sensitive):
            expected = f"no digits that are sensitive ({name}), because addresses are logged"
            reader.problems.append((key, f"{expected}: put them in the body"))


def _expression(reader: TemplateReader, text: str) -> Any:
    if not text:
        return None
    try:
        return jmespath.compile(text)
    except jmespath.exceptions.JMESPathError:
        reader.problems.append(("result", "a JMESPath expression"))
        return None


def _narrowed(body: bytes, expression: Any) -> object:
    value = decoded(body)
    if expression is None:
        return value
    try:
        return expression.search(value)
    except jmespath.exceptions.JMESPathError:
        # `from None`: the error quotes the value.
        raise ToolError("bad_answer", "The service gave an answer of another form.") from None


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
