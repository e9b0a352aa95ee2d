"""One call between a caller and a speech provider that both live in memory."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from scripts.emulators.genesys import CallSetup
from scripts.emulators.genesys_setup import NULL_UUID, open_parameters
from service import farewell
from service.app import utc_now
from service.audio.playout import HeardItem
from service.audiohook.upgrade import CallIdentity
from service.bots.builtin import DEFAULT_BOT, BuiltinBots
from service.bots.port import Bot
from service.call import CallSession
from service.call_services import CallServices
from service.receipt import MAX_ERRORS
from service.speech import port as speech
from tests.e2e.bridge import MemorySink

SETUP = CallSetup("ws://bridge.example.com/audiohook", "key")


class Line:
    """The caller's end of an ASGI WebSocket."""

    def __init__(self) -> None:
        self.arriving: asyncio.Queue[Message] = asyncio.Queue()
        self.arriving.put_nowait({"type": "websocket.connect"})
        self.sent: list[Message] = []
        self.news = asyncio.Event()
        self._seq = 0

    async def accept(self) -> WebSocket:
        """The accepted socket."""
        scope = {"type": "websocket", "path": "/audiohook", "headers": [], "query_string": b""}
        socket = WebSocket(scope, self.arriving.get, self._take)
        await socket.accept()
        return socket

    def say(self, message_type: str, parameters: object = None, **envelope: object) -> None:
        """Send one protocol message."""
        self._seq += 1
        message = {
            "version": "2",
            "id": SETUP.session_id,
            "type": message_type,
            "seq": self._seq,
            "serverseq": 0,
            "position": "PT0S",
            "parameters": parameters or {},
        }
        text = json.dumps(message | envelope)
        self.arriving.put_nowait({"type": "websocket.receive", "text": text})

    def hear(self, pcmu: bytes) -> None:
        """Send audio."""
        self.arriving.put_nowait({"type": "websocket.receive", "bytes": pcmu})

    def vanish(self) -> None:
        """Lose the socket."""
        self.arriving.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def messages(self, message_type: str) -> list[dict[str, Any]]:
        """The protocol messages that the call has sent, of one type."""
        texts = [json.loads(message["text"]) for message in self.sent if message.get("text")]
        return [message for message in texts if message["type"] == message_type]

    async def next_of(self, message_type: str) -> dict[str, Any]:
        """The first message of a type, waiting for it if need be."""
        await self.until(lambda: bool(self.messages(message_type)))
        return self.messages(message_type)[0]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so that changes when the call writes."""
        async with asyncio.timeout(5):
            while not is_so():
                self.news.clear()
                await self.news.wait()

    @property
    def close_code(self) -> int | None:
        closes = [message["code"] for message in self.sent if message["type"] == "websocket.close"]
        return closes[0] if closes else None

    async def _take(self, message: Message) -> None:
        self.sent.append(message)
        self.news.set()


class Session:
    """A conversation that yields what a test puts into it, exceptions included."""

    model = "a-model"

    def __init__(self) -> None:
        self.events: asyncio.Queue[speech.SpeechEvent | Exception] = asyncio.Queue()
        self.said: list[str] = []
        self.texts: list[str] = []
        self.results: list[tuple[str, str, str]] = []
        self.interruptions: list[list[HeardItem]] = []
        self.audio = bytearray()
        self.is_closed = False
        self.audio_fault: Exception | None = None
        self.say_fault: Exception | None = None

    def yields(self, *events: speech.SpeechEvent | Exception) -> None:
        for event in events:
            self.events.put_nowait(event)

    async def send_audio(self, pcmu: bytes) -> None:
        if self.audio_fault:
            raise self.audio_fault
        self.audio += pcmu

    async def send_text(self, text: str) -> None:
        self.texts.append(text)

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        self.results.append((call_id, output, then_say))

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        if self.say_fault and instruction != DEFAULT_BOT.greeting:
            raise self.say_fault
        self.said.append(instruction)

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        self.interruptions.append(list(heard))

    async def aclose(self) -> None:
        self.is_closed = True

    def __aiter__(self) -> AsyncIterator[speech.SpeechEvent]:
        return self

    async def __anext__(self) -> speech.SpeechEvent:
        event = await self.events.get()
        if isinstance(event, Exception):
            self.events.put_nowait(event)  # a lost conversation stays lost
            raise event
        return event


class Provider:
    """Connects to the one session once `is_reachable`."""

    def __init__(self) -> None:
        self.session = Session()
        self.is_reachable = asyncio.Event()
        self.is_reachable.set()
        self.is_asked = False

    async def connect(self, bot: Bot) -> Session:
        del bot
        self.is_asked = True
        await self.is_reachable.wait()
        return self.session


class Studio:
    """A call with both its ends."""

    def __init__(self, *, max_call_s: float = 60.0) -> None:
        self.line = Line()
        self.provider = Provider()
        self.session = self.provider.session
        self.sink = MemorySink()
        self.crash: BaseException | None = None
        self.call: CallSession
        self._services = CallServices(
            bots=BuiltinBots("marin"),
            speech=self.provider,
            events=self.sink,
            max_call_s=max_call_s,
            clock=time.monotonic,
            wall_clock=utc_now,
        )

    async def run(self) -> None:
        """Serve the call; what it raises is kept."""
        identity = CallIdentity(SETUP.session_id, SETUP.organization_id, None, None, "default")
        self.call = CallSession(await self.line.accept(), identity, self._services)
        self.line.news.set()
        try:
            await self.call.run()
        except Exception as crash:
            self.crash = crash

    async def opened(self) -> None:
        """Open the session and wait until the model is connected."""
        self.line.say("open", open_parameters(SETUP))
        await self.line.next_of("opened")
        async with asyncio.timeout(5):
            while not self.session.said and self.provider.is_reachable.is_set():
                await asyncio.sleep(0)

    @property
    def ended(self) -> dict[str, Any]:
        """The data of the one `call.ended`."""
        (event,) = self.sink.of(SETUP.session_id, "call.ended.v1")
        data: dict[str, Any] = event["data"]
        return data


def play(script: Callable[[Studio], Awaitable[None]], **settings: float) -> Studio:
    """Run a call with its script to the end of both."""

    async def run() -> Studio:
        studio = Studio(**settings)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            serving = group.create_task(studio.run())
            await script(studio)
            await serving
        return studio

    return asyncio.run(run(), debug=False)


def speech_of(ms: int, item_id: str = "item_1") -> list[speech.SpeechEvent]:
    """Finished agent speech of that length."""
    return [
        speech.AgentAudio(item_id, b"\x20" * 8 * ms),
        speech.AgentAudioDone(item_id),
        speech.AgentTranscript(item_id, "some words", is_final=True),
    ]


async def crash_of_the_speech_pump(studio: Studio) -> None:
    await studio.opened()
    studio.session.yields(RuntimeError("a bug"))


async def crash_of_the_caller_pump(studio: Studio) -> None:
    await studio.opened()
    studio.session.audio_fault = RuntimeError("a bug")
    studio.line.hear(b"\xff" * 1_600)


async def crash_of_the_playout_pump(studio: Studio) -> None:
    await studio.opened()
    studio.session.say_fault = RuntimeError("a bug")
    studio.call.drain()


async def crash_while_words_are_awaited(studio: Studio) -> None:
    await studio.opened()
    studio.session.yields(
        speech.CallerSpeechStarted("item_1", 100),
        speech.CallerSpeechStopped("item_1", 900),
        RuntimeError("a bug"),
    )


CRASHES = {
    crash_of_the_speech_pump: "provider_error",
    crash_of_the_caller_pump: "provider_error",
    crash_of_the_playout_pump: "provider_error",  # the drain was never carried out
    crash_while_words_are_awaited: "provider_error",
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_of_ours_is_told_to_the_caller_in_one_word(crash):
    studio = play(crash)

    (disconnect,) = studio.line.messages("disconnect")
    assert disconnect["parameters"] == {"reason": "error", "info": "internal"}
    assert studio.line.close_code == 1011


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_of_ours_ends_the_call_once(crash):
    studio = play(crash)

    assert studio.ended["errors"] == ["internal"]
    assert studio.ended["end_reason"] == CRASHES[crash]
    assert studio.session.is_closed


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_of_ours_is_raised_to_the_app(crash):
    assert isinstance(play(crash).crash, ExceptionGroup)


def test_a_lost_socket_stays_the_reason_whatever_the_model_still_says():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            speech.CallerSpeechStarted("item_1", 100), speech.CallerSpeechStopped("item_1", 900)
        )
        await asyncio.sleep(0.05)
        studio.line.vanish()
        await asyncio.sleep(0.05)
        studio.session.yields(
            speech.ToolCall("call_1", "transfer_to_agent", '{"reason":"too late"}'),
            speech.CallerTranscript("item_1", "a person please"),
        )

    studio = play(script)

    assert studio.ended["end_reason"] == "socket_lost"
    assert studio.crash is None


def test_the_caller_hears_what_a_lost_model_had_begun_to_say():
    async def script(studio: Studio) -> None:
        await studio.opened()
        # 150 ms: less than a packet is left over after the first one.
        studio.session.yields(speech.AgentAudio("item_1", b"\x20" * 1_200))
        studio.session.yields(speech.SpeechError("closed_1011", retryable=True))
        await studio.line.next_of("disconnect")
        studio.line.say("close", {"reason": "disconnect"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    studio = play(script)

    sent = [message["bytes"] for message in studio.line.sent if message.get("bytes")]
    assert sum(map(len, sent)) == 1_200


def test_speech_that_arrives_after_the_hang_up_does_not_undo_what_was_heard():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.AgentAudio("item_1", b"\x20" * 16_000))
        await studio.line.until(lambda: any(message.get("bytes") for message in studio.line.sent))
        await asyncio.sleep(0.25)
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.session.yields(speech.AgentAudio("item_1", b"\x20" * 800))
        await asyncio.sleep(0.05)
        studio.line.vanish()

    studio = play(script)

    (turn,) = studio.sink.of(SETUP.session_id, "call.turn.v1")
    assert turn["data"]["heard_ms"] >= 200


def test_a_drain_while_the_model_connects_hands_over_at_once():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        studio.call.drain()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    (disconnect,) = studio.line.messages("disconnect")
    assert disconnect["parameters"]["outputVariables"]["BOT_STATUS"] == "shutdown"
    assert studio.ended["end_reason"] == "drain"


def test_a_drain_lets_the_model_tell_the_caller_first():
    heard_before: list[bool] = []

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.call.drain()
        async with asyncio.timeout(5):
            while DEFAULT_BOT.handover not in studio.session.said:
                await asyncio.sleep(0)
        heard_before.append(bool(studio.line.messages("disconnect")))
        studio.session.yields(*speech_of(200), speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert heard_before == [False]
    assert [turn["data"]["interrupted"] for turn in studio.sink.of(SETUP.session_id)[1:-1]] == [
        False
    ]


def test_a_second_drain_changes_nothing():
    async def script(studio: Studio) -> None:
        await studio.opened()
        for _ in range(3):
            studio.call.drain()
            await asyncio.sleep(0.01)
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.call.drain()
        studio.line.vanish()

    studio = play(script)

    assert studio.session.said.count(DEFAULT_BOT.handover) == 1
    assert len(studio.line.messages("disconnect")) == 1


def test_a_model_that_is_lost_before_its_farewell_does_not_keep_the_caller():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.SpeechError("closed_1006", retryable=True))
        studio.call.drain()
        await studio.line.next_of("disconnect")  # within 5 s; the farewell's deadline is 10
        studio.line.vanish()

    assert play(script).ended["end_reason"] == "drain"


def test_a_model_that_never_says_its_farewell_does_not_keep_the_caller(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(farewell, "SAY_DEADLINE_S", 0.1)

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.call.drain()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    assert play(script).ended["end_reason"] == "drain"


def test_a_caller_who_interrupts_the_farewell_is_let_go():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            *speech_of(5_000),
            speech.ToolCall("call_1", "end_call", '{"reason":"done"}', has_spoken=True),
        )
        await studio.line.until(lambda: any(message.get("bytes") for message in studio.line.sent))
        studio.session.yields(speech.CallerSpeechStarted("item_2", 400))
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["duration_ms"] < 4_000  # the farewell alone lasts five seconds
    assert studio.ended["output_variables"]["BOT_STATUS"] == "completed"


def test_an_unknown_function_is_answered_and_the_call_goes_on():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "order_pizza", "{}"))
        async with asyncio.timeout(5):
            while not studio.session.results:
                await asyncio.sleep(0)
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    studio = play(script)

    assert studio.session.results == [("call_1", '{"error":"unknown function"}', "")]
    assert studio.ended["end_reason"] == "caller_hangup"


@pytest.mark.parametrize("arguments", ["", "{nope", "[]", '{"reason": 5}', "null", "[" * 5_000])
def test_a_transfer_with_odd_arguments_is_a_transfer(arguments: str):
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "transfer_to_agent", arguments))
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    outputs = play(script).ended["output_variables"]

    assert outputs == {"BOT_STATUS": "transfer", "HANDOVER_REASON": "", "HANDOVER_SUMMARY": ""}


def test_a_model_that_ended_the_call_without_a_word_is_asked_for_one():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "end_call", "{}"))
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    assert play(script).session.results == [("call_1", '{"ok":true}', DEFAULT_BOT.farewell)]


def test_audio_from_before_the_model_was_there_is_not_lost():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        for sample in (b"\x01", b"\x02"):
            studio.line.hear(sample * 800)
        await asyncio.sleep(0.05)
        studio.provider.is_reachable.set()
        async with asyncio.timeout(5):
            while len(studio.session.audio) < 1_600:
                await asyncio.sleep(0)
        studio.line.vanish()

    assert play(script).session.audio == b"\x01" * 800 + b"\x02" * 800


def test_a_probe_never_reaches_the_model():
    async def script(studio: Studio) -> None:
        studio.line.say("open", open_parameters(SETUP) | {"conversationId": NULL_UUID})
        await studio.line.next_of("opened")
        studio.line.hear(b"\xff" * 1_600)
        studio.call.drain()
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    studio = play(script)

    assert not studio.provider.is_asked
    assert studio.sink.events == []


def test_a_call_that_is_over_while_the_model_connects_lets_go_of_it():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["end_reason"] == "socket_lost"
    assert studio.session.said == []


# An end that is under way.


async def transfer(studio: Studio, reason: str, call_id: str) -> None:
    arguments = json.dumps({"reason": reason})
    studio.session.yields(speech.ToolCall(call_id, "transfer_to_agent", arguments))


def test_the_first_ending_function_decides_what_is_handed_over():
    async def script(studio: Studio) -> None:
        await studio.opened()
        await transfer(studio, "first", "call_1")
        await transfer(studio, "second", "call_2")
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.say("close", {"reason": "disconnect"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    assert play(script).ended["output_variables"]["HANDOVER_REASON"] == "first"


def test_a_caller_who_hangs_up_during_the_farewell_was_not_handed_over():
    async def script(studio: Studio) -> None:
        await studio.opened()
        await transfer(studio, "wants a person", "call_1")
        await asyncio.sleep(0.05)  # the farewell is being said
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    assert play(script).ended["end_reason"] == "caller_hangup"


def test_an_interruption_of_the_farewell_is_told_before_the_disconnect():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            *speech_of(3_000), speech.ToolCall("call_1", "end_call", "{}", has_spoken=True)
        )
        await asyncio.sleep(0.1)  # it is being heard
        studio.session.yields(speech.CallerSpeechStarted("item_2", 100))
        await studio.line.next_of("disconnect")
        studio.line.say("close", {"reason": "disconnect"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    line = play(script).line
    (barge_in,), (disconnect,) = line.messages("event"), line.messages("disconnect")

    assert barge_in["seq"] < disconnect["seq"]


def test_a_function_call_during_the_farewell_is_answered_and_keeps_the_first_reason():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.call.drain()
        await transfer(studio, "the model insists", "call_1")
        await asyncio.sleep(0.05)
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert [call_id for call_id, _, _ in studio.session.results] == ["call_1"]
    variables = studio.ended["output_variables"]
    assert (variables["BOT_STATUS"], variables["HANDOVER_REASON"]) == ("shutdown", "")


def test_a_long_answer_makes_way_when_time_is_up():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(60_000))
        await studio.line.until(lambda: any(message.get("bytes") for message in studio.line.sent))
        studio.call.drain()
        await studio.line.next_of("event")
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    (heard,) = studio.session.interruptions[-1]
    assert heard.heard_ms < 4_000
    assert studio.ended["end_reason"] == "drain"


def test_a_call_that_must_end_now_still_gives_its_variables():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(60_000))
        studio.call.cut()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["end_reason"] == "drain"
    assert studio.ended["output_variables"]["BOT_STATUS"] == "shutdown"


def test_complaints_without_end_are_bounded():
    async def script(studio: Studio) -> None:
        await studio.opened()
        for _ in range(100):
            studio.line.say("error", {"code": 500, "message": "again"})
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    assert len(play(script).ended["errors"]) == MAX_ERRORS


def test_a_breach_of_the_protocol_is_named_in_the_receipt():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.line.say("ping", seq=99)
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    assert play(script).ended["errors"] == ["client: seq"]


def test_a_breach_of_the_protocol_at_the_moment_of_a_drain_is_no_crash():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(60_000))
        await studio.line.until(lambda: any(message.get("bytes") for message in studio.line.sent))
        studio.call.drain()
        studio.call._connection.disconnect(reason="error", now=time.monotonic())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.crash is None
    assert studio.line.messages("event") == []
