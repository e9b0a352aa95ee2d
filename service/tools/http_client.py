"""HTTP requests to places that may be slow, wrong or hostile.

The connection pool behind it is made with the first request, in a thread: its library and the
system's certificates take about 50 ms, which neither the start nor a call in progress has to
spare.
"""

import asyncio
import importlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.tools.port import ToolError
from service.tools.urls import Place

DEFAULT_MAX_BYTES = 65_536
"""About 16,000 tokens of JSON: more than a model should read during a call."""
MOST_MAX_BYTES = 1 << 20
_OPENER = "service.tools.http_transport"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host; raises `OSError` when there are none."""


class Unreachable(ToolError):
    """No answer came, and nobody knows whether the request arrived."""

    def __init__(self) -> None:
        super().__init__("failed", "The service cannot be reached. Try again later.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        target: path and query, ready for the wire.
        headers: without those that the client sets: `Host`, `Content-Length`, `Accept-Encoding`.
        max_bytes: a longer answer is refused.
        allow_private: also addresses that are not of the open internet.
    """

    method: str
    place: Place
    target: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int = DEFAULT_MAX_BYTES
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is empty unless `is_ok`. `retry_after` is the header, or empty."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: str = ""

    @property
    def is_ok(self) -> bool:
        """True when the server did what it was asked to do."""
        return 200 <= self.status < 300

    def raise_for_status(self) -> None:
        """Do nothing when the server did its work.

        Raises:
            ToolError: `not_found` or `failed`, by the status alone.
        """
        if not self.is_ok:
            code, message = _REFUSALS.get(self.status, _OTHER_REFUSAL)
            raise ToolError(code, message)


class Transport(Protocol):
    """Connections that are kept between requests."""

    async def send(self, request: Request) -> Answer:
        """See `HttpClient.send`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class HttpClient:
    """Sends requests: no redirects, no cookies, no proxies of the environment, no compression.

    Serves one event loop.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = system_addresses,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            resolve: how host names become addresses.
            tls: makes the context by which servers are verified; called in a thread.
        """
        self._resolve = resolve
        self._tls = tls
        self._transport: Transport | None = None
        self._opening = asyncio.Lock()

    async def send(self, request: Request) -> Answer:
        """Return the answer, whatever its status. Cancelling it closes its connection.

        A request waits longest for 5 s to be connected and 60 s for each part of the answer; the
        whole needs a deadline of the caller.

        Raises:
            Unreachable: no answer came.
            ToolError: `refused`, the host has an address that is not allowed; `too_large`;
                `bad_answer`, what came is not an HTTP answer, or is compressed or cut short.
        """
        return await (await self._opened()).send(request)

    async def aclose(self) -> None:
        """Close the connections; a later request opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def _opened(self) -> Transport:
        async with self._opening:
            if self._transport is None:
                self._transport = await asyncio.to_thread(_open, self._resolve, self._tls)
            return self._transport


def _open(resolve: Resolve, tls: Callable[[], ssl.SSLContext]) -> Transport:
    module = importlib.import_module(_OPENER)
    transport: Transport = module.PooledTransport(resolve, tls())
    return transport


_REFUSALS = {
    400: ("failed", "The service did not accept these arguments."),
    401: ("failed", "The service does not allow this."),
    403: ("failed", "The service does not allow this."),
    404: ("not_found", "The service knows nothing under these arguments."),
    409: ("failed", "The service did not accept these arguments."),
    410: ("not_found", "The service knows nothing under these arguments."),
    422: ("failed", "The service did not accept these arguments."),
    429: ("failed", "The service is too busy now. Try again later."),
    503: ("failed", "The service is too busy now. Try again later."),
}
_OTHER_REFUSAL = ("failed", "The service could not do it.")
