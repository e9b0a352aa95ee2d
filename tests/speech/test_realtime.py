"""The Realtime adapter over loopback sockets, in virtual time: no test waits for its deadlines."""

import asyncio
import contextlib
import json
import math
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest

from scripts.emulators.brains import CallTool, EchoBrain, Reply, Speak
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_mcp import McpTool
from scripts.emulators.realtime_scenario import (
    NAMED,
    CloseAfter,
    DropEvent,
    FailResponse,
    HangHandshake,
    HugeDelta,
    RefuseHandshake,
    RefuseUpdate,
    Scenario,
)
from service.audio.playout import HeardItem
from service.bots.port import Bot, McpServer
from service.speech import realtime
from service.speech.endpoints import Endpoint, azure_endpoint, openai_endpoint
from service.speech.port import (
    LISTING,
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    RemoteToolUsed,
    SpeechError,
    SpeechEvent,
    SpeechProvider,
    SpeechSession,
    ToolCall,
    Usage,
)
from service.speech.realtime import RealtimeProvider, RealtimeSession
from service.speech.realtime_patience import CREATE_DEADLINE_S, SILENCE_DEADLINE_S
from tests.emulators.realtime_client import run, silence, speech
from tests.openai_schema import assert_client_event
from tests.plain_bot import PLAIN_BOT
from tests.speech.scripted_server import KEY, PCM, Peer, Script, ScriptedServer

WAIT_S = 60.0  # virtual


async def soon(work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await work


@contextlib.asynccontextmanager
async def emulated(
    scenario: Scenario | None = None, **options: Any
) -> AsyncIterator[tuple[RealtimeEmulator, RealtimeSession]]:
    """A configured session with the emulator; all that it was sent is checked at the end."""
    async with RealtimeEmulator(scenario=scenario, **options) as emulator:
        session = await soon(RealtimeProvider(_endpoint(emulator)).connect(PLAIN_BOT))
        try:
            yield emulator, session
        finally:
            await session.aclose()
    for event in emulator.sessions[0].received:
        assert_client_event(event)


@contextlib.asynccontextmanager
async def scripted(
    script: Script, bot: Bot = PLAIN_BOT
) -> AsyncIterator[tuple[ScriptedServer, RealtimeSession]]:
    """A session with a server that accepts its configuration and then follows the script."""

    async def accept_first(peer: Peer) -> None:
        await peer.accept()
        await script(peer)

    async with ScriptedServer(accept_first) as server:
        session = await soon(RealtimeProvider(server.endpoint).connect(bot))
        try:
            yield server, session
        finally:
            await session.aclose()


def _endpoint(emulator: RealtimeEmulator) -> Endpoint:
    return openai_endpoint(emulator.base_url, KEY, "gpt-realtime-2.1")


async def until(session: SpeechSession, kind: type[SpeechEvent]) -> list[SpeechEvent]:
    """All events up to the first of that kind, which comes last."""
    events: list[SpeechEvent] = []
    while not events or not isinstance(events[-1], kind):
        events.append(await soon(anext(aiter(session))))
    return events


class CallsOnce:
    """Calls one function when the caller has said something, and repeats what it gave."""

    def __init__(self, name: str) -> None:
        self._name = name

    def reply(self, conversation: Any, tools: Any, instructions: str) -> Reply:
        is_asked = conversation[-1].get("role") == "user"
        if is_asked and any(tool["name"] == self._name for tool in tools):
            return [CallTool(self._name)]
        return EchoBrain().reply(conversation, tools, instructions)


def final_words(events: list[SpeechEvent]) -> list[str]:
    return [it.text for it in events if isinstance(it, AgentTranscript) and it.is_final]


async def failure_of(work: Awaitable[Any]) -> SpeechError:
    """The error of a connect or an iteration; however it is printed, it never tells the key."""
    with pytest.raises(SpeechError) as failure:
        await soon(work)
    assert KEY not in "".join(traceback.format_exception(failure.value))
    return failure.value


async def refusal(endpoint: Endpoint) -> tuple[str, bool]:
    error = await failure_of(RealtimeProvider(endpoint).connect(PLAIN_BOT))
    await _nothing_is_left()
    return error.code, error.retryable


async def _nothing_is_left() -> None:
    """Only the server's own tasks may go on, and it ends them when its sockets are gone."""
    await asyncio.sleep(2.0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, left


async def _emulated_refusal(scenario: Scenario) -> tuple[str, bool]:
    async with RealtimeEmulator(scenario=scenario) as emulator:
        error = await failure_of(RealtimeProvider(_endpoint(emulator)).connect(PLAIN_BOT))
        return error.code, error.retryable


# Whole turns with the emulator.


def test_the_model_greets_and_speaks_pcmu():
    async def scene() -> Any:
        async with emulated(Scenario(speed=math.inf)) as (_, session):
            await session.say("Say exactly: 'Welcome to Northwind Power.'")
            return await until(session, AgentTurnDone)

    events = run(scene())

    assert isinstance(events[0], AgentTranscript | AgentAudio)
    assert AgentTranscript(_item(events), "Welcome to Northwind Power.", is_final=True) in events
    assert sum(len(event.pcmu) for event in events if isinstance(event, AgentAudio)) > 8_000
    assert AgentAudioDone(_item(events)) in events
    assert isinstance(events[-2], Usage)
    assert events[-1] == AgentTurnDone()


def _item(events: list[SpeechEvent]) -> str:
    return next(event.item_id for event in events if isinstance(event, AgentAudio))


def test_the_caller_speaks_and_is_answered():
    async def scene() -> Any:
        scenario = Scenario(speed=math.inf, caller_words=("hello there",))
        async with emulated(scenario, brain=EchoBrain()) as (emulator, session):
            for pcmu in (silence(400), speech(1_000), silence(900)):
                await session.send_audio(pcmu)
            events = await until(session, AgentTurnDone)
            while not any(isinstance(event, CallerTranscript) for event in events):
                events += await until(session, CallerTranscript)
            return events, emulator.sessions[0].audio_in

    events, audio_in = run(scene())

    assert isinstance(events[0], CallerSpeechStarted)
    assert isinstance(events[1], CallerSpeechStopped)
    assert CallerTranscript(events[0].item_id, "hello there") in events
    words = [event.text for event in events if isinstance(event, AgentTranscript)]
    assert words[-1] == "You said: hello there"
    assert audio_in == silence(400) + speech(1_000) + silence(900)


def test_a_barge_in_leaves_the_model_with_what_was_heard():
    async def scene() -> Any:
        async with emulated(Scenario(speed=4, late_audio_after_cancel=True)) as (emulator, session):
            await session.say("Say exactly: 'A long announcement about our prices and our terms.'")
            events = await until(session, AgentAudio)
            for pcmu in (silence(400), speech(500)):
                await session.send_audio(pcmu)
            events += await until(session, CallerSpeechStarted)
            received_ms = sum(len(e.pcmu) for e in events if isinstance(e, AgentAudio)) // 8
            item_id = _item(events)
            await session.interrupt([HeardItem(item_id, 50, received_ms, False, None, None)])
            late = await until(session, AgentTurnDone)
            await asyncio.sleep(0.2)
            return late, item_id, emulator.sessions[0]

    late, item_id, server = run(scene())

    assert not [event for event in late if isinstance(event, AgentAudio)]
    kinds = [event["type"] for event in server.received]
    assert "response.cancel" not in kinds
    truncated = [e for e in server.sent if e["type"] == "conversation.item.truncated"]
    assert [(e["item_id"], e["audio_end_ms"]) for e in truncated] == [(item_id, 50)]
    assert "error" not in [event["type"] for event in server.sent]


class _TwoCalls(EchoBrain):
    """Calls two functions at once, then echoes."""

    def reply(self, conversation: Any, tools: Any, instructions: str) -> Reply:
        if conversation[-1]["type"] == "function_call_output":
            return [Speak("Both are done.")]
        return [CallTool("end_call"), CallTool("transfer_to_agent", {"reason": "any"})]


@pytest.mark.parametrize("is_quick", [False, True])
def test_parallel_functions_are_answered_then_the_model_goes_on_once(is_quick):
    async def scene() -> Any:
        async with emulated(Scenario(speed=math.inf), brain=_TwoCalls()) as (emulator, session):
            await session.send_text("Look both up.")
            calls = []
            for _ in range(2):
                call = (await until(session, ToolCall))[-1]
                assert isinstance(call, ToolCall)
                calls.append(call)
                if is_quick:
                    await session.send_tool_result(call.call_id, "{}")
            for call in calls:
                await session.send_tool_result(call.call_id, "{}")
            events = await until(session, AgentTurnDone)
            return events, emulator.sessions[0]

    events, server = run(scene())

    assert "Both are done." in [e.text for e in events if isinstance(e, AgentTranscript)]
    kinds = [event["type"] for event in server.received]
    assert kinds.count("response.create") == 2
    assert "error" not in [event["type"] for event in server.sent]


@pytest.mark.parametrize("name", ["odd-frames", "cut-frame", "multi-item", "slow-audio", "azure"])
def test_an_odd_server_is_understood(name):
    async def scene() -> Any:
        async with emulated(NAMED[name]) as (_, session):
            await session.say("Say exactly: 'One moment, please. It ships tomorrow.'")
            events = await until(session, AgentTurnDone)
            await session.say("Say exactly: 'Goodbye.'")
            return events + await until(session, AgentTurnDone)

    events = run(scene())

    assert [event for event in events if isinstance(event, AgentTurnDone)] == [AgentTurnDone()] * 2


def test_a_rate_limit_is_waited_out():
    async def scene() -> Any:
        async with emulated(NAMED["rate-limited"]) as (_, session):
            await session.say("Say exactly: 'Hello.'")
            begin = asyncio.get_running_loop().time()
            await until(session, AgentAudio)
            return asyncio.get_running_loop().time() - begin

    assert run(scene()) > 1.5


def test_no_quota_ends_the_conversation_for_good():
    async def scene() -> Any:
        async with emulated(NAMED["no-quota"]) as (_, session):
            await session.say("Say exactly: 'Hello.'")
            return await failure_of(until(session, AgentAudio))

    error = run(scene())

    assert (error.code, error.retryable) == ("insufficient_quota", False)


def test_a_model_that_fails_again_and_again_is_given_up():
    async def scene() -> Any:
        fault = FailResponse(code="server_error", message="A fault.", times=None)
        async with emulated(Scenario(faults=(fault,))) as (_, session):
            await session.say("Say exactly: 'Hello.'")
            return await failure_of(until(session, AgentAudio))

    assert run(scene()).code == "response_failed"


def test_an_expired_session_is_retryable():
    async def scene() -> Any:
        async with emulated(Scenario(expires_after_s=5)) as (_, session):
            return await failure_of(anext(session))

    error = run(scene())

    assert (error.code, error.retryable) == ("session_expired", True)


def test_a_frame_larger_than_a_mebibyte_is_taken():
    async def scene() -> Any:
        scenario = Scenario(speed=math.inf, faults=(HugeDelta(pad_bytes=3_000_000),))
        async with emulated(scenario) as (_, session):
            await session.say("Say exactly: 'Hello.'")
            return await until(session, AgentTurnDone)

    assert [event for event in run(scene()) if isinstance(event, AgentAudio)]


def test_azure_is_spoken_to_at_its_own_address():
    async def scene() -> Any:
        async with RealtimeEmulator(api_keys=frozenset({KEY})) as emulator:
            endpoint = azure_endpoint(emulator.azure_endpoint, KEY, "my-phone-bot")
            session = await soon(RealtimeProvider(endpoint).connect(PLAIN_BOT))
            await session.aclose()
            return session.model, emulator.sessions[0].settings["model"]

    assert run(scene()) == ("my-phone-bot", "my-phone-bot")


def test_provider_and_session_have_the_shape_of_the_port():
    def takes(provider: SpeechProvider) -> SpeechProvider:
        return provider

    assert takes(RealtimeProvider(Endpoint("ws://host", "m", "", "X-Key")))


# The upgrade.


def test_the_upgrade_asks_for_no_compression_no_beta_and_no_subprotocol():
    async def scene() -> Any:
        async with scripted(Peer.next) as (server, _):
            return server.peers[0].headers, server.peers[0].socket.request

    headers, request = run(scene())

    assert "Sec-WebSocket-Extensions" not in headers
    assert "Sec-WebSocket-Protocol" not in headers
    assert "OpenAI-Beta" not in headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert request.path == "/v1/realtime?model=gpt-realtime-2.1"


def test_a_bots_own_model_is_asked_for_in_the_address_and_named_by_the_session():
    async def scene() -> Any:
        async with scripted(Peer.next, replace(PLAIN_BOT, model="gpt-realtime-2")) as (server, it):
            return server.peers[0].socket.request, it.model

    request, model = run(scene())

    assert request.path == "/v1/realtime?model=gpt-realtime-2"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert model == "gpt-realtime-2"


def test_a_bots_own_model_is_no_matter_of_the_next_bot():
    async def scene() -> Any:
        async with ScriptedServer(Peer.accept) as server:
            provider = RealtimeProvider(server.endpoint)
            for model in ("gpt-realtime-2", ""):
                session = await soon(provider.connect(replace(PLAIN_BOT, model=model)))
                await session.aclose()
            return [peer.socket.request.path for peer in server.peers if peer.socket.request]

    assert run(scene()) == [
        "/v1/realtime?model=gpt-realtime-2",
        "/v1/realtime?model=gpt-realtime-2.1",
    ]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (403, False), (404, False)]
    + [(408, True), (429, True), (500, True), (502, True), (503, True)],
)
def test_a_refused_upgrade_says_whether_trying_again_helps(status, retryable):
    fault = RefuseHandshake(status=status, code="any")

    assert run(_emulated_refusal(Scenario(faults=(fault,)))) == (f"http_{status}", retryable)


def test_an_upgrade_that_hangs_is_given_up():
    assert run(_emulated_refusal(Scenario(faults=(HangHandshake(),)))) == ("connect_timeout", True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(status):
    """It could carry the caller's words, or the key of Azure, to any host."""

    async def scene() -> Any:
        async with ScriptedServer(Peer.accept) as other:
            headers = {"Location": f"{other.url}/v1/realtime".replace("http", "ws")}
            async with ScriptedServer(Peer.accept, (status, headers)) as server:
                endpoint = azure_endpoint(server.url, KEY, "bot")
                error = await failure_of(RealtimeProvider(endpoint).connect(PLAIN_BOT))
                return error.code, len(other.peers)

    assert run(scene()) == (f"http_{status}", 0)


def test_a_server_that_nobody_runs_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"

    assert run(refusal(openai_endpoint(url, KEY, "m"))) == ("unreachable", True)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Odd\r\n\r\n"])
def test_a_server_that_speaks_something_else_is_unreachable(greeting):
    async def scene() -> Any:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            endpoint = openai_endpoint(f"http://{host}:{port}/v1", KEY, "m")
            return await failure_of(RealtimeProvider(endpoint).connect(PLAIN_BOT))

    error = run(scene())

    assert (error.code, error.retryable) == ("unreachable", True)


def test_a_key_that_no_header_can_carry_is_not_told():
    """The library's own error quotes it."""

    async def scene() -> Any:
        async with ScriptedServer(Peer.accept) as server:
            return await failure_of(
                RealtimeProvider(openai_endpoint(server.url, f"{KEY}\n", "m")).connect(PLAIN_BOT)
            )

    assert run(scene()).code == "unreachable"


@pytest.mark.parametrize(
    ("key", "model", "codes"),
    [
        ("sk-wrong", "gpt-realtime-2.1", {"invalid_api_key", "closed_3000"}),
        (KEY, "gpt-4o-realtime-preview-2024-12-17", {"invalid_model", "closed_4000"}),
    ],
)
def test_a_socket_that_opens_only_to_say_no_is_not_tried_again(key, model, codes):
    async def scene() -> Any:
        async with RealtimeEmulator(api_keys=frozenset({KEY})) as emulator:
            endpoint = openai_endpoint(emulator.base_url, key, model)
            return await failure_of(RealtimeProvider(endpoint).connect(PLAIN_BOT))

    error = run(scene())

    assert error.code in codes
    assert not error.retryable


# Configuring.


def test_a_session_is_configured_before_it_is_handed_out():
    async def scene() -> Any:
        async with emulated() as (emulator, _):
            return emulator.sessions[0].settings, emulator.sessions[0].received

    settings, received = run(scene())

    assert settings["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert settings["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert settings["audio"]["output"]["voice"] == PLAIN_BOT.voice
    assert settings["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    assert settings["instructions"] == PLAIN_BOT.instructions
    assert [event["type"] for event in received] == ["session.update"]


@pytest.mark.parametrize(
    "fault",
    [RefuseUpdate(), DropEvent(type="session.updated")],
    ids=["refused", "dropped"],
)
def test_a_failed_update_is_tried_again_with_less(fault):
    async def scene() -> Any:
        async with emulated(Scenario(faults=(fault,))) as (emulator, session):
            return emulator.sessions[0].received, session.is_reduced

    (full, reduced), is_reduced = run(scene())

    assert "transcription" in full["session"]["audio"]["input"]
    assert "transcription" not in reduced["session"]["audio"]["input"]
    assert full["event_id"] != reduced["event_id"]
    assert is_reduced


def test_a_session_that_was_taken_as_a_whole_is_not_reduced():
    async def scene() -> Any:
        async with emulated() as (_, session):
            return session.is_reduced

    assert run(scene()) is False


@pytest.mark.parametrize("is_reduced", [True, False])
def test_an_effort_is_taken_back_only_where_it_was_accepted(is_reduced):
    thinker = replace(PLAIN_BOT, reasoning="high")

    async def script(peer: Peer) -> None:
        if is_reduced:
            await peer.refuse(await peer.one("session.update"))
        await peer.accept()
        await peer.one("session.update")
        await peer.updated()

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            session = await soon(RealtimeProvider(server.endpoint).connect(thinker))
            await session.change_bot(BILLING)
            await until(session, BotChanged)
            await session.aclose()
            return server.peers[0].received

    *_, change = run(scene())

    effort = change["session"].get("reasoning")
    assert effort == (None if is_reduced else {"effort": "low"})


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("refuse-update", ("session_refused", False)),
        # A server that says nothing may do better at the next attempt.
        ("no-updated", ("session_unanswered", True)),
    ],
)
def test_a_session_that_cannot_be_configured_is_not_handed_out(name, error):
    assert run(_emulated_refusal(NAMED[name])) == error


def test_a_late_answer_to_the_first_update_is_as_good():
    async def scene() -> Any:
        async with emulated(NAMED["late-updated"]) as (_, session):
            await session.say("Say exactly: 'Hello.'")
            return await until(session, AgentTurnDone)

    assert run(scene())[-1] == AgentTurnDone()


@pytest.mark.parametrize("audio", [(PCM, PCM), ({}, {}), (None, None)])
def test_other_formats_than_asked_for_are_tried_again_with_less_then_given_up(audio):
    """On PCM at 24 kHz the caller would hear static (4.3)."""

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.one("session.update")
            await peer.updated(*audio)

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            error = await failure_of(RealtimeProvider(server.endpoint).connect(PLAIN_BOT))
            return error.code, error.retryable, server.peers[0].received

    code, retryable, received = run(scene())

    assert (code, retryable) == ("session_refused", False)
    assert len(received) == 2
    assert "truncation" not in received[1]["session"]


def test_odd_events_before_the_answer_do_not_disturb_the_configuration():
    async def script(peer: Peer) -> None:
        update = await peer.one("session.update")
        await peer.send("news", session=None)
        await peer.send("error", error={"code": "server_error", "event_id": "other"})
        await peer.socket.send('{"type":"session.upd')
        await peer.refuse(update)
        await peer.one("session.update")
        await peer.updated()

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            session = await soon(RealtimeProvider(server.endpoint).connect(PLAIN_BOT))
            await session.aclose()
            return len(server.peers[0].received)

    assert run(scene()) == 2


@pytest.mark.parametrize("code", ["insufficient_quota", "session_expired"])
def test_a_fatal_error_ends_the_configuration_at_once(code):
    async def script(peer: Peer) -> None:
        await peer.one("session.update")
        await peer.send("error", error={"type": "t", "code": code, "event_id": None})

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            return await failure_of(RealtimeProvider(server.endpoint).connect(PLAIN_BOT))

    assert run(scene()).code == code


def test_the_whole_way_to_a_session_has_one_deadline(monkeypatch):
    monkeypatch.setattr(realtime, "CONNECT_DEADLINE_S", 1.0)

    async def scene() -> Any:
        begin = asyncio.get_running_loop().time()
        refused = await _emulated_refusal(NAMED["no-updated"])
        return refused, asyncio.get_running_loop().time() - begin

    refused, took_s = run(scene())

    assert refused == ("connect_timeout", True)
    assert took_s < 4  # with the emulator's own end


# Another bot in the middle of the conversation.

BILLING = replace(PLAIN_BOT, bot_id="billing", instructions="You know bills.", voice="cedar")


def test_the_model_goes_on_as_another_bot():
    async def scene() -> Any:
        async with emulated(Scenario(speed=math.inf)) as (emulator, session):
            await session.change_bot(BILLING)
            changed = await until(session, BotChanged)
            await session.say("Say exactly: 'Billing, hello.'")
            await until(session, AgentTurnDone)
            await session.change_bot(PLAIN_BOT)
            changed += await until(session, BotChanged)
            return changed, emulator.sessions[0]

    changed, server = run(scene())

    assert changed == [BotChanged("billing"), BotChanged("default")]
    assert server.settings["instructions"] == PLAIN_BOT.instructions
    assert server.settings["audio"]["output"]["voice"] == "cedar"  # it was heard: it stays
    assert "error" not in [event["type"] for event in server.sent]


def test_a_refused_change_is_tried_again_with_less():
    async def script(peer: Peer) -> None:
        await peer.refuse(await peer.one("session.update"))
        await peer.one("session.update")
        await peer.updated()

    async def scene() -> Any:
        async with scripted(script) as (server, session):
            await session.change_bot(BILLING)
            events = await until(session, BotChanged)
            return events, server.peers[0].received[1:]

    events, (full, reduced) = run(scene())

    assert events == [BotChanged("billing", was_reduced=True)]
    assert full["session"]["audio"]["output"]["voice"] == "cedar"
    assert "transcription" in full["session"]["audio"]["input"]
    assert "transcription" not in reduced["session"]["audio"]["input"]
    assert reduced["session"]["instructions"] == "You know bills."


def test_a_change_that_is_refused_altogether_leaves_a_conversation_that_goes_on():
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.refuse(await peer.one("session.update"))
        await peer.one("response.create")
        await peer.send("response.done", response={"id": "R1"})

    async def scene() -> Any:
        async with scripted(script) as (_, session):
            await session.change_bot(BILLING)
            events = await until(session, BotChanged)
            await session.say("Go on.")
            return events + await until(session, AgentTurnDone)

    assert run(scene()) == [BotChanged("billing", was_refused=True), AgentTurnDone()]


def test_a_change_after_which_the_session_is_not_pcmu_ends_the_conversation():
    async def script(peer: Peer) -> None:
        await peer.one("session.update")
        await peer.updated(PCM, PCM)

    async def scene() -> Any:
        async with scripted(script) as (_, session):
            await session.change_bot(BILLING)
            return await failure_of(anext(session))

    error = run(scene())

    assert (error.code, error.retryable) == ("not_pcmu", True)


def test_a_late_answer_to_the_configuration_is_no_change_of_the_bot():
    """The first update was answered after its deadline, and the second one too."""

    async def script(peer: Peer) -> None:
        await peer.one("session.update")
        await peer.one("session.update")
        await peer.updated()
        await peer.updated()
        await peer.send("input_audio_buffer.speech_started", item_id="U1", audio_start_ms=5)

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            session = await soon(RealtimeProvider(server.endpoint).connect(PLAIN_BOT))
            event = await soon(anext(session))
            await session.aclose()
            return event

    assert run(scene()) == CallerSpeechStarted("U1", 5)


# What else the call asks for.


@pytest.mark.parametrize(
    ("speaker", "role"), [("caller", "user"), ("agent", "assistant"), ("system", "system")]
)
@pytest.mark.parametrize("wants_reply", [True, False])
def test_a_text_is_added_in_its_speakers_name_and_answered_if_wanted(speaker, role, wants_reply):
    async def scene() -> Any:
        async with scripted(Peer.next) as (server, session):
            await session.send_text("Good morning.", speaker=speaker, wants_reply=wants_reply)
            await asyncio.sleep(0.1)
            return server.peers[0].received[1:]

    item, *rest = run(scene())

    assert item["item"]["role"] == role
    assert [event["type"] for event in rest] == ["response.create"] * wants_reply


def test_a_secret_is_forgotten_and_the_model_says_what_it_owed():
    async def script(peer: Peer) -> None:
        await peer.send("input_audio_buffer.speech_started", item_id="U1", audio_start_ms=5)
        await peer.one("input_audio_buffer.clear")
        await peer.one("response.create")
        await peer.send("response.done", response={"id": "R1"})

    async def scene() -> Any:
        async with scripted(script) as (server, session):
            await until(session, CallerSpeechStarted)
            await session.say("Say that the line is paused.")
            await session.forget_caller()
            await until(session, AgentTurnDone)
            return [event["type"] for event in server.peers[0].received[1:]]

    assert run(scene()) == [
        "conversation.item.create",
        "input_audio_buffer.clear",
        "response.create",
    ]


def test_the_emulated_model_forgets_a_turn_that_was_cut_off():
    async def scene() -> Any:
        scenario = Scenario(speed=math.inf, caller_words=("it was this",))
        async with emulated(scenario, brain=EchoBrain()) as (emulator, session):
            for pcmu in (silence(400), speech(600)):
                await session.send_audio(pcmu)
            await until(session, CallerSpeechStarted)
            await session.forget_caller()
            for pcmu in (silence(900), speech(1_000), silence(900)):
                await session.send_audio(pcmu)
            events = await until(session, AgentTurnDone)
            return events, [event["type"] for event in emulator.sessions[0].sent]

    events, sent = run(scene())

    assert sent.count("input_audio_buffer.cleared") == 1
    assert sent.count("input_audio_buffer.committed") == 1
    assert [type(event) for event in events[:2]] == [CallerSpeechStarted, CallerSpeechStopped]


@pytest.mark.parametrize(("name", "approve"), [("read", True), ("delete", False)])
def test_the_bots_policy_decides_about_remote_functions(name, approve):
    crm = McpServer(
        label="crm",
        url="https://crm.example.com/mcp",
        allowed_tools=("read", "delete"),
        needs_approval=("read", "delete"),
        approved=("read",),
    )

    async def script(peer: Peer) -> None:
        called = {"server_label": "crm", "name": name, "arguments": "{}"}
        request = {"type": "mcp_approval_request", "id": "mcpr_1", **called}
        await peer.send("response.created", response={"id": "R1"})
        await peer.send("response.output_item.done", response_id="R1", item=request)
        await peer.one("conversation.item.create")
        await peer.send("response.done", response={"id": "R1"})
        await peer.one("response.create")
        await peer.send("response.created", response={"id": "R2"})
        item = {"type": "mcp_call", "id": "mcp_1", **called}
        if approve:
            await peer.send("response.output_item.done", response_id="R2", item=item)
        await peer.send("response.done", response={"id": "R2"})

    async def scene() -> Any:
        bot = replace(PLAIN_BOT, mcp_servers=(crm,))
        async with scripted(script, bot) as (server, session):
            event = await soon(anext(session))
            if not approve:  # else the event says that all was sent
                await until(session, AgentTurnDone)
            return event, server.peers[0].received

    event, (update, answer, *_) = run(scene())

    assert event == RemoteToolUsed("crm", name, "ok" if approve else "refused")
    assert update["session"]["tools"][-1]["server_label"] == "crm"
    assert answer["item"]["approval_request_id"] == "mcpr_1"
    assert answer["item"]["approve"] is approve


def _remote(**tool: Any) -> Any:
    """What the agent is told and says when it uses a remote server's one tool."""

    async def scene() -> Any:
        crm = McpServer(label="crm", url="https://crm.example.com/mcp", allowed_tools=("read",))
        servers = {"crm": {"read": McpTool(answer="forty two", **tool)}}
        bot = replace(PLAIN_BOT, mcp_servers=(crm,))
        async with RealtimeEmulator(
            scenario=Scenario(speed=math.inf), brain=CallsOnce("read"), mcp_servers=servers
        ) as emulator:
            session = await soon(RealtimeProvider(_endpoint(emulator)).connect(bot))
            await asyncio.sleep(1)  # the tools are listed
            await session.send_text("Read it.")
            events = await until(session, AgentTurnDone)
            await session.aclose()
            return events

    return run(scene())


def test_a_remote_server_may_take_longer_than_a_model_may_be_silent():
    events = _remote(delay_s=SILENCE_DEADLINE_S + 10)

    assert RemoteToolUsed("crm", "read", "ok") in events
    assert "The tool says forty two" in final_words(events)


def test_a_server_whose_functions_cannot_be_listed_is_told():
    async def scene() -> Any:
        crm = McpServer(label="crm", url="https://crm.example.com/mcp", allowed_tools=("read",))
        async with RealtimeEmulator(scenario=Scenario(speed=math.inf)) as emulator:
            bot = replace(PLAIN_BOT, mcp_servers=(crm,))
            session = await soon(RealtimeProvider(_endpoint(emulator)).connect(bot))
            event = await soon(anext(session))
            await session.aclose()
            return event

    assert run(scene()) == RemoteToolUsed("crm", LISTING, "failed")


def test_a_request_that_only_the_conversation_tells_of_is_answered_once():
    """The server drops what the response says of it (7.5 shows such a request)."""

    async def scene() -> Any:
        crm = McpServer(
            label="crm",
            url="https://crm.example.com/mcp",
            allowed_tools=("read",),
            needs_approval=("read",),
            approved=("read",),
        )
        quirk = DropEvent(type="response.output_item.done", times=1)
        async with RealtimeEmulator(
            scenario=Scenario(speed=math.inf, faults=(quirk,)),
            brain=CallsOnce("read"),
            mcp_servers={"crm": {"read": McpTool(answer="forty two")}},
        ) as emulator:
            bot = replace(PLAIN_BOT, mcp_servers=(crm,))
            session = await soon(RealtimeProvider(_endpoint(emulator)).connect(bot))
            await asyncio.sleep(1)  # the tools are listed
            await session.send_text("Read it.")
            events = await until(session, AgentTurnDone)
            await session.aclose()
            return events, emulator.sessions[0].received

    events, received = run(scene())

    answers = [it for it in received if it.get("item", {}).get("type") == "mcp_approval_response"]
    assert len(answers) == 1
    assert "The tool says forty two" in final_words(events)


# The end of a socket.


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(1000, True), (1001, True), (1006, True), (1011, True), (1012, True), (1013, True)]
    + [(1009, False), (3000, False), (4000, False)],
)
def test_a_close_code_says_whether_trying_again_helps(code, retryable):
    """1000 too: the server ended a call that goes on, so another conversation is worth a try."""

    async def scene() -> Any:
        scenario = Scenario(faults=(CloseAfter(after_s=3, code=code, reason="secret words"),))
        async with emulated(scenario) as (_, session):
            first = await failure_of(anext(session))
            again = await failure_of(anext(session))
            return first, again

    first, again = run(scene())

    assert (first.code, first.retryable) == (f"closed_{code}", retryable)
    assert again.code == first.code


def test_a_close_while_configuring_says_whether_trying_again_helps():
    async def script(peer: Peer) -> None:
        await peer.socket.close(1013)

    async def scene() -> Any:
        async with ScriptedServer(script) as server:
            return await refusal(server.endpoint)

    assert run(scene()) == ("closed_1013", True)


def test_a_frame_beyond_all_bounds_ends_the_conversation(monkeypatch):
    monkeypatch.setattr(realtime, "MAX_FRAME_BYTES", 20_000)

    async def script(peer: Peer) -> None:
        await peer.send("news", padding="x" * 30_000)

    async def scene() -> Any:
        async with scripted(script) as (_, session):
            return await failure_of(anext(session))

    assert run(scene()).retryable


def test_sending_never_fails_after_the_end():
    async def scene() -> Any:
        async with scripted(lambda peer: peer.socket.close(1011)) as (_, session):
            await failure_of(anext(session))
            await session.send_audio(silence(20))
            await session.send_text("4")
            await session.say("Goodbye.")
            await session.send_tool_result("call_1", "{}")
            await session.abandon_calls()
            await session.change_bot(PLAIN_BOT)
            await session.forget_caller()
            await session.interrupt([])
            return await failure_of(anext(session))

    assert run(scene()).code == "closed_1011"


def test_closing_says_goodbye_and_may_be_repeated():
    async def scene() -> Any:
        async with scripted(Peer.next) as (server, session):
            await session.aclose()
            await session.aclose()
            after = await failure_of(anext(session))
            await session.send_audio(silence(20))
            await _nothing_is_left()
            return server.peers[0].socket.close_code, after.code

    assert run(scene()) == (1000, "closed_1000")


def test_closing_takes_no_longer_than_its_deadline_when_the_server_does_not_read():
    async def scene() -> Any:
        async with scripted(Peer.stop_reading) as (_, session):
            await _fill_the_network(session)
            begin = asyncio.get_running_loop().time()
            await session.aclose()
            took_s = asyncio.get_running_loop().time() - begin
            return took_s, (await failure_of(anext(session))).code

    took_s, code = run(scene())

    assert took_s <= realtime.CLOSE_DEADLINE_S + 0.1
    assert code == "closed_1006"


# Cancellation.


@pytest.mark.parametrize(
    ("scenario", "wait_s"),
    [
        (Scenario(faults=(HangHandshake(),)), 1.0),
        (Scenario(hello_delay_ms=900, faults=(DropEvent(type="session.updated"),)), 0.5),
        (Scenario(faults=(DropEvent(type="session.updated", times=None),)), 4.0),
    ],
    ids=["upgrade", "first update", "second update"],
)
def test_a_cancelled_connect_leaves_nothing_behind(scenario, wait_s):
    async def scene() -> Any:
        async with RealtimeEmulator(scenario=scenario) as emulator:
            connect = asyncio.create_task(RealtimeProvider(_endpoint(emulator)).connect(PLAIN_BOT))
            await asyncio.sleep(wait_s)
            connect.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connect
            if emulator.sessions:
                await _nothing_is_left()
            return [session.close_code for session in emulator.sessions]

    assert run(scene()) in ([], [1006])


def test_a_connect_that_fails_leaves_nothing_behind():
    async def scene() -> Any:
        async with RealtimeEmulator(scenario=NAMED["refuse-update"]) as emulator:
            return await refusal(_endpoint(emulator))

    assert run(scene()) == ("session_refused", False)


def test_an_iteration_goes_on_after_a_cancellation_without_a_gap():
    async def script(peer: Peer) -> None:
        for n in range(40):
            await peer.send("input_audio_buffer.speech_started", item_id=f"U{n}")
            await asyncio.sleep(0.011)
            response = {"id": f"R{n}", "usage": {"total_tokens": n}}
            await peer.send("response.done", response=response)

    async def scene() -> Any:
        events: list[SpeechEvent] = []
        async with scripted(script) as (_, session):
            while len(events) < 120:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.007):
                        async for event in session:
                            events.append(event)
        return events

    expected: list[SpeechEvent] = []
    for n in range(40):
        expected += [CallerSpeechStarted(f"U{n}", 0), Usage({"response.total_tokens": n})]
        expected.append(AgentTurnDone())
    assert run(scene()) == expected


def test_a_cancelled_send_that_had_to_wait_loses_no_frame():
    """One interruption makes several frames: the first may wait, the rest must still go out."""
    heard = [HeardItem(f"A{n}", 7, 9, False, None, None) for n in range(3)]
    read_again = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send("response.created", response={"id": "R1"})
        await peer.send("input_audio_buffer.speech_stopped", item_id="U1")
        peer.socket.transport.pause_reading()
        await read_again.wait()
        peer.socket.transport.resume_reading()
        await peer.one("response.cancel")
        for _ in heard:
            await peer.one("conversation.item.truncate")
        await peer.one("conversation.item.create")
        await peer.send("input_audio_buffer.speech_started", item_id="U2", audio_start_ms=5)

    async def scene() -> Any:
        async with scripted(script) as (_, session):
            await until(session, CallerSpeechStopped)
            await _fill_the_network(session)
            interrupting = asyncio.create_task(session.interrupt(heard))
            await asyncio.sleep(0)  # it has begun, and waits
            interrupting.cancel()
            read_again.set()
            with pytest.raises(asyncio.CancelledError):
                await interrupting
            await session.say("Speak.")
            return (await until(session, CallerSpeechStarted))[-1]

    # In real time: what the buffers hold is moved by the kernel, on its own clock.
    assert asyncio.run(scene()) == CallerSpeechStarted("U2", 5)


# Time.


async def _fill_the_network(session: RealtimeSession) -> None:
    """Send until the buffers of both ends are full: from then on a send has to wait."""
    transport = session._socket.transport
    _, most = transport.get_write_buffer_limits()
    while transport.get_write_buffer_size() <= most:
        await session.send_audio(bytes(400_000))


def test_a_server_that_stops_reading_is_dropped_and_sending_never_waits_long():
    async def scene() -> Any:
        now = asyncio.get_running_loop().time
        async with scripted(Peer.stop_reading) as (_, session):
            await _fill_the_network(session)
            transport = session._socket.transport  # what it holds is our memory
            begin, held, slowest_s = now(), transport.get_write_buffer_size(), 0.0
            iteration = asyncio.create_task(failure_of(anext(session)))
            most_held = held
            while not iteration.done():
                sent_at = now()
                await session.send_audio(bytes(160))
                slowest_s = max(slowest_s, now() - sent_at)
                most_held = max(most_held, transport.get_write_buffer_size())
                await asyncio.sleep(0.02)
            return await iteration, now() - begin, slowest_s, most_held - held

    error, took_s, slowest_s, grown = run(scene())

    assert (error.code, error.retryable) == ("closed_1006", True)
    assert took_s == pytest.approx(realtime.STALL_DEADLINE_S, abs=0.3)
    assert slowest_s <= 0.1
    assert grown < 2 * 8_000 * (realtime.STALL_DEADLINE_S + 0.3)


def test_only_the_first_send_of_a_stall_waits():
    """Caller audio comes every 20 ms: waiting for each frame would hold up the call's reader."""

    async def scene() -> Any:
        now = asyncio.get_running_loop().time
        async with scripted(Peer.stop_reading) as (_, session):
            await _fill_the_network(session)
            begin = now()
            for _ in range(40):
                await session.send_audio(bytes(160))
            return now() - begin

    assert run(scene()) <= 0.001


def test_a_server_that_reads_again_in_time_is_kept(monkeypatch):
    """Stalls do not add up. In real time: the buffers are moved by the kernel's clock."""
    monkeypatch.setattr(realtime, "STALL_DEADLINE_S", 0.5)

    async def script(peer: Peer) -> None:
        for _ in range(3):
            peer.socket.transport.pause_reading()
            await asyncio.sleep(0.25)
            peer.socket.transport.resume_reading()
            await asyncio.sleep(0.1)
        await peer.send("input_audio_buffer.speech_started", item_id="U1", audio_start_ms=5)

    async def scene() -> Any:
        async with scripted(script) as (_, session):
            iteration = asyncio.create_task(soon(anext(session)))
            while not iteration.done():
                await session.send_audio(bytes(400_000))
                await asyncio.sleep(0.02)
            return await iteration

    assert asyncio.run(scene()) == CallerSpeechStarted("U1", 5)


@pytest.mark.parametrize("is_iterating", [False, True])
def test_a_response_that_never_begins_ends_the_iteration(is_iterating):
    """Also when another task asked for it while the iteration was waiting already."""

    async def scene() -> Any:
        now = asyncio.get_running_loop().time
        async with scripted(Peer.next) as (_, session):
            iteration = asyncio.create_task(failure_of(anext(session)))
            if is_iterating:
                await asyncio.sleep(5.0)
            begin = now()
            await session.send_text("The caller pressed 4.")
            return await iteration, now() - begin

    error, took_s = run(scene())

    assert (error.code, error.retryable) == ("model_silent", True)
    assert took_s == pytest.approx(CREATE_DEADLINE_S, abs=realtime.WATCH_S + 0.1)


def test_silence_alone_is_no_failure():
    async def scene() -> Any:
        async def script(peer: Peer) -> None:
            await asyncio.sleep(45.0)
            await peer.send("input_audio_buffer.speech_started", item_id="U1", audio_start_ms=5)

        async with scripted(script) as (_, session):
            return await soon(anext(session))

    assert run(scene()) == CallerSpeechStarted("U1", 5)


def test_caller_audio_is_one_text_frame_a_piece_and_in_order():
    async def scene() -> Any:
        async with scripted(Peer.next) as (server, session):
            for n in range(50):
                await session.send_audio(bytes([n]) * 160)
            await asyncio.sleep(0.1)
            return server.peers[0].received[1:]

    events = run(scene())

    assert {event["type"] for event in events} == {"input_audio_buffer.append"}
    assert len({json.dumps(event) for event in events}) == 50


def test_all_connections_share_one_tls_context():
    async def scene() -> tuple[Any, Any, Any]:
        secure = RealtimeProvider(openai_endpoint("https://model.example.com/v1", "key", "m"))
        plain = RealtimeProvider(openai_endpoint("http://127.0.0.1:1/v1", "key", "m"))
        first, second = await asyncio.gather(secure._tls_context(), secure._tls_context())
        assert await secure._tls_context() in (first, second)
        return await secure._tls_context(), await secure._tls_context(), await plain._tls_context()

    first, second, plain = asyncio.run(scene())

    assert first is not None
    assert first is second
    assert plain is None
