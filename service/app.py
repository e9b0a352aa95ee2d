"""The web application: who may call, health, and one `CallSession` per accepted socket."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from service.audiohook.upgrade import CallIdentity, UpgradeRequest
from service.call import CallSession
from service.call_services import CallServices
from service.gate import Gate, Refused
from service.live_calls import LiveCalls, Refusal
from service.logs import call_id
from service.monitoring import MetricsPage, Monitoring
from service.receipt import Arrival

NO_MONITORING = Monitoring()
RETRY_AFTER_S = 5
"""Told to callers that we cannot take: by then another instance may have started."""

_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the aware wall-clock time, for events."""
    return datetime.now(UTC)  # noqa: TID251 the edge where wall-clock time enters


def unix_now() -> float:
    """Return Unix seconds, for the clock rules of signatures."""
    return time.time()  # noqa: TID251 the edge where wall-clock time enters


ProviderStates = Callable[[], Mapping[str, str]]
"""Tells by name whether a speech provider is tried: `closed` yes, `open` no, `half_open` once."""


def create_app(
    *,
    gate: Gate,
    calls: LiveCalls,
    services: CallServices,
    providers: ProviderStates,
    monitoring: Monitoring = NO_MONITORING,
    watching: Sequence[Callable[[], Awaitable[None]]] = (),
    closing: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Starlette:
    """Return the application.

    Args:
        gate: who may call.
        calls: that are live.
        services: what each call uses.
        providers: tells by name how each provider stands, for `/readyz`.
        monitoring: what goes on beside the calls, and what `/metrics` shows.
        watching: what goes on beside the calls, until it is cancelled.
        closing: what is to be done after the last call.
    """
    door = _Door(gate, calls, services)
    app = Starlette(
        routes=[
            Route("/livez", _livez),
            Route("/readyz", _readyz_of(calls, providers)),
            *([Route("/metrics", _metrics_of(monitoring.page))] if monitoring.page else ()),
            Route("/audiohook{rest:path}", _not_a_socket),
        ],
        lifespan=_lifespan_of(
            services, (services.bots.watch, *monitoring.watching, *watching), closing
        ),
    )
    app.router.redirect_slashes = False  # Genesys follows no redirects
    app.router.default = door
    return app


class _Door:
    """Turns an upgrade request into a call, or into a refusal before the 101.

    Takes every upgrade, whatever its path: a Connector ID may be appended to the base URI
    without a slash or hold any byte, and what is no path of ours the gate refuses (404).
    """

    def __init__(self, gate: Gate, calls: LiveCalls, services: CallServices) -> None:
        self._gate = gate
        self._calls = calls
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what no route takes: an upgrade to the end of its call, or plain HTTP with 404."""
        if scope["type"] == "websocket":
            await self._upgrade(WebSocket(scope, receive, send))
        else:
            await PlainTextResponse("Not Found\n", 404)(scope, receive, send)

    async def _upgrade(self, socket: WebSocket) -> None:
        arrived_at = self._services.clock()
        scope = socket.scope
        request = UpgradeRequest.from_asgi(
            scope["raw_path"], scope["query_string"], scope["headers"]
        )
        if refusal := self._calls.refusal():
            await self._refuse_for_now(socket, refusal)
            return
        try:
            identity = await self._gate.admit(request)
        except Refused as refused:
            _log.warning(
                "an upgrade was refused",
                extra={"status": refused.status, "reason": refused.reason},
            )
            await _deny(socket, refused.status, refused.body, refused.retry_after_s)
            return
        if refusal := self._calls.refusal():  # others may have come in meanwhile
            await self._refuse_for_now(socket, refusal)
            return
        await self._serve(socket, identity, arrived_at)

    async def _serve(self, socket: WebSocket, identity: CallIdentity, arrived_at: float) -> None:
        call_id.set(identity.session_id or "")
        arrival = Arrival(arrived_at, is_cold=self._calls.served == 0)
        call = CallSession(socket, identity, self._services, arrival)
        if identity.session_id in self._calls.session_ids:  # bad input 19: both go on
            _log.warning("a session id is used by two live calls")
        with self._calls.serving(call, identity.session_id):
            try:
                await socket.accept()
            except OSError:  # in this way the server tells of a socket that is gone
                _log.info("the caller was gone before the call began")
                return
            try:
                await call.run()
            except Exception:  # one call must not end others, nor be told about on the wire
                _log.exception("a call failed inside")

    async def _refuse_for_now(self, socket: WebSocket, refusal: Refusal) -> None:
        self._calls.turned_away[refusal] += 1
        _log.warning(
            "an upgrade was refused: no room",
            extra={"calls": len(self._calls), "cause": refusal},
        )
        await _deny(socket, 503, "Service Unavailable", RETRY_AFTER_S)


async def _deny(socket: WebSocket, status: int, body: str, retry_after_s: int | None) -> None:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    await socket.send_denial_response(PlainTextResponse(body + "\n", status, headers))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    """Do something beside the calls; a bug in it harms neither them nor their events."""
    try:
        await work()
    except Exception:
        _log.exception("something beside the calls has failed")


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _readyz_of(
    calls: LiveCalls, providers: ProviderStates
) -> Callable[[Request], Awaitable[Response]]:
    async def readyz(_: Request) -> Response:
        state = {
            "ready": calls.has_room(),
            "draining": calls.is_draining,
            "calls": len(calls),
            "max_calls": calls.max_calls,
            "providers": dict(providers()),
        }
        return JSONResponse(state, status_code=200 if calls.has_room() else 503)

    return readyz


def _metrics_of(page: MetricsPage) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        if page.port not in (None, request.scope["server"][1]):
            return PlainTextResponse("Not Found\n", 404)
        body, content_type = page.render(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    return metrics


async def _not_a_socket(request: Request) -> Response:
    """Answer plain HTTP on the WebSocket's paths (bad inputs 1 and 2)."""
    if request.method == "GET":
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        return PlainTextResponse("A WebSocket upgrade is required.\n", 426, headers)
    return PlainTextResponse("Method Not Allowed\n", 405, {"Allow": "GET"})


def _lifespan_of(
    services: CallServices,
    watching: Sequence[Callable[[], Awaitable[None]]],
    closing: Sequence[Callable[[], Awaitable[None]]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await services.events.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_run(watch)) for watch in watching]
                yield
                for task in tasks:
                    task.cancel()
            await services.speech.aclose()
        finally:  # whatever else failed: what the calls told is not to be lost
            await services.events.aclose()
        for close in closing:
            await close()

    return lifespan
