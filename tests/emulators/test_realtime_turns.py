"""The caller's turns: detection, barge-in, truncation, transcripts, idle timer."""

import base64
import math
from typing import Any

import pytest

from scripts.emulators.brains import EchoBrain
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_audio import encode
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import (
    audio_of,
    call,
    kinds,
    run,
    silence,
    speech,
    without_repeats,
)

SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}
BURST = Scenario(speed=math.inf, first_audio_delay_ms=0)
SPOKEN_ITEM = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "audio",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
    "rate_limits.updated",
]


def outline(events: list[Any]) -> list[str]:
    """Event names, deltas of sound and transcript as one word."""
    deltas = {"response.output_audio.delta", "response.output_audio_transcript.delta"}
    return without_repeats(["audio" if kind in deltas else kind for kind in kinds(events)])


def emulator(scenario: Scenario = BURST, **options: Any) -> RealtimeEmulator:
    return RealtimeEmulator(scenario=scenario, brain=EchoBrain(), **options)


def session(**changes: Any) -> dict[str, Any]:
    return {"detection": {**SERVER_VAD, **changes}}


def test_a_spoken_turn_has_the_servers_order_of_events():
    async def scene() -> Any:
        async with call(emulator(), session=session()) as client:
            await client.append(silence(1000) + speech(1000) + silence(600))
            return await client.until("rate_limits.updated")

    assert outline(run(scene())) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        *SPOKEN_ITEM,
    ]


def test_speech_offsets_lie_on_the_audio_clock_which_a_clear_does_not_reset():
    async def scene() -> Any:
        async with call(emulator(), session=session(create_response=False)) as client:
            await client.append(silence(1000))
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            await client.append(silence(1000) + speech(1000) + silence(600))
            return await client.until("conversation.item.done")

    started, stopped, *_ = run(scene())

    assert 1600 <= started["audio_start_ms"] <= 1800  # 2000 minus the padding
    assert 3400 <= stopped["audio_end_ms"] <= 3600  # 3000 plus the silence
    assert started["item_id"] == stopped["item_id"]


def test_all_events_of_a_turn_carry_one_item_id():
    async def scene() -> Any:
        async with call(emulator(), session=session(create_response=False)) as client:
            await client.append(silence(200) + speech(500) + silence(600))
            return await client.until("conversation.item.done")

    events = run(scene())

    ids = {event.get("item_id") or event["item"]["id"] for event in events}
    assert len(ids) == 1


def test_turns_wait_for_audio_not_for_the_clock():
    async def scene() -> Any:
        async with call(emulator(), session=session()) as client:
            await client.append(silence(500) + speech(500))
            return await client.quiet(10)

    assert kinds(run(scene())) == ["input_audio_buffer.speech_started"]


def test_barge_in_cancels_the_running_response_before_the_new_turn():
    async def scene() -> Any:
        async with call(emulator(Scenario()), session=session()) as client:
            await client.send("response.create")
            delta = await client.one("response.output_audio.delta")
            await client.append(silence(400) + speech(600))
            events = await client.until("response.done")
            await client.append(silence(600))
            return delta, events, await client.until("response.created")

    delta, events, after = run(scene())

    names = outline(events)
    assert names[names.index("input_audio_buffer.speech_started") + 1 :] == SPOKEN_ITEM[4:10]
    response = events[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    [item] = response["output"]
    assert item["id"] == delta["item_id"]
    assert item["status"] == "incomplete"
    assert "input_audio_buffer.speech_stopped" in kinds(after)


def test_a_barge_in_and_its_turn_in_one_append_keep_the_order():
    async def scene() -> Any:
        async with call(emulator(Scenario()), session=session()) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.append(silence(400) + speech(600) + silence(600))
            return await client.until("response.created")

    names = kinds(run(scene()))

    assert names.index("response.done") < names.index("input_audio_buffer.speech_stopped")


def test_barge_in_after_the_response_was_made_cancels_nothing_and_truncates():
    async def scene() -> Any:
        async with call(emulator(), session=session()) as client:
            await client.send("response.create")
            events = await client.until("response.done")
            item_id = events[-1]["response"]["output"][0]["id"]
            await client.append(silence(400) + speech(600))
            await client.one("input_audio_buffer.speech_started")
            cut = {"item_id": item_id, "content_index": 0, "audio_end_ms": 480}
            truncated = await client.ask(
                "conversation.item.truncated", "conversation.item.truncate", **cut
            )
            return kinds(client.events), cut, truncated

    names, cut, truncated = run(scene())

    assert names.count("response.done") == 1
    assert {key: truncated[key] for key in cut} == cut


def test_audio_stops_at_once_when_the_caller_speaks():
    async def scene() -> Any:
        async with call(emulator(Scenario(cancel_delay_ms=2000)), session=session()) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.append(silence(400) + speech(600))
            await client.one("input_audio_buffer.speech_started")
            return await client.until("response.done")

    assert not audio_of(run(scene()))


def test_late_audio_after_a_cancel_comes_before_the_chain():
    scenario = Scenario(late_audio_after_cancel=True)

    async def scene() -> Any:
        async with call(emulator(scenario), session=session()) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.append(silence(400) + speech(600))
            await client.one("input_audio_buffer.speech_started")
            return kinds(await client.until("response.done"))

    assert run(scene())[:2] == ["response.output_audio.delta", "response.output_audio.done"]


def test_without_interrupt_response_a_turn_leaves_the_running_response_alone():
    async def scene() -> Any:
        async with call(emulator(Scenario()), session=session(interrupt_response=False)) as client:
            await client.send("response.create")
            await client.one("response.output_audio.delta")
            await client.append(silence(400) + speech(600) + silence(600))
            events = await client.until("response.done")
            return next(e for e in events if e["type"] == "error"), events[-1]

    error, done = run(scene())

    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert error["error"]["event_id"] is None
    assert done["response"]["status"] == "completed"


def test_without_create_response_a_turn_is_committed_and_not_answered():
    async def scene() -> Any:
        async with call(emulator(), session=session(create_response=False)) as client:
            await client.append(silence(400) + speech(600) + silence(600))
            return kinds(await client.quiet(5))

    assert "response.created" not in run(scene())


def test_without_turn_detection_there_are_no_speech_events_and_commit_is_manual():
    async def scene() -> Any:
        async with call(emulator(), session={"detection": None}) as client:
            await client.append(silence(400) + speech(600) + silence(600))
            await client.send("input_audio_buffer.commit")
            return kinds(await client.quiet(5))

    assert run(scene()) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


@pytest.mark.parametrize(("ms", "shown"), [(0, "0.00"), (40, "40.00"), (99, "99.00")])
def test_less_than_100_ms_cannot_be_committed(ms, shown):
    async def scene() -> Any:
        async with call(emulator(), session={"detection": None}) as client:
            await client.append(silence(ms))
            return await client.error("input_audio_buffer.commit")

    error = run(scene())

    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["message"].endswith(f"but buffer only has {shown}ms of audio.")


def test_100_ms_can_be_committed():
    async def scene() -> Any:
        async with call(emulator(), session={"detection": None}) as client:
            await client.append(silence(100))
            return await client.ask("conversation.item.done", "input_audio_buffer.commit")

    assert run(scene())["item"]["content"] == [{"type": "input_audio", "transcript": None}]


def test_a_commit_within_speech_keeps_its_item_and_sends_no_speech_stopped():
    async def scene() -> Any:
        async with call(emulator(), session=session()) as client:
            await client.append(silence(400) + speech(600))
            started = await client.one("input_audio_buffer.speech_started")
            await client.send("input_audio_buffer.commit")
            return started, await client.quiet(5)

    started, events = run(scene())

    assert events[0]["type"] == "input_audio_buffer.committed"
    assert events[0]["item_id"] == started["item_id"]
    assert "input_audio_buffer.speech_stopped" not in kinds(events)


def test_words_of_the_script_reach_the_transcript_and_the_brain():
    scenario = Scenario(caller_words=("what time is it",))
    transcription = {"model": "gpt-transcribe", "languages": ["de"]}

    async def scene() -> Any:
        settings = {**session(), "transcription": transcription}
        async with call(emulator(scenario), session=settings) as client:
            await client.append(silence(400) + speech(600) + silence(600))
            return await client.until("response.done")

    events = run(scene())

    [done] = [e for e in events if e["type"].endswith("transcription.completed")]
    deltas = [e["delta"] for e in events if e["type"].endswith("transcription.delta")]
    assert done["transcript"] == "".join(deltas) == "what time is it"
    assert done["languages"] == [{"code": "de"}]
    assert done["usage"]["type"] == "tokens"
    [answer] = events[-1]["response"]["output"]
    assert answer["content"][0]["transcript"] == "You said: what time is it"


def test_a_transcript_may_come_after_the_response():
    async def scene() -> Any:
        settings = {**session(), "transcription": {"model": "whisper-1"}}
        scenario = Scenario(speed=math.inf, first_audio_delay_ms=0, transcript_delay_ms=3000)
        async with call(emulator(scenario), session=settings) as client:
            await client.append(silence(400) + speech(600) + silence(600))
            await client.one("response.done")
            return await client.one("conversation.item.input_audio_transcription.completed")

    usage = run(scene())["usage"]

    assert usage == {"type": "duration", "seconds": 2}


def test_a_committed_silence_has_an_empty_transcript():
    async def scene() -> Any:
        settings = {"detection": None, "transcription": {"model": "gpt-transcribe"}}
        async with call(emulator(), session=settings) as client:
            await client.append(silence(500))
            await client.send("input_audio_buffer.commit")
            return await client.one("conversation.item.input_audio_transcription.completed")

    assert run(scene())["transcript"] == ""


def test_idle_timeout_commits_silence_and_answers_it():
    async def scene() -> Any:
        async with call(emulator(), session=session(idle_timeout_ms=5000)) as client:
            await client.send("response.create")
            spoken = await client.until("response.done")
            loop_before = len(client.events)
            await client.append(silence(300))
            await client.one("input_audio_buffer.timeout_triggered")
            events = client.events[loop_before:] + await client.until("response.done")
            return audio_of(spoken), events

    spoken, events = run(scene())

    assert spoken
    assert kinds(events)[1:6] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert events[-1]["response"]["output"][0]["content"][0]["transcript"] == "I heard nothing."


def test_idle_timeout_is_disarmed_by_speech():
    async def scene() -> Any:
        async with call(emulator(), session=session(idle_timeout_ms=5000)) as client:
            await client.send("response.create")
            await client.one("rate_limits.updated")
            await client.append(silence(400) + speech(600))
            return kinds(await client.quiet(60))

    assert run(scene()) == ["input_audio_buffer.speech_started"]


@pytest.mark.parametrize("audio_format", ["audio/pcm", "audio/pcma"])
def test_other_input_formats_are_heard_too(audio_format):
    pcmu = silence(400) + speech(600) + silence(600)
    settings = {
        "type": "realtime",
        "audio": {"input": {"format": {"type": audio_format}, "turn_detection": SERVER_VAD}},
    }

    async def scene() -> Any:
        async with call(emulator()) as client:
            await client.ask("session.updated", "session.update", session=settings)
            wire = encode(pcmu, audio_format)
            for start in range(0, len(wire), 1001):  # never at the border of a sample
                await client.append(wire[start : start + 1001])
            return await client.until("input_audio_buffer.committed")

    assert kinds(run(scene())) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]


def test_azure_semantic_vad_never_tells_that_speech_began():
    async def scene() -> Any:
        detection = {"type": "semantic_vad", "eagerness": "high"}
        async with call(emulator(Scenario(is_azure=True)), session={"detection": detection}) as c:
            await c.append(silence(400) + speech(600) + silence(1000))
            return kinds(await c.until("response.created"))

    names = run(scene())

    assert "input_audio_buffer.speech_started" not in names
    assert "input_audio_buffer.committed" in names


def test_caller_audio_can_be_retrieved_and_is_kept_for_assertions():
    said = speech(300)

    async def scene() -> Any:
        server = emulator()
        async with call(server, session={"detection": None}) as client:
            await client.append(said)
            await client.send("input_audio_buffer.commit")
            item = (await client.one("conversation.item.done"))["item"]
            retrieved = await client.ask(
                "conversation.item.retrieved", "conversation.item.retrieve", item_id=item["id"]
            )
            return retrieved, server.sessions[0].audio_in

    retrieved, audio_in = run(scene())

    assert base64.b64decode(retrieved["item"]["content"][0]["audio"]) == said
    assert audio_in == said
