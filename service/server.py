"""uvicorn, made fit for phone calls: bounded requests, sockets that surely close, and a drain.

uvicorn closes live sockets first when it is told to stop; a call has no way to reconnect, so we
let calls end and stop then. Bad input numbers refer to the AudioHook specification, section 17.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from service.live_calls import LiveCalls

HEAD_DEADLINE_S = 10.0
"""For a request's head to arrive (bad input 21)."""
MAX_HEAD_BYTES = 64 * 1024
"""Of one request's line and headers; Genesys sends less than 2 kB (bad input 16)."""
MAX_MESSAGE_BYTES = 128 * 1024
"""Of one WebSocket message: 16 s of audio; the protocol's texts end at 64 kB (bad input 62)."""
CLOSE_DEADLINE_S = 5.0
"""For the peer's part of a WebSocket close, and for the socket to take what we wrote (80)."""
LAST_WORDS_S = 15.0
"""The last part of the drain, in which callers hear that they are handed over."""
TICKS_PER_S = 10
"""Of uvicorn's own clock."""
CUT_S = 1.0
"""For the flows of calls that must end now to be told."""

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_log = logging.getLogger(__name__)


class BoundedHttp(HttpToolsProtocol):
    """HTTP with a deadline and a size for request heads, which uvicorn leaves open."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse a head that grows too large, else go on."""
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Start the deadline of a further request on the same connection."""
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop the deadline: the head is there."""
        self._stop_timer()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()


class CallSocket(WebSocketsSansIOProtocol):
    """A WebSocket that answers bad input quietly and never outlives its close for long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_DEADLINE_S
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline of the close."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse what the WebSocket library cannot read, which uvicorn would leave unanswered."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            answer = b"".join(self.conn.data_to_send())  # it has one for overlong lines (16)
            self.transport.write(answer or _BAD_REQUEST)
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """Let what the call still writes fail as on a lost socket; it may not know yet."""
        super().handle_parser_exception()
        self.disconnected = True

    async def send(self, message: Any) -> None:
        """Count an answered refusal as a finished handshake: uvicorn logs an error instead."""
        await super().send(message)
        self.handshake_complete = self.handshake_complete or self.close_sent

    def send_receive_event_to_app(self) -> None:
        """Close with 1007 on text that is not UTF-8 (28), without uvicorn's traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.fail(1007)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the socket a last deadline: a peer that does not read would hold it for ever."""
        super().on_task_complete(task)
        self._abort_timer = self.loop.call_later(CLOSE_DEADLINE_S, self.transport.abort)


class CallServer(uvicorn.Server):
    """Serves until told to stop, then lets the calls end.

    The first signal: no new calls, `/readyz` says so, live calls go on; `LAST_WORDS_S` before
    `drain_s` are over each caller is told and handed over. When they are over, or at a second
    signal, the calls left are ended at once, and `CUT_S` later the process. A third signal ends
    it as it stands.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        calls: LiveCalls,
        drain_s: float,
        further_port: int | None = None,
        idle: "IdleExit | None" = None,
    ) -> None:
        """`further_port` is listened on as well; `idle` ends a process that nobody needs."""
        super().__init__(config)
        self._idle = idle
        self._further_port = further_port
        self.has_cut_calls = False
        self._calls = calls
        self._drain_s = drain_s
        self._drain_began_at: float | None = None
        self._is_cut_wanted = False
        self._cut_at: float | None = None

    def bind(self) -> list[socket.socket] | None:
        """Return the sockets to run with; None when uvicorn can make the only one by itself.

        Raises:
            SystemExit: a port cannot be had, which was logged.
        """
        if self._further_port in (None, self.config.port):
            return None
        further = uvicorn.Config(
            self.config.app, host=self.config.host, port=self._further_port, log_config=None
        )
        return [self.config.bind_socket(), further.bind_socket()]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if sockets and self.started:
            self._log_started_message(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; uvicorn's own way would close the sockets of live calls."""
        del sig, frame
        if not self._calls.is_draining:
            self._calls.drain()
        elif not self._is_cut_wanted:
            self._is_cut_wanted = True
        else:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether the drain is over."""
        if self._calls.is_draining and not self.should_exit:
            self._drain_tick(asyncio.get_running_loop().time())
        elif self._idle and counter % TICKS_PER_S == 0:
            self._idle_tick(self._idle, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _idle_tick(self, idle: "IdleExit", now: float) -> None:
        # Whoever asks for /readyz or rings at this moment is a task of the server, too.
        is_busy = len(self._calls) > 0 or bool(self.server_state.tasks)
        if idle.is_over(now, is_busy=is_busy):
            _log.info("nobody needs this process: it ends", extra={"idle_s": idle.after_s})
            self._calls.drain()

    def _drain_tick(self, now: float) -> None:
        if self._drain_began_at is None:
            self._drain_began_at = now
            _log.info("draining", extra={"calls": len(self._calls), "drain_s": self._drain_s})
        drained_s = now - self._drain_began_at
        if len(self._calls) == 0:
            self.should_exit = True
        elif self._is_cut_wanted or drained_s >= max(self._drain_s, LAST_WORDS_S):
            self._cut_calls(now)
        elif drained_s >= self._drain_s - LAST_WORDS_S:
            self._calls.hand_over()  # again and again: a call may have been about to open

    def _cut_calls(self, now: float) -> None:
        self.has_cut_calls = True
        if self._cut_at is None:
            self._cut_at = now
            _log.warning("ending the last calls", extra={"calls": len(self._calls)})
        self._calls.cut()
        self.should_exit = now >= self._cut_at + CUT_S

    def _log_started_message(self, listeners: Any) -> None:
        """Say where we listen, in our own form: the port may have been chosen by the system."""
        host, port = listeners[0].getsockname()[:2]
        _log.info("ready", extra={"host": host, "port": port})


class IdleExit:
    """Tells when a process has been without calls, and without events to deliver, for long enough.

    Attributes:
        after_s: how long that is.
    """

    def __init__(self, after_s: float, has_events: Callable[[], bool]) -> None:
        """`has_events` tells whether events wait to be delivered."""
        self.after_s = after_s
        self._has_events = has_events
        self._idle_since: float | None = None

    def is_over(self, now: float, *, is_busy: bool) -> bool:
        """Look at the process; True when it may end."""
        if is_busy or self._has_events():
            self._idle_since = None
            return False
        self._idle_since = now if self._idle_since is None else self._idle_since
        return now - self._idle_since >= self.after_s


def make_server(
    app: ASGIApp,
    calls: LiveCalls,
    *,
    host: str,
    port: int,
    drain_s: float,
    further_port: int | None = None,
    idle: IdleExit | None = None,
) -> CallServer:
    """Return the server for an application, with all its bounds set; run it with its `bind()`."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHttp,
        ws=CallSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # G.711 does not shrink (specification, 1)
        ws_ping_interval=None,  # Genesys does not use WebSocket pings (specification, 1)
        timeout_graceful_shutdown=5,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )
    return CallServer(config, calls, drain_s, further_port, idle)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
