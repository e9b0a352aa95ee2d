"""Callers whose sockets misbehave, each beside a good call. Numbers: specification, 17."""

import asyncio
import contextlib
import socket as sockets
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from scripts.emulators.genesys import CallReport, Chaos, GenesysCall, play_call
from scripts.emulators.realtime_scenario import HangHandshake, Scenario
from service import caller_socket, server
from service.audio import playout
from service.audiohook import connection, state
from service.bots.port import Bot
from service.speech.endpoints import openai_endpoint
from service.speech.realtime import RealtimeProvider, RealtimeSession
from tests.e2e.bridge import MODEL_KEY, SHOUT, Bridge, Played, bridge, play
from tests.e2e.deaf_model import deaf_model
from tests.e2e.peer import Peer, peer
from tests.e2e.quick_calls import PROMPT
from tests.e2e.raw_http import UPGRADE, request, signed
from tests.e2e.side_by_side import Outcomes, play_side_by_side

WORDS = [("agent", "Welcome."), ("caller", "hello"), ("agent", "Certainly.")]


@dataclass
class Beside:
    """A bad caller's call and the good one that ran beside it."""

    running: Bridge
    good: Played
    bad_id: str
    close_code: int | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def bad_end(self) -> dict[str, Any]:
        """The data of the one `call.ended` of the bad call."""
        (event,) = self.running.sink.of(self.bad_id, "call.ended.v1")
        data: dict[str, Any] = event["data"]
        return data


async def good_call(call: GenesysCall) -> None:
    await call.opened()
    await call.agent_quiet(for_ms=200)
    await call.sleep(0.8)
    await call.say(SHOUT)
    await call.agent_quiet(for_ms=200)


async def beside_a_good_call(
    misbehave: Callable[[Peer], Awaitable[None]], scenario: Scenario = PROMPT
) -> Beside:
    """Let an opened caller misbehave while another one talks."""
    async with bridge(replace(scenario, caller_words=("hello",))) as running:
        async with asyncio.TaskGroup() as group:
            good = group.create_task(play(running, good_call))
            async with peer(running) as caller:
                await caller.open()
                await misbehave(caller)
            await good
        await running.emptied()
    return Beside(running, good.result(), caller.setup.session_id, caller.socket.close_code)


class NarrowProvider(RealtimeProvider):
    """Sends through a small buffer, so that a model that does not read is soon felt."""

    async def connect(self, bot: Bot) -> RealtimeSession:
        session = await super().connect(bot)
        _narrow(session._socket.transport.get_extra_info("socket"))
        return session


def _narrow(socket: Any) -> None:
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4_096)


# The scenarios.


async def giant_audio() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.socket.send(b"\xff" * 200_000)
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def giant_text() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.socket.send("x" * 200_000)
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def text_that_is_no_text() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.socket.send(b'{"version":"\xff\xfe"}', text=True)
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def fragments_that_are_no_text() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.socket.send([b"{", b"\xc3", b"("], text=True)
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def bad_text_while_the_agent_talks() -> Beside:
    """Whatever the writer does at that moment, it must take it as a lost socket."""

    async def misbehave(caller: Peer) -> None:
        await asyncio.sleep(0.15)
        await caller.socket.send(b"\xff", text=True)
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def a_message_without_end() -> Beside:
    async def fragments() -> AsyncIterator[str]:
        while True:
            yield "x"
            await asyncio.sleep(0.1)

    async def misbehave(caller: Peer) -> None:
        with contextlib.suppress(ConnectionClosed):
            await caller.socket.send(fragments())
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def a_peer_that_falls_silent() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def audio_faster_than_real_time() -> Beside:
    pongs_ms: list[float] = []

    async def misbehave(caller: Peer) -> None:
        for at in range(200):  # 40 s of audio at once
            await caller.socket.send(b"\xff" * 1_600)
            if at % 50 == 0:
                pongs_ms.append(await caller.pong_ms())
        pongs_ms.append(await caller.pong_ms())
        await caller.send("close", {"reason": "end"})
        await caller.next_of("closed")

    found = await beside_a_good_call(misbehave)
    found.notes["pongs_ms"] = pongs_ms
    return found


async def single_samples() -> Beside:
    pongs_ms: list[float] = []

    async def misbehave(caller: Peer) -> None:
        await asyncio.sleep(0.2)  # the model is connected, so nothing waits for it
        for at in range(8_000):
            await caller.socket.send(b"\xff")
            if at % 1_000 == 999:
                pongs_ms.append(await caller.pong_ms())
        await caller.send("close", {"reason": "end"})
        await caller.next_of("closed")

    found = await beside_a_good_call(misbehave)
    found.notes["pongs_ms"] = pongs_ms
    return found


async def pings_in_a_flood() -> Beside:
    async def misbehave(caller: Peer) -> None:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(500):
                await caller.send("ping")
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def connection_reset() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await asyncio.sleep(0.2)
        caller.socket.transport.abort()

    return await beside_a_good_call(misbehave)


async def socket_closed_without_a_word() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await asyncio.sleep(0.2)
        await caller.socket.close(1000)

    return await beside_a_good_call(misbehave)


async def no_answer_to_our_disconnect() -> Beside:
    async def misbehave(caller: Peer) -> None:
        await caller.send("ping", seq=99)
        await caller.next_of("disconnect")
        await caller.closed()

    return await beside_a_good_call(misbehave)


async def never_opened() -> int | None:
    async with bridge(PROMPT) as running, peer(running) as caller:
        disconnect = await caller.next_of("disconnect")
        assert disconnect["parameters"]["info"] == "open timeout"
        return await caller.closed()


async def no_answer_to_our_close() -> tuple[float, int]:
    """How long the TCP connection lives when nobody answers, and what is left of the call."""
    loop = asyncio.get_running_loop()
    async with bridge(PROMPT) as running, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        host = f"127.0.0.1:{running.port}"
        headers = [*UPGRADE, *signed(running.setup())]
        writer.write(request("/audiohook/default", headers, host=host))
        await reader.readuntil(b"\r\n\r\n")
        began_s = loop.time()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1_000):
                pass
        writer.transport.abort()
        await running.emptied()
        return loop.time() - began_s, len(running.server.server_state.connections)


async def nobody_reads_our_story() -> Beside:
    """The agent talks and talks to a caller who reads nothing."""

    async def stop_reading(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_quiet(for_ms=200)
        call.stop_reading()
        call.start_saying(SHOUT)
        await call.sleep(3.5)
        call.drop()

    scenario = replace(PROMPT, speed=1_000, caller_words=("epic",))
    async with bridge(scenario) as running:
        _narrow(running.server.servers[0].sockets[0])
        async with asyncio.TaskGroup() as group:
            good = group.create_task(play(running, lambda call: call.agent_quiet(for_ms=3_000)))
            setup = running.setup(chaos=Chaos(receive_buffer_bytes=4_096))
            live: list[int] = []
            bad = group.create_task(play_call(setup, stop_reading))
            while not bad.done():
                live.append(len(running.calls))
                await asyncio.sleep(0.1)
            await good
        await running.emptied()
    found = Beside(running, good.result(), setup.session_id)
    found.notes["live"] = live
    return found


async def pings_while_the_model_hangs() -> CallReport:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        for _ in range(8):
            call.send_message("ping")
            await call.sleep(0.2)

    async with bridge(replace(PROMPT, faults=(HangHandshake(limit_s=3),))) as running:
        return await play_call(running.setup(frame_ms=20), script)


async def pings_while_the_model_does_not_read() -> CallReport:
    async with deaf_model() as base_url:
        endpoint = openai_endpoint(base_url, MODEL_KEY, "gpt-realtime-2.1")
        async with bridge(provider=NarrowProvider(endpoint)) as running:

            async def script(call: GenesysCall) -> None:
                await call.opened()
                await call.sleep(0.2)
                for _ in range(45):  # fill every buffer on the way to the model
                    call.send_bytes_raw(b"\xff" * 1_600)
                while call.is_alive:
                    call.send_message("ping")
                    await call.sleep(0.25)
                await call.disconnected()

            return await play_call(running.setup(frame_ms=20), script)


SCENARIOS = (
    giant_audio,
    giant_text,
    text_that_is_no_text,
    fragments_that_are_no_text,
    bad_text_while_the_agent_talks,
    a_message_without_end,
    a_peer_that_falls_silent,
    audio_faster_than_real_time,
    single_samples,
    pings_in_a_flood,
    connection_reset,
    socket_closed_without_a_word,
    no_answer_to_our_disconnect,
    never_opened,
    no_answer_to_our_close,
    nobody_reads_our_story,
    pings_while_the_model_hangs,
    pings_while_the_model_does_not_read,
)


@pytest.fixture(scope="module")
def outcome_of() -> Outcomes:
    """All scenarios, played once with short deadlines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "LIVENESS_TIMEOUT_S", 1.5)
        patch.setitem(state.TIMEOUT_S, state.State.AWAIT_OPEN, 0.5)
        patch.setitem(state.TIMEOUT_S, state.State.DISCONNECTING, 0.5)
        patch.setattr(server, "CLOSE_DEADLINE_S", 0.5)
        patch.setattr(caller_socket, "WRITE_DEADLINE_S", 0.5)
        patch.setattr(playout, "LEAD_S", 1_000.0)  # fill a socket in seconds, not in minutes
        return play_side_by_side(*SCENARIOS)


ENDS = {
    giant_audio: (1009, "socket_lost"),
    giant_text: (1009, "socket_lost"),
    text_that_is_no_text: (1007, "socket_lost"),
    fragments_that_are_no_text: (1007, "socket_lost"),
    bad_text_while_the_agent_talks: (1007, "socket_lost"),
    a_message_without_end: (1001, "socket_lost"),
    a_peer_that_falls_silent: (1001, "socket_lost"),
    audio_faster_than_real_time: (1006, "caller_hangup"),  # torn down by the test
    single_samples: (1006, "caller_hangup"),
    pings_in_a_flood: (1008, "protocol_error"),
    connection_reset: (1006, "socket_lost"),
    socket_closed_without_a_word: (1000, "socket_lost"),
    no_answer_to_our_disconnect: (1000, "protocol_error"),
}


def test_no_bad_caller_causes_an_error_or_a_traceback(outcome_of: Outcomes):
    assert outcome_of.log.troubles() == []


def test_no_task_is_left(outcome_of: Outcomes):
    assert outcome_of.tasks_left == []


@pytest.mark.parametrize("scenario", ENDS)
def test_each_bad_socket_is_closed_with_its_code(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).close_code == ENDS[scenario][0]


@pytest.mark.parametrize("scenario", ENDS)
def test_each_bad_call_ends_exactly_once_with_its_reason(outcome_of: Outcomes, scenario):
    end = outcome_of(scenario).bad_end

    assert end["end_reason"] == ENDS[scenario][1]
    assert "internal" not in end["errors"]


@pytest.mark.parametrize("scenario", ENDS)
def test_the_call_beside_it_is_not_disturbed(outcome_of: Outcomes, scenario):
    good = outcome_of(scenario).good

    assert good.words == WORDS
    assert good.report.violations == []
    assert good.report.gaps == []


@pytest.mark.parametrize("scenario", ENDS)
def test_nothing_is_left_of_either_call(outcome_of: Outcomes, scenario):
    running = outcome_of(scenario).running

    assert len(running.calls) == 0
    assert not running.server.server_state.connections
    assert not running.server.server_state.tasks


def test_audio_beyond_real_time_is_dropped(outcome_of: Outcomes):
    transport = outcome_of(audio_faster_than_real_time).bad_end["transport"]

    # 40 s came at once; ten may be ahead.
    assert 25_000 <= transport["dropped_in_ms"] <= 30_000
    assert transport["bytes_in"] == 320_000


def test_single_samples_reach_the_model_in_larger_pieces(outcome_of: Outcomes):
    running = outcome_of(single_samples).running
    appended = [
        sum(event["type"] == "input_audio_buffer.append" for event in session.received)
        for session in running.model.sessions
    ]

    assert max(appended) <= 8_000 // 160 + 10


@pytest.mark.parametrize("scenario", [audio_faster_than_real_time, single_samples])
def test_pings_are_answered_in_the_middle_of_a_flood(outcome_of: Outcomes, scenario):
    # The test's own writing and reading of the flood is part of the time.
    assert max(outcome_of(scenario).notes["pongs_ms"]) < 1_000


def test_a_caller_who_does_not_read_is_given_up(outcome_of: Outcomes):
    found = outcome_of(nobody_reads_our_story)

    assert found.bad_end["end_reason"] == "socket_lost"
    assert found.notes["live"][-1] == 0  # while the caller's connection was still open
    assert found.good.report.violations == []
    assert found.good.words == [("agent", "Welcome.")]


def test_a_session_that_is_never_opened_is_closed(outcome_of: Outcomes):
    assert outcome_of(never_opened) == 1008


def test_a_close_that_nobody_answers_ends_in_an_abort(outcome_of: Outcomes):
    lived_s, connections_left = outcome_of(no_answer_to_our_close)

    assert 0.5 <= lived_s < 4
    assert connections_left == 0


@pytest.mark.parametrize(
    "scenario", [pings_while_the_model_hangs, pings_while_the_model_does_not_read]
)
def test_pings_are_answered_at_once_whatever_the_model_does(outcome_of: Outcomes, scenario):
    report = outcome_of(scenario)

    assert report.violations == []
    assert len(report.rtts_ms) >= 5
    # The median is what counts on a busy machine; no ping may wait for the model.
    assert statistics.median(report.rtts_ms) < 100
    assert max(report.rtts_ms) < 500


def test_a_model_that_does_not_read_is_given_up(outcome_of: Outcomes):
    disconnect = outcome_of(pings_while_the_model_does_not_read).disconnect

    assert disconnect is not None
    assert disconnect.output_variables["BOT_STATUS"] == "failed"
    assert disconnect.at_ms < 12_000  # after four tries
