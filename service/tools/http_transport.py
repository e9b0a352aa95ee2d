"""The connections behind `http_client`; imported with the first request.

Host names are resolved and checked where connections are made, so that no second look-up can give
another address (DNS rebinding), and connections are kept by host name, so that TLS has verified
the name of every host that one is used for. This is `httpcore2` without `httpx2` around it: that
one keeps cookies from call to call, logs addresses, and has no place for the check.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

import httpcore2

from service.tools.addresses import is_public
from service.tools.http_client import Answer, Request, Resolve, Unreachable
from service.tools.port import ToolError
from service.tools.urls import Place

MAX_CONNECTIONS = 100
"""Of each of the two pools: one tool at work in each of 100 calls."""
MAX_PER_HOST = 20
"""A host that hangs keeps so many and no more; the other tools go on."""
MAX_ADDRESSES = 4
"""Tried for one host; they share the time for connecting."""
CONNECT_S = 5.0
SILENCE_S = 60.0
"""No tool may take longer; its own deadline is shorter."""
KEPT_S = 15.0
"""Idle connections are closed after so long, before common servers do it."""
_TIMEOUTS = {"connect": CONNECT_S, "read": SILENCE_S, "write": SILENCE_S, "pool": SILENCE_S}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNREACHABLE = (httpcore2.NetworkError, httpcore2.TimeoutException)


class PooledTransport:
    """Two pools: one that reaches public addresses only, and one for tools that may do more."""

    def __init__(self, resolve: Resolve, tls: ssl.SSLContext) -> None:
        # At DEBUG the library logs addresses and headers, and with them keys and callers' words.
        logging.getLogger("httpcore2").setLevel(logging.WARNING)
        self._public = _pool(CheckedNetwork(resolve, is_public), tls)
        self._any = _pool(CheckedNetwork(resolve, lambda address: True), tls)
        # Kept only while somebody uses or awaits it.
        self._shares: WeakValueDictionary[Place, asyncio.Semaphore] = WeakValueDictionary()

    async def send(self, request: Request) -> Answer:
        """See `HttpClient.send`."""
        pool = self._any if request.allow_private else self._public
        async with self._share_of(request.place):
            return await self._answer(pool, request)

    def _share_of(self, place: Place) -> asyncio.Semaphore:
        """Return what is free of the connections that one host may have."""
        share = self._shares.get(place)
        if share is None:
            share = self._shares[place] = asyncio.Semaphore(MAX_PER_HOST)
        return share

    @staticmethod
    async def _answer(pool: httpcore2.AsyncConnectionPool, request: Request) -> Answer:
        response = await _sent(pool, request)
        async with contextlib.aclosing(response):
            if not 200 <= response.status < 300:
                return Answer(response.status, retry_after=_header(response, b"retry-after"))
            return Answer(response.status, await _body(response, request.max_bytes))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._public.aclose()
        await self._any.aclose()


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that pass a check, and to no others."""

    def __init__(
        self,
        resolve: Resolve,
        is_fit: Callable[[str], bool],
        *,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        """Keep the parts.

        Args:
            resolve: how host names become addresses.
            is_fit: the check; one address that fails it condemns the host.
            network: connects to an address.
        """
        self._resolve = resolve
        self._is_fit = is_fit
        self._network = network or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Return a connection to the first address that answers.

        Raises:
            ToolError: `refused`; the host has an address that is not fit.
            ConnectError: it has no address, or none answers.
        """
        seconds = CONNECT_S if timeout is None else timeout
        addresses = await self._addresses(host, port, seconds)
        for address in addresses:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._network.connect_tcp(
                    address, port, seconds / len(addresses), local_address, socket_options
                )
        raise httpcore2.ConnectError

    async def _addresses(self, host: str, port: int, seconds: float) -> list[str]:
        try:
            async with asyncio.timeout(seconds):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError):  # no such host, too late, or no name that DNS could know
            raise httpcore2.ConnectError from None
        if not all(self._is_fit(address) for address in found):
            raise ToolError("refused", "The address of the service is not allowed.")
        return list(dict.fromkeys(found))[:MAX_ADDRESSES]


def _pool(network: CheckedNetwork, tls: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=MAX_CONNECTIONS,
        keepalive_expiry=KEPT_S,
        network_backend=network,
    )


async def _sent(pool: httpcore2.AsyncConnectionPool, request: Request) -> httpcore2.Response:
    """Return the answer's head; its body is still to come."""
    place = request.place
    url = httpcore2.URL(
        scheme=place.scheme.encode(),
        host=place.host.strip("[]").encode(),
        port=place.port,
        target=request.target.encode(),
    )
    wire = httpcore2.Request(
        request.method,
        url,
        headers=list(_headers(request).items()),
        content=request.body or b"",
        extensions={"timeout": _TIMEOUTS},
    )
    try:
        return await pool.handle_async_request(wire)
    except (*_UNREACHABLE, httpcore2.ProtocolError):
        # `from None`, here and below: the error may quote the server.
        raise Unreachable from None


def _headers(request: Request) -> dict[str, str]:
    place = request.place
    port = "" if place.port == _DEFAULT_PORTS[place.scheme] else f":{place.port}"
    headers = {"Host": f"{place.host}{port}", "Accept-Encoding": "identity", **request.headers}
    if request.body is not None:
        headers["Content-Length"] = str(len(request.body))
    return headers


async def _body(response: httpcore2.Response, max_bytes: int) -> bytes:
    # Compressed answers were not asked for. They are not opened: a few bytes can hold a gigabyte.
    if _header(response, b"content-encoding").lower() not in ("", "identity"):
        raise _bad_answer()
    declared = _header(response, b"content-length")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large()
    body = bytearray()
    try:
        async with contextlib.aclosing(response.aiter_stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > max_bytes:
                    raise _too_large()
    except _UNREACHABLE:
        raise Unreachable from None
    except httpcore2.ProtocolError:
        raise _bad_answer() from None
    return bytes(body)


def _header(response: httpcore2.Response, name: bytes) -> str:
    values = (value for key, value in response.headers if key.lower() == name)
    return next(values, b"").decode("latin-1").strip()


def _too_large() -> ToolError:
    return ToolError("too_large", "The answer of the service is too large. Ask for less.")


def _bad_answer() -> ToolError:
    return ToolError("bad_answer", "The service gave an answer that is not valid.")
