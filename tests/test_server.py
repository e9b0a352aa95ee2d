import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState

from service import server
from service.call import CallSession
from service.live_calls import LiveCalls
from service.server import CallServer, CallSocket, IdleExit, make_server
from tests.e2e.raw_http import UPGRADE, request

DRAIN_S = 30.0


class Handset:
    """A live call, as far as the server knows it."""

    def __init__(self) -> None:
        self.drains = 0
        self.cuts = 0

    def drain(self) -> None:
        self.drains += 1

    def cut(self) -> None:
        self.cuts += 1


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


def make(calls: LiveCalls) -> CallServer:
    return make_server(nothing, calls, host="127.0.0.1", port=0, drain_s=DRAIN_S)


@contextlib.contextmanager
def one_live_call() -> Iterator[tuple[CallServer, Handset]]:
    calls, call = LiveCalls(10), Handset()
    with calls.serving(cast("CallSession", call)):
        yield make(calls), call


def receive_signal(serving: CallServer) -> None:
    serving.handle_exit(signal.SIGTERM, None)


def tick(serving: CallServer, *times_s: float) -> None:
    for time_s in times_s:
        serving._drain_tick(time_s)


def test_every_bound_is_set():
    config = make(LiveCalls(1)).config

    assert config.ws_max_size == server.MAX_MESSAGE_BYTES
    assert config.ws_per_message_deflate is False
    assert config.ws_ping_interval is None
    assert config.http is server.BoundedHttp
    assert config.ws is CallSocket


def test_the_first_signal_stops_new_calls_only():
    with one_live_call() as (serving, call):
        receive_signal(serving)
        tick(serving, 0, DRAIN_S - server.LAST_WORDS_S - 1)

        assert serving._calls.is_draining
        assert not serving.should_exit
        assert call.drains == 0


def test_a_drain_without_calls_is_over_at_once():
    serving = make(LiveCalls(10))

    receive_signal(serving)
    tick(serving, 0)

    assert serving.should_exit
    assert not serving.has_cut_calls


def test_a_drain_is_over_when_the_last_call_has_ended():
    with one_live_call() as (serving, _):
        receive_signal(serving)
        tick(serving, 0)
    tick(serving, 5)

    assert serving.should_exit
    assert not serving.has_cut_calls


def test_towards_the_end_of_the_drain_each_call_is_handed_over_and_may_finish():
    with one_live_call() as (serving, call):
        receive_signal(serving)
        tick(serving, 0, DRAIN_S - server.LAST_WORDS_S)

        assert (call.drains, call.cuts) == (1, 0)
        assert not serving.should_exit


def test_a_call_that_comes_up_late_is_handed_over_too():
    with one_live_call() as (serving, _):
        receive_signal(serving)
        tick(serving, 0, DRAIN_S - server.LAST_WORDS_S)
        late = Handset()
        with serving._calls.serving(cast("CallSession", late)):
            tick(serving, DRAIN_S - 1)

    assert late.drains == 1


def test_a_call_that_does_not_end_is_told_and_then_cut():
    with one_live_call() as (serving, call):
        receive_signal(serving)
        tick(serving, 0, DRAIN_S)
        at_the_deadline = (call.cuts, serving.should_exit)
        tick(serving, DRAIN_S + server.CUT_S)

        assert at_the_deadline == (1, False)
        assert serving.should_exit
        assert serving.has_cut_calls


def test_a_drain_without_time_still_leaves_time_for_last_words():
    with one_live_call() as (serving, call):
        serving._drain_s = 0
        receive_signal(serving)
        tick(serving, 0, server.LAST_WORDS_S - 1)

        assert (call.drains, call.cuts) == (2, 0)


def test_the_second_signal_cuts_live_calls():
    with one_live_call() as (serving, call):
        receive_signal(serving)
        receive_signal(serving)
        tick(serving, 0, server.CUT_S)

        assert call.cuts == 2
        assert (serving.should_exit, serving.has_cut_calls) == (True, True)
        assert not serving.force_exit


def test_the_third_signal_ends_at_once():
    with one_live_call() as (serving, _):
        for _ in range(3):
            receive_signal(serving)

        assert serving.force_exit


# One socket, without a network.


class Wire(asyncio.Transport):
    """Takes what the server writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self.was_aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.was_aborted = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Application:
    """Accepts, then does what a test asks with its `send`."""

    def __init__(self) -> None:
        self.send: Send
        self.is_accepted = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.send = send
        await send({"type": "websocket.accept"})
        self.is_accepted.set()
        await self.may_end.wait()


def with_socket(act: Callable[[CallSocket, Wire, Application], Awaitable[None]]) -> None:
    """Run `act` with an accepted socket."""

    async def run() -> None:
        application, wire = Application(), Wire()
        serving = make_server(application, LiveCalls(1), host="x", port=0, drain_s=0)
        serving.config.load()
        socket = CallSocket(serving.config, ServerState(), {}, asyncio.get_running_loop())
        socket.connection_made(wire)
        socket.data_received(request("/audiohook", UPGRADE, host="x"))
        async with asyncio.timeout(5):
            await application.is_accepted.wait()
            await act(socket, wire, application)
            application.may_end.set()
            while socket.tasks:
                await asyncio.sleep(0)
        socket.connection_lost(None)

    asyncio.run(run(), debug=False)


def masked(opcode: int, payload: bytes, *, size: int | None = None) -> bytes:
    """One final client frame with a mask of zeros; `size` overstates the payload's."""
    announced = (len(payload) if size is None else size).to_bytes(8, "big")
    return bytes([0x80 | opcode, 0xFF]) + announced + bytes(4) + payload


@pytest.mark.parametrize(
    "frame",
    [masked(0x1, b"\xff"), masked(0x2, b"", size=server.MAX_MESSAGE_BYTES + 1), b"\xff\xff"],
    ids=["no text", "too large", "no frame"],
)
def test_writing_right_after_a_bad_frame_fails_as_on_a_lost_socket(frame: bytes):
    async def act(socket: CallSocket, wire: Wire, application: Application) -> None:
        socket.data_received(frame)  # the call does not know yet, and its writer goes on

        with pytest.raises(ClientDisconnected):
            await application.send({"type": "websocket.send", "bytes": b"\xff"})
        assert wire.is_closed

    with_socket(act)


def test_text_in_two_frames_that_is_utf8_only_as_a_whole_is_good():
    async def act(socket: CallSocket, wire: Wire, application: Application) -> None:
        del application
        word = "é".encode()
        first = bytes([0x01]) + masked(0x1, word[:1])[1:]  # not final
        socket.data_received(first)
        socket.data_received(masked(0x0, word[1:]))

        assert (await socket.receive())["type"] == "websocket.connect"
        message: Any = await socket.receive()
        assert message["text"] == "é"
        assert not wire.is_closed

    with_socket(act)


def test_a_socket_that_outlives_its_call_is_aborted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "CLOSE_DEADLINE_S", 0.05)

    async def act(socket: CallSocket, wire: Wire, application: Application) -> None:
        application.may_end.set()
        async with asyncio.timeout(3):
            while not wire.was_aborted:
                await asyncio.sleep(0.01)
        assert socket.transport is wire

    with_socket(act)


def test_a_bad_request_for_an_upgrade_is_answered_and_closed():
    async def run() -> Wire:
        serving, wire = make(LiveCalls(1)), Wire()
        serving.config.load()
        socket = CallSocket(serving.config, ServerState(), {}, asyncio.get_running_loop())
        socket.connection_made(wire)
        body = [*UPGRADE, ("Content-Length", "3")]
        socket.data_received(request("/audiohook", body, host="x"))
        socket.connection_lost(None)
        return wire

    wire = asyncio.run(run(), debug=False)

    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.is_closed


# Nobody needs the process.


def test_a_process_is_idle_when_nothing_happened_for_long_enough():
    idle = IdleExit(5.0, lambda: False)

    looks = [idle.is_over(now, is_busy=False) for now in (100.0, 104.9, 105.0)]

    assert looks == [False, False, True]


def test_a_call_makes_the_wait_begin_again():
    idle = IdleExit(5.0, lambda: False)
    idle.is_over(100.0, is_busy=False)
    idle.is_over(104.0, is_busy=True)

    assert [idle.is_over(now, is_busy=False) for now in (106.0, 110.9, 111.0)] == [
        False,
        False,
        True,
    ]


def test_a_process_with_events_to_deliver_stays():
    events = ["the last call"]
    idle = IdleExit(5.0, lambda: bool(events))

    with_events = [idle.is_over(now, is_busy=False) for now in (100.0, 200.0)]
    events.clear()
    without = [idle.is_over(now, is_busy=False) for now in (201.0, 206.0)]

    assert with_events == [False, False]
    assert without == [False, True]
