"""In the middle of a call: another bot takes over, or the line is paused for secrecy."""

import json
import math
from collections.abc import Sequence
from typing import Any

from scripts.emulators.brains import EchoBrain, JsonItem, Reply, Speak
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import MS, PCMU, call, kinds, run, silence, speech

BURST = Scenario(speed=math.inf, first_audio_delay_ms=0)
DETECTION = {"type": "server_vad", "silence_duration_ms": 500}


class Witness:
    """A brain that remembers by what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        self.asked.append((instructions, [tool["name"] for tool in tools]))
        return [Speak("All right.")]


def _bot(name: str, **changes: Any) -> Any:
    tools = [{"type": "function", "name": f"{name}_tool"}]
    return {"type": "realtime", "instructions": f"You are {name}.", "tools": tools, **changes}


def _with_voice(session: Any, voice: str) -> Any:
    audio: Any = json.loads(json.dumps(PCMU["audio"]))
    audio["output"]["voice"] = voice
    return {**session, "audio": audio}


async def _talk(client: Any) -> None:
    await client.send("response.create")
    await client.until("rate_limits.updated")


def test_instructions_and_tools_are_replaced_for_the_next_response():
    witness = Witness()

    async def scene() -> Any:
        async with call(RealtimeEmulator(scenario=BURST, brain=witness)) as client:
            for name in ("anna", "bob"):
                await client.ask("session.updated", "session.update", session=_bot(name))
                await _talk(client)

    run(scene())

    assert witness.asked == [("You are anna.", ["anna_tool"]), ("You are bob.", ["bob_tool"])]


def test_formats_and_detection_outlive_a_switch_that_does_not_name_them():
    async def scene() -> Any:
        server = RealtimeEmulator(scenario=BURST, brain=Witness())
        async with call(server, session={"detection": DETECTION}) as client:
            await _talk(client)
            return await client.ask("session.updated", "session.update", session=_bot("bob"))

    audio = run(scene())["session"]["audio"]

    assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
    assert audio["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_another_voice_before_any_speech_is_taken():
    async def scene() -> Any:
        async with call(RealtimeEmulator(scenario=BURST, brain=Witness())) as client:
            session = _with_voice(_bot("bob"), "cedar")
            return await client.ask("session.updated", "session.update", session=session)

    assert run(scene())["session"]["audio"]["output"]["voice"] == "cedar"


def test_another_voice_after_speech_refuses_the_whole_switch():
    witness = Witness()

    async def scene() -> Any:
        server = RealtimeEmulator(scenario=BURST, brain=witness)
        async with call(server, session=_bot("anna")) as client:
            await _talk(client)
            session = _with_voice(_bot("bob"), "cedar")
            error = await client.error("session.update", session=session)
            await _talk(client)
            return error, server.sessions[0].settings

    error, settings = run(scene())

    assert error["code"] == "cannot_update_voice"
    assert (settings["instructions"], settings["audio"]["output"]["voice"]) == (
        "You are anna.",
        "alloy",
    )
    assert witness.asked[-1] == ("You are anna.", ["anna_tool"])


def test_a_switch_that_keeps_the_voice_is_taken_after_speech():
    async def scene() -> Any:
        async with call(RealtimeEmulator(scenario=BURST, brain=Witness())) as client:
            await _talk(client)
            session = _with_voice(_bot("bob"), "alloy")
            return await client.ask("session.updated", "session.update", session=session)

    assert run(scene())["session"]["instructions"] == "You are bob."


def test_a_switch_while_a_response_speaks_concerns_the_next_one():
    witness = Witness()

    async def scene() -> Any:
        server = RealtimeEmulator(scenario=Scenario(), brain=witness)
        async with call(server, session=_bot("anna")) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.ask("session.updated", "session.update", session=_bot("bob"))
            done = await client.one("response.done")
            await _talk(client)
            return done["response"]["status"]

    assert run(scene()) == "completed"
    assert [instructions for instructions, _ in witness.asked] == ["You are anna.", "You are bob."]


def test_a_clear_while_the_caller_speaks_forgets_the_turn():
    async def scene() -> Any:
        server = RealtimeEmulator(scenario=BURST, brain=EchoBrain())
        async with call(server, session={"detection": DETECTION}) as client:
            await client.append(silence(500) + speech(800))
            await client.one("input_audio_buffer.speech_started")
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            await client.append(silence(3_000))
            return await client.quiet(5), server.sessions[0].items

    events, items = run(scene())

    assert kinds(events) == []
    assert items == []


def test_after_a_clear_the_next_turn_begins_anew():
    async def scene() -> Any:
        server = RealtimeEmulator(scenario=BURST, brain=EchoBrain())
        async with call(server, session={"detection": DETECTION}) as client:
            await client.append(silence(500) + speech(800))
            first = await client.one("input_audio_buffer.speech_started")
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            await client.append(silence(1_000) + speech(600) + silence(700))
            second = await client.one("input_audio_buffer.speech_started")
            await client.until("response.done")
            return first, second, server.sessions[0].items

    first, second, items = run(scene())

    assert first["item_id"] != second["item_id"]
    assert second["audio_start_ms"] >= 1_300, "nothing from before the clear is in the turn"
    assert items[0].id == second["item_id"]
    assert len(items[0].pcmu) < 1_700 * MS
    assert len([item for item in items if item.body.get("role") == "user"]) == 1


def test_a_clear_shortly_after_the_onset_leaves_no_half_a_turn():
    """Two pieces of 60 ms of speech, the clear between them, are no 80 ms of speech in a row."""

    async def scene() -> Any:
        server = RealtimeEmulator(scenario=BURST, brain=EchoBrain())
        async with call(server, session={"detection": DETECTION}) as client:
            await client.append(silence(500) + speech(60))
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            await client.append(speech(60) + silence(500))
            return await client.quiet(1)

    assert kinds(run(scene())) == []
