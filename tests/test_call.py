"""One call between a caller and a speech provider that both live in memory, in virtual time."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from scripts.emulators.genesys import CallSetup
from scripts.emulators.genesys_setup import NULL_UUID, open_parameters
from service.app import utc_now
from service.audiohook.state import LIVENESS_TIMEOUT_S
from service.audiohook.upgrade import CallIdentity
from service.bots.port import Bot, DigitField, Greeting, Keypad, Limits, McpServer
from service.call import MAX_RATE_LIMITS, CallSession
from service.call_services import CallServices
from service.dtmf import DigitRules
from service.farewell import SAY_DEADLINE_S
from service.outputs import MASK
from service.receipt import MAX_ERRORS, Arrival
from service.silence import SilencePolicy
from service.speech import port as speech
from service.tools.call_control import control_tools
from service.tools.port import Arguments, Tool, ToolContext, TransferToAgent
from service.turns import GREETING
from tests.e2e.bridge import MemorySink
from tests.emulators.realtime_client import run
from tests.fake_speech import FakeProvider
from tests.plain_bot import PLAIN_BOT, Bots

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
        async with asyncio.timeout(60):
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


class Studio:
    """A call with both its ends."""

    def __init__(self, *bots: Bot, max_call_s: float = 600.0) -> None:
        self.line = Line()
        self.provider = FakeProvider()
        self.session = self.provider.session
        self.sink = MemorySink()
        self.crash: BaseException | None = None
        self.call: CallSession
        self.clock = asyncio.get_running_loop().time
        self._services = CallServices(
            bots=Bots(*bots),
            speech=self.provider,
            events=self.sink,
            max_call_s=max_call_s,
            clock=self.clock,
            wall_clock=utc_now,
        )

    async def run(self) -> None:
        """Serve the call; what it raises is kept."""
        identity = CallIdentity(SETUP.session_id, SETUP.organization_id, None, None, "default")
        self.call = CallSession(
            await self.line.accept(), identity, self._services, Arrival(self.clock(), is_cold=True)
        )
        self.line.news.set()
        try:
            await self.call.run()
        except Exception as crash:
            self.crash = crash

    async def opened(self) -> None:
        """Open the session and wait until the model is connected."""
        self.line.say("open", open_parameters(SETUP))
        await self.line.next_of("opened")
        while not self.provider.asked:
            await asyncio.sleep(0)
        await self.settles()

    async def settles(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def hangs_up(self) -> None:
        """Close the session as a caller does who hangs up."""
        self.line.say("close", {"reason": "end"})
        await self.line.next_of("closed")
        self.line.vanish()

    @property
    def ended(self) -> dict[str, Any]:
        """The data of the one `call.ended`."""
        (event,) = self.sink.of(SETUP.session_id, "call.ended.v1")
        data: dict[str, Any] = event["data"]
        return data


def play(
    script: Callable[[Studio], Coroutine[Any, Any, None]], *bots: Bot, **settings: float
) -> Studio:
    """Run a call with its script to the end of both."""

    async def call() -> Studio:
        studio = Studio(*bots, **settings)
        async with asyncio.timeout(3_600), asyncio.TaskGroup() as group:
            serving = group.create_task(studio.run())
            await script(studio)
            await serving
        return studio

    return run(call())


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
    studio.session.say_faults[PLAIN_BOT.handover] = RuntimeError("a bug")
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
        await studio.settles()
        assert PLAIN_BOT.handover in studio.session.said
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

    assert studio.session.said.count(PLAIN_BOT.handover) == 1
    assert len(studio.line.messages("disconnect")) == 1


def test_a_model_that_is_lost_before_its_farewell_does_not_keep_the_caller():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.SpeechError("closed_1006", retryable=True))
        studio.call.drain()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    ended = play(script).ended

    assert ended["end_reason"] == "drain"
    assert ended["duration_ms"] < 1_000


def test_a_model_that_never_says_its_farewell_does_not_keep_the_caller():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.call.drain()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    ended = play(script).ended

    assert ended["end_reason"] == "drain"
    assert ended["duration_ms"] == pytest.approx(1_000 * SAY_DEADLINE_S, abs=10)


def test_a_caller_who_breaks_into_the_goodbye_is_not_dropped():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            *speech_of(5_000), speech.ToolCall("call_1", "end_call", "{}", has_spoken=True)
        )
        await asyncio.sleep(1)
        studio.session.yields(speech.CallerSpeechStarted("item_2", 400))
        await asyncio.sleep(1)
        studio.session.yields(speech.CallerSpeechStopped("item_2", 1_400))
        await asyncio.sleep(5)
        assert studio.line.messages("disconnect") == []
        studio.session.yields(
            *speech_of(500, "item_3"), speech.ToolCall("call_2", "end_call", "{}", has_spoken=True)
        )
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["duration_ms"] > 7_000
    assert studio.ended["output_variables"]["BOT_STATUS"] == "completed"
    assert len(studio.line.messages("event")) == 1  # the barge-in


def test_a_caller_who_speaks_over_the_last_second_says_goodbye_too():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            *speech_of(2_000), speech.ToolCall("call_1", "end_call", "{}", has_spoken=True)
        )
        await asyncio.sleep(1.5)
        studio.session.yields(speech.CallerSpeechStarted("item_2", 400))
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["duration_ms"] < 4_000
    assert studio.ended["output_variables"]["BOT_STATUS"] == "completed"


def test_a_caller_who_interrupts_the_hand_over_is_handed_over():
    async def script(studio: Studio) -> None:
        await studio.opened()
        arguments = '{"reason":"asked"}'
        studio.session.yields(
            *speech_of(5_000),
            speech.ToolCall("call_1", "transfer_to_agent", arguments, has_spoken=True),
        )
        await asyncio.sleep(1)
        studio.session.yields(speech.CallerSpeechStarted("item_2", 400))
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["duration_ms"] < 4_000  # what was to be said lasts five seconds
    assert studio.ended["output_variables"]["BOT_STATUS"] == "transfer"


def test_an_unknown_function_is_answered_and_the_call_goes_on():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "order_pizza", "{}"))
        await studio.settles()
        await studio.hangs_up()

    studio = play(script)

    ((call_id, output, _),) = studio.session.results
    assert (call_id, json.loads(output)["error"]["code"]) == ("call_1", "unknown_function")
    assert studio.ended["end_reason"] == "caller_hangup"


@pytest.mark.parametrize("arguments", ["", "{nope", "[]", '{"reason": 5}', "null", "[" * 5_000])
def test_a_transfer_with_odd_arguments_is_answered_and_the_next_one_is_a_transfer(arguments: str):
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "transfer_to_agent", arguments))
        await studio.settles()
        assert not studio.line.messages("disconnect")
        await transfer(studio, "asked", "call_2")
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    call_id, output, then_say = studio.session.results[0]
    assert (call_id, then_say) == ("call_1", "")
    assert json.loads(output)["error"]["code"] == "invalid_arguments"
    assert studio.ended["output_variables"] == {
        "BOT_STATUS": "transfer",
        "END_REASON": "transfer",
        "TRANSFER_REASON": "asked",
        "TRANSFER_TARGET": "",
        "SUMMARY": "",
    }


def test_a_model_that_ended_the_call_without_a_word_is_asked_for_one():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "end_call", "{}"))
        studio.session.yields(speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    assert play(script).session.results == [("call_1", '{"ok":true}', PLAIN_BOT.farewell)]


def test_audio_from_before_the_model_was_there_is_not_lost():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        for sample in (b"\x01", b"\x02"):
            studio.line.hear(sample * 800)
        await asyncio.sleep(0.05)
        studio.provider.is_reachable.set()
        await studio.settles()
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

    assert studio.provider.asked == []
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

    assert play(script).ended["output_variables"]["TRANSFER_REASON"] == "first"


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
            *speech_of(3_000),
            speech.ToolCall("call_1", "transfer_to_agent", '{"reason":"asked"}', has_spoken=True),
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
    assert (variables["BOT_STATUS"], variables["TRANSFER_REASON"]) == ("shutdown", "")


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
        studio.call._connection.disconnect(reason="error", now=studio.clock())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.crash is None
    assert studio.line.messages("event") == []


def test_a_client_that_complains_of_the_rate_again_and_again_gets_the_call_back():
    async def script(studio: Studio) -> None:
        await studio.opened()
        for _ in range(MAX_RATE_LIMITS):
            assert not studio.line.messages("disconnect")
            studio.line.say("error", {"code": 429, "message": "slow down"})
            await studio.settles()
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script)

    assert studio.ended["end_reason"] == "rate_limited"
    assert studio.ended["transport"]["rate_limited"] == MAX_RATE_LIMITS


def test_a_caller_of_whom_nothing_comes_any_more_is_gone():
    async def script(studio: Studio) -> None:
        await studio.opened()
        await asyncio.sleep(LIVENESS_TIMEOUT_S + 0.1)

    studio = play(script)

    assert studio.line.close_code == 1001
    assert studio.ended["end_reason"] == "socket_lost"


def test_words_that_run_ahead_of_the_sound_are_told_when_it_was_heard():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(
            speech.AgentTranscript("item_1", "some ", is_final=False), *speech_of(400)
        )
        await asyncio.sleep(1)
        await studio.hangs_up()

    (turn,) = play(script).sink.of(SETUP.session_id, "call.turn.v1")

    assert (turn["data"]["text"], turn["data"]["heard_ms"]) == ("some words", 400)


def test_a_message_that_cannot_be_is_a_bug_of_ours():
    async def script(studio: Studio) -> None:
        await studio.opened()
        nothing: Any = object()
        with pytest.raises(AssertionError):
            studio.call._on_message(nothing, studio.clock())
        await studio.hangs_up()

    assert play(script).crash is None


# Functions.


def working(seconds: float, result: object = "done", **changes: Any) -> Tool:
    """A function that works for so long."""

    async def work(arguments: Arguments, context: ToolContext) -> object:
        del arguments, context
        await asyncio.sleep(seconds)
        return result

    fields = {"description": "", "parameters": {"type": "object"}, "timeout_s": 60.0, **changes}
    return Tool(name="look_up", run=work, **fields)


def with_tools(*tools: Tool) -> Bot:
    return replace(PLAIN_BOT, tools=(*tools, *PLAIN_BOT.tools))


LOOK_UP = speech.ToolCall("call_1", "look_up", "{}")


def test_a_caller_may_interrupt_while_a_function_runs():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.AgentTurnDone(), *speech_of(5_000), LOOK_UP)
        await asyncio.sleep(1)
        studio.session.yields(
            speech.CallerSpeechStarted("item_2", 0), speech.CallerSpeechStopped("item_2", 900)
        )
        await studio.line.next_of("event")
        assert studio.session.results == []
        await asyncio.sleep(2.5)
        await studio.hangs_up()

    studio = play(script, with_tools(working(3)))

    ((heard,),) = studio.session.interruptions
    assert heard.item_id == "item_1"
    assert heard.heard_ms == pytest.approx(1_000, abs=100)
    assert studio.session.results == [("call_1", '"done"', "")]
    assert studio.ended["counts"]["interruptions_by_caller"] == 1


def test_pings_are_answered_while_a_function_hangs():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(LOOK_UP)
        for count in range(1, 6):
            await asyncio.sleep(5)
            studio.line.say("ping", {})
            await studio.settles()
            assert len(studio.line.messages("pong")) == count
        await studio.hangs_up()

    studio = play(script, with_tools(working(3_600, timeout_s=20.0)))

    ((call_id, output, _),) = studio.session.results
    assert (call_id, json.loads(output)["error"]["code"]) == ("call_1", "timeout")


def test_a_caller_who_hangs_up_cancels_functions():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(LOOK_UP)
        await asyncio.sleep(1.5)
        await studio.hangs_up()

    studio = play(script, with_tools(working(50)))

    (use,) = studio.ended["tools"]
    assert (use["name"], use["outcome"]) == ("look_up", "cancelled")
    assert use["duration_ms"] == pytest.approx(1_500, abs=5)
    assert studio.ended["end_reason"] == "caller_hangup"
    assert studio.session.results == []


def test_after_the_hang_up_no_function_begins():
    """It may order something for a caller who has just given up."""

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.session.yields(LOOK_UP)
        await asyncio.sleep(1)
        studio.line.vanish()

    studio = play(script, with_tools(working(0)))

    assert studio.ended["tools"] == []
    assert studio.session.results == []


def test_a_function_may_be_called_in_the_same_breath_as_speech():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(400), replace(LOOK_UP, has_spoken=True))
        await asyncio.sleep(2)
        await studio.hangs_up()

    studio = play(script, with_tools(working(1)))

    assert studio.session.results == [("call_1", '"done"', "")]
    (turn,) = studio.sink.of(SETUP.session_id, "call.turn.v1")
    assert (turn["data"]["heard_ms"], turn["data"]["interrupted"]) == (400, False)


def test_a_function_of_a_remote_server_is_in_the_receipt():
    shop = McpServer(label="shop", url="https://shop.example.com", allowed_tools=("stock",))

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.RemoteToolUsed("shop", "stock", "ok"))
        await studio.settles()
        await studio.hangs_up()

    (use,) = play(script, replace(PLAIN_BOT, mcp_servers=(shop,))).ended["tools"]

    assert (use["name"], use["server"], use["outcome"]) == ("stock", "shop", "ok")


def test_the_bot_that_takes_over_is_in_the_receipt():
    loans = replace(PLAIN_BOT, bot_id="loans")
    bot = replace(PLAIN_BOT, tools=control_tools(("switch_bot",), specialists={"loans": ""}))

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "switch_bot", '{"bot":"loans"}'))
        await studio.settles()
        studio.session.yields(speech.BotChanged("loans"))
        await studio.settles()
        await studio.hangs_up()

    studio = play(script, bot, loans)

    assert studio.ended["bot_id"] == "default"
    assert studio.ended["bot_ids"] == ["default", "loans"]
    assert studio.session.results == [("call_1", '{"ok":true}', loans.takeover)]


# A recorded greeting.

CLIP = replace(
    PLAIN_BOT,
    facts="Her name is Ada.",
    greeting=Greeting(clip=b"\x20" * 8_000, words="one two three four five"),
)


def test_a_clip_is_heard_before_the_model_is_there_and_told_to_it():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        await asyncio.sleep(2)
        studio.provider.is_reachable.set()
        await studio.settles()
        await studio.hangs_up()

    studio = play(script, CLIP)

    assert b"".join(it["bytes"] for it in studio.line.sent if it.get("bytes")) == b"\x20" * 8_000
    assert studio.session.notes == [
        ("agent", "one two three four five", False),
        ("system", "Her name is Ada.", False),
    ]
    assert studio.session.said == []
    assert studio.ended["greeting_ms"] == 0


def test_a_clip_that_was_heard_in_part_is_told_in_part():
    async def script(studio: Studio) -> None:
        await studio.opened()
        await asyncio.sleep(0.5)
        studio.session.yields(speech.CallerSpeechStarted("item_1", 300))
        await studio.line.next_of("event")
        await studio.settles()
        await studio.hangs_up()

    studio = play(script, CLIP)

    # Nothing to truncate: the provider does not know the clip.
    assert studio.session.interruptions == [[]]
    assert ("agent", "one two", False) in studio.session.notes
    turn = studio.sink.of(SETUP.session_id, "call.turn.v1")[0]["data"]
    assert (turn["text"], turn["text_generated"]) == ("one two", "one two three four five")
    assert (turn["interrupted"], turn["heard_ms"]) == (True, 500)
    assert turn["item_id"] == GREETING


def test_a_clip_of_which_nothing_was_heard_is_not_told():
    async def script(studio: Studio) -> None:
        studio.line.say("open", open_parameters(SETUP))
        studio.line.say("close", {"reason": "end"})
        await studio.line.next_of("closed")
        studio.line.vanish()

    studio = play(script, CLIP)

    (turn,) = studio.sink.of(SETUP.session_id, "call.turn.v1")
    assert (turn["data"]["text"], turn["data"]["heard_ms"]) == ("", 0)
    assert "agent" not in [speaker for speaker, _, _ in studio.session.notes]


# Keys.


@pytest.mark.parametrize(("is_speaking", "interruptions"), [(True, 1), (False, 0)])
def test_a_key_interrupts_the_agent_where_it_speaks(is_speaking: bool, interruptions: int):
    async def script(studio: Studio) -> None:
        await studio.opened()
        if is_speaking:
            studio.session.yields(*speech_of(5_000))
        await asyncio.sleep(1)
        studio.line.say("dtmf", {"digit": "1"})
        await studio.settles()
        await studio.hangs_up()

    studio = play(script, replace(PLAIN_BOT, keypad=Keypad(interrupts=True)))

    assert len(studio.line.messages("event")) == interruptions
    assert studio.ended["counts"]["interruptions_by_caller"] == interruptions
    assert studio.ended["counts"]["dtmf_events"] == 1
    assert [heard.item_id for (heard,) in studio.session.interruptions] == [
        "item_1"
    ] * interruptions


def test_a_key_ends_the_call_with_the_words_of_the_bot():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(60_000))
        await asyncio.sleep(1)
        studio.line.say("dtmf", {"digit": "0"})
        await studio.settles()
        assert studio.session.said_without_tools == [PLAIN_BOT.handover]
        studio.session.yields(*speech_of(500, "item_2"), speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script, replace(PLAIN_BOT, keypad=Keypad(keys={"0": TransferToAgent("key")})))

    assert studio.ended["duration_ms"] < 5_000
    assert studio.ended["output_variables"]["TRANSFER_REASON"] == "key"
    assert studio.ended["end_reason"] == "transfer"


def test_a_secret_number_reaches_the_flow_and_nobody_else(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    pin = DigitField(
        name="pin", description="", rules=DigitRules(first_s=10.0), is_sensitive=True, output="PIN"
    )
    tools = control_tools(("collect_digits", "end_call"), digit_fields={"pin": ""})
    bot = replace(PLAIN_BOT, tools=tools, digit_fields={"pin": pin}, outputs={"PIN": ""})

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.ToolCall("call_1", "collect_digits", '{"field":"pin"}'))
        await studio.settles()
        for key in "4711#":
            studio.line.say("dtmf", {"digit": key})
        await studio.settles()
        studio.session.yields(speech.ToolCall("call_2", "end_call", "{}", has_spoken=True))
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    studio = play(script, bot)

    (disconnect,) = studio.line.messages("disconnect")
    assert disconnect["parameters"]["outputVariables"]["PIN"] == "4711"
    assert studio.ended["output_variables"]["PIN"] == MASK
    kept = (studio.sink.events, studio.session.results, [vars(it) for it in caplog.records])
    assert "4711" not in str(kept)


# The line, and time.


def test_what_was_being_said_before_a_secure_pause_is_forgotten():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(speech.CallerSpeechStarted("item_1", 300))
        await studio.settles()
        studio.line.say("paused")
        studio.line.hear(b"\xff" * 1_600)
        studio.line.say("dtmf", {"digit": "7"})
        await asyncio.sleep(5)
        studio.line.say("resumed", {"start": "PT1S", "discarded": "PT5S"})
        studio.line.hear(b"\x01" * 1_600)
        await asyncio.sleep(5)
        await studio.hangs_up()

    studio = play(script)

    assert studio.session.forgotten == 1
    assert bytes(studio.session.audio) == b"\x01" * 1_600
    assert studio.session.notes == []


def test_the_agent_says_nothing_into_a_secure_pause():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.line.say("paused")
        await studio.settles()
        studio.session.yields(*speech_of(1_000), speech.AgentTurnDone())
        await asyncio.sleep(5)
        assert not [message for message in studio.line.sent if message.get("bytes")]
        studio.line.say("resumed", {"start": "PT1S", "discarded": "PT5S"})
        await asyncio.sleep(5)
        await studio.hangs_up()

    sent = play(script).line.sent

    assert sum(len(message.get("bytes") or b"") for message in sent) == 8_000


def test_a_change_of_the_language_is_told_to_the_model():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.line.say("update", {"language": "de-AT"})
        await studio.line.next_of("updated")
        await studio.settles()
        await studio.hangs_up()

    studio = play(script, replace(PLAIN_BOT, languages=("en", "de")))

    ((speaker, text, wants_reply),) = studio.session.notes
    assert (speaker, wants_reply) == ("system", False)
    assert "de-AT" in text


@pytest.mark.parametrize(("then", "disposition"), [("transfer", "escalated"), ("end", "abandoned")])
def test_a_caller_who_says_nothing_is_let_go(then: Literal["transfer", "end"], disposition: str):
    words = {"transfer": PLAIN_BOT.handover, "end": PLAIN_BOT.farewell}[then]

    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(1_000), speech.AgentTurnDone())
        await asyncio.sleep(6.2)
        assert studio.session.said[-1] == words
        studio.session.yields(*speech_of(500, "item_2"), speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    ended = play(script, replace(PLAIN_BOT, silence=SilencePolicy(5.0, (), then))).ended

    assert (ended["end_reason"], ended["disposition"]) == ("no_input", disposition)
    assert ended["output_variables"]["BOT_STATUS"] == "no_input"


def test_the_shorter_limit_of_the_bot_holds():
    async def script(studio: Studio) -> None:
        await studio.opened()
        await asyncio.sleep(10.1)
        studio.session.yields(*speech_of(500), speech.AgentTurnDone())
        await studio.line.next_of("disconnect")
        studio.line.vanish()

    limits = Limits(max_call_s=10.0, warn_before_s=4.0, warning="Warn.")
    studio = play(script, replace(PLAIN_BOT, limits=limits))

    assert studio.session.said[-2:] == ["Warn.", PLAIN_BOT.handover]
    assert studio.ended["end_reason"] == "max_duration"


def test_a_hang_up_still_tells_what_the_flow_would_have_got():
    bot = replace(
        PLAIN_BOT,
        tools=control_tools(("set_output_variable",), outputs={"MOOD": ""}),
        outputs={"MOOD": ""},
    )

    async def script(studio: Studio) -> None:
        await studio.opened()
        arguments = '{"name":"MOOD","value":"glad"}'
        studio.session.yields(speech.ToolCall("call_1", "set_output_variable", arguments))
        await studio.settles()
        await studio.hangs_up()

    assert play(script, bot).ended["output_variables"] == {
        "BOT_STATUS": "",
        "END_REASON": "caller_hangup",
        "TRANSFER_REASON": "",
        "TRANSFER_TARGET": "",
        "SUMMARY": "",
        "MOOD": "glad",
    }
