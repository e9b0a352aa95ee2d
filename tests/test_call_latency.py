"""What a call reports of its waits, against a script whose waits are known to the millisecond."""

import asyncio
from dataclasses import replace

import pytest

from service.speech import port as speech
from service.tools.port import Arguments, Tool, ToolContext
from tests.plain_bot import PLAIN_BOT
from tests.test_call import Studio, play, speech_of

FRAME_MS = 100
CLOSING_SILENCE_MS = PLAIN_BOT.vad.silence_duration_ms
PREFIX_MS = PLAIN_BOT.vad.prefix_padding_ms
TOLERANCE_MS = 20


async def hear(studio: Studio, ms: int) -> None:
    """Let caller audio arrive in real time."""
    for _ in range(ms // FRAME_MS):
        await asyncio.sleep(FRAME_MS / 1_000)
        studio.line.hear(b"\xff" * 8 * FRAME_MS)


async def ask(studio: Studio, item_id: str, *, heard_ms: int) -> None:
    """Speak until `heard_ms` of audio have been sent, be silent, and let the provider notice."""
    await hear(studio, CLOSING_SILENCE_MS)
    studio.session.yields(speech.CallerSpeechStopped(item_id, heard_ms + CLOSING_SILENCE_MS))


def near(ms: int) -> object:
    return pytest.approx(ms, abs=TOLERANCE_MS)


async def two_answers(studio: Studio) -> None:
    await studio.opened()
    await hear(studio, 1_000)
    await ask(studio, "c1", heard_ms=1_000)
    await asyncio.sleep(0.050)  # of the way to us
    await asyncio.sleep(0.320)
    studio.session.yields(speech.AgentAudio("a1", b"\x20" * 400))
    await asyncio.sleep(0.070)  # too little for a packet until the rest comes
    studio.session.yields(*speech_of(400, "a1"), speech.AgentTurnDone())
    await asyncio.sleep(0.150)
    studio.line.say("playback_started")
    await asyncio.sleep(1)
    studio.session.yields(speech.CallerTranscript("c1", "words that come late"))
    await studio.hangs_up()


def test_an_answers_wait_and_its_parts_are_right_within_20_ms():
    ended = play(two_answers).ended

    (answer,) = ended["answers"]
    assert answer["at_ms"] == near(1_000)
    assert answer["endpointing_ms"] == near(CLOSING_SILENCE_MS)
    assert answer["model_ms"] == near(370)
    assert answer["pacing_ms"] == near(70)
    assert answer["own_ms"] == near(0)
    assert answer["leaving_ms"] == near(CLOSING_SILENCE_MS + 440)
    assert ended["answer_latency_ms"] == [answer["leaving_ms"]]


def test_an_answer_is_audible_when_the_callers_player_says_so():
    studio = play(two_answers)

    (answer,) = studio.ended["answers"]
    assert answer["audible_ms"] == near(CLOSING_SILENCE_MS + 440 + 150)


def test_the_turn_of_the_answer_has_its_wait():
    studio = play(two_answers)

    turns = [event["data"] for event in studio.sink.of(studio.ended["session_id"], "call.turn.v1")]
    waits = {turn["item_id"]: turn.get("latency") for turn in turns}
    assert waits == {"c1": None, "a1": studio.ended["answers"][0]}


def test_the_time_of_a_function_is_told_apart():
    async def look_up(arguments: Arguments, context: ToolContext) -> object:
        del arguments, context
        await asyncio.sleep(0.600)
        return {"found": True}

    tool = Tool(name="look_up", description="Looks up.", parameters={"type": "object"}, run=look_up)

    async def script(studio: Studio) -> None:
        await studio.opened()
        await hear(studio, 1_000)
        await ask(studio, "c1", heard_ms=1_000)
        await asyncio.sleep(0.200)
        studio.session.yields(speech.ToolCall("call_1", "look_up", "{}"))
        await asyncio.sleep(0.600 + 0.300)
        studio.session.yields(*speech_of(400, "a1"), speech.AgentTurnDone())
        await asyncio.sleep(1)
        await studio.hangs_up()

    (answer,) = play(script, replace(PLAIN_BOT, tools=(tool,))).ended["answers"]

    assert (answer["tools_ms"], answer["model_ms"]) == (near(600), near(500))
    assert answer["leaving_ms"] == near(CLOSING_SILENCE_MS + 1_100)


def test_an_interruption_is_timed_from_speech_to_stop_to_silence():
    async def script(studio: Studio) -> None:
        await studio.opened()
        studio.session.yields(*speech_of(4_000, "a1"))
        await hear(studio, 1_000)
        # The caller began to speak 250 ms ago.
        studio.session.yields(speech.CallerSpeechStarted("c1", 750 - PREFIX_MS))
        await studio.settles()
        await studio.hangs_up()

    (barge_in,) = play(script).ended["barge_ins"]

    assert barge_in["at_ms"] == near(750)
    assert barge_in["stop_ms"] == barge_in["silent_ms"] == near(250)


def test_the_setup_is_timed_from_the_upgrade_to_the_greetings_first_sound():
    async def script(studio: Studio) -> None:
        studio.provider.is_reachable.clear()
        await studio.opened()
        await asyncio.sleep(0.400)
        studio.provider.is_reachable.set()
        await asyncio.sleep(0.250)
        studio.session.yields(*speech_of(400, "a1"), speech.AgentTurnDone())
        await asyncio.sleep(0.080)
        studio.line.say("playback_started")
        await asyncio.sleep(1)
        await studio.hangs_up()

    setup = play(script).ended["setup"]

    assert setup["is_cold"]
    assert setup["opened_ms"] == near(0)
    assert setup["model_ready_ms"] == near(400)
    assert setup["greeting_left_ms"] == near(650)
    assert setup["greeting_heard_ms"] == near(730)


async def lost_before_the_answer(studio: Studio) -> None:
    await studio.opened()
    await hear(studio, 1_000)
    await ask(studio, "c1", heard_ms=1_000)
    await asyncio.sleep(0.200)
    studio.session.yields(speech.SpeechLost("openai", "closed_1011"))
    await asyncio.sleep(0.300)
    studio.session.yields(speech.SpeechReady("openai", "a-model", after="closed_1011"))
    await asyncio.sleep(0.400)
    studio.session.yields(*speech_of(400, "2.a1"), speech.AgentTurnDone())
    await asyncio.sleep(1)
    await studio.hangs_up()


def test_a_reconnect_is_a_part_of_the_wait_and_its_gap_a_fact_of_the_call():
    ended = play(lost_before_the_answer).ended

    (answer,) = ended["answers"]
    assert answer["endpointing_ms"] == near(CLOSING_SILENCE_MS)
    assert answer["model_ms"] == near(200 + 300 + 400)
    first, second = ended["connections"]
    assert first["lost_ms"] is None
    assert second["ready_ms"] - second["lost_ms"] == near(300)
