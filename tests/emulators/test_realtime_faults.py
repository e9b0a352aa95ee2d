"""Faults on demand: each really hurts the connection it is meant for, and no other."""

import asyncio
import json
import math
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from scripts.emulators.brains import EchoBrain
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_faults import Faults, Frame
from scripts.emulators.realtime_scenario import (
    NAMED,
    TRANSCRIBED,
    UPDATED,
    AddUnknownFields,
    CloseAfter,
    CloseAtEvent,
    CutFrame,
    DelayEvent,
    DropEvent,
    FailResponse,
    FailTranscription,
    Fault,
    HangHandshake,
    HugeDelta,
    InsertUnknownEvent,
    ItemDoneInProgress,
    RefuseHandshake,
    RefuseUpdate,
    Scenario,
)
from tests.emulators.realtime_client import PCMU, call, dial, kinds, run, silence, speech

VAD = {"type": "server_vad", "silence_duration_ms": 500}


def emulator(*faults: Fault, **scenario: Any) -> RealtimeEmulator:
    settings = {"speed": math.inf, "first_audio_delay_ms": 0, **scenario}
    return RealtimeEmulator(scenario=Scenario(faults=faults, **settings), brain=EchoBrain())


async def _respond(server: RealtimeEmulator, times: int = 1, *, is_strict: bool = True) -> Any:
    async with call(server, is_strict=is_strict) as client:
        events = []
        for _ in range(times):
            await client.send("response.create")
            events += await client.until("rate_limits.updated")
        return events


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_the_upgrade_can_be_refused_once(status):
    async def scene() -> Any:
        async with emulator(RefuseHandshake(status=status, code="a_code", connections=(0,))) as e:
            with pytest.raises(InvalidStatus) as refusal:
                async with dial(e):
                    pass
            async with dial(e) as client:
                return refusal.value.response, await client.next()

    response, event = run(scene())

    assert response.status_code == status
    assert json.loads(response.body)["error"]["code"] == "a_code"
    assert event["type"] == "session.created"


def test_the_upgrade_can_hang_and_does_not_hold_up_the_end():
    async def scene() -> Any:
        async with emulator(HangHandshake()) as server:
            with pytest.raises(TimeoutError):
                async with dial(server):
                    pass
        return True

    assert run(scene())


@pytest.mark.parametrize(("times", "outcomes"), [(1, ["error", UPDATED]), (None, ["error"] * 2)])
def test_updates_can_be_refused_once_or_always(times, outcomes):
    async def scene() -> Any:
        async with emulator(RefuseUpdate(times=times)) as server, dial(server) as client:
            await client.one("session.created")
            for _ in range(2):
                await client.send("session.update", event_id="cfg", session=PCMU)
            events = [await client.next() for _ in range(2)]
            return events, server.sessions[0].settings

    events, settings = run(scene())

    assert kinds(events) == outcomes
    assert events[0]["error"]["event_id"] == "cfg"
    is_set = settings["audio"]["input"]["format"]["type"] == "audio/pcmu"
    assert is_set == (outcomes[-1] == UPDATED)


def test_session_updated_can_be_dropped_while_the_update_is_in_force():
    async def scene() -> Any:
        async with emulator(DropEvent(type=UPDATED)) as server, dial(server) as client:
            await client.one("session.created")
            await client.send("session.update", session=PCMU)
            return await client.quiet(10), server.sessions[0].settings

    events, settings = run(scene())

    assert events == []
    assert settings["audio"]["input"]["format"]["type"] == "audio/pcmu"


def test_an_event_can_be_late_and_others_overtake_it():
    async def scene() -> Any:
        async with (
            emulator(DelayEvent(type=UPDATED, delay_s=3)) as server,
            dial(server) as client,
        ):
            await client.one("session.created")
            await client.send("session.update", session=PCMU)
            await client.send("input_audio_buffer.clear")
            return kinds(await client.until(UPDATED))

    assert run(scene()) == ["input_audio_buffer.cleared", UPDATED]


def test_a_response_can_fail_for_quota_and_the_next_succeeds():
    events = run(_respond(emulator(FailResponse()), times=2))

    failed, good = [e["response"] for e in events if e["type"] == "response.done"]
    assert kinds(events)[:2] == ["response.created", "response.done"]
    assert failed["status"] == failed["status_details"]["type"] == "failed"
    assert failed["status_details"]["error"]["code"] == "rate_limit_exceeded"
    assert failed["usage"]["total_tokens"] == 0
    assert good["status"] == "completed"


def test_faults_can_skip_occasions():
    events = run(_respond(emulator(FailResponse(skip=1)), times=3))

    statuses = [e["response"]["status"] for e in events if e["type"] == "response.done"]
    assert statuses == ["completed", "failed", "completed"]


@pytest.mark.parametrize("code", [1011, 1012, 4000])
def test_the_socket_can_be_closed_at_a_time(code):
    async def scene() -> Any:
        server = emulator(CloseAfter(after_s=2, code=code, reason="why"))
        async with call(server) as client:
            return await client.closing()

    assert run(scene()) == (code, "why")


def test_the_socket_can_be_dropped_without_a_close_frame():
    async def scene() -> Any:
        async with call(emulator(CloseAfter(after_s=2, code=1006))) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.next()
            return closed.value.rcvd

    assert run(scene()) is None


def test_the_socket_can_be_closed_in_place_of_an_event():
    async def scene() -> Any:
        server = emulator(CloseAtEvent(type="response.done", code=1011))
        async with call(server) as client:
            await client.send("response.create")
            closing = await client.closing()
            return closing, kinds(client.events)

    closing, names = run(scene())

    assert closing[0] == 1011
    assert names[-1] == "conversation.item.done"


def test_the_socket_can_be_closed_at_the_kth_event():
    async def scene() -> Any:
        async with emulator(CloseAtEvent(skip=1)) as server, dial(server) as client:
            await client.send("session.update", session=PCMU)
            await client.closing()
            return kinds(client.events)

    assert run(scene()) == ["session.created"]


def test_a_frame_can_be_cut_in_the_middle():
    async def scene() -> Any:
        async with call(emulator(CutFrame(type="response.created"))) as client:
            await client.send("response.create")
            with pytest.raises(json.JSONDecodeError):
                await client.next()
            return await client.next()

    assert run(scene())["type"] == "response.output_item.added"


def test_unknown_events_and_fields_can_be_mixed_in():
    faults = InsertUnknownEvent(before="response.done"), AddUnknownFields(type="response.done")

    events = run(_respond(emulator(*faults), is_strict=False))

    names = kinds(events)
    assert names[names.index("response.done") - 1] == "emulator.unknown_event"
    assert "emulator_unknown_field" in events[names.index("response.done")]


def test_a_delta_can_exceed_one_mebibyte():
    events = run(_respond(emulator(HugeDelta())))

    sizes = [len(json.dumps(e)) for e in events if e["type"] == "response.output_audio.delta"]
    assert sizes[0] > 1024 * 1024 > sizes[1]


def test_an_item_can_be_done_and_yet_in_progress():
    events = run(_respond(emulator(ItemDoneInProgress())))

    [done] = [e for e in events if e["type"] == "response.output_item.done"]
    assert done["item"]["status"] == "in_progress"
    assert events[-2]["response"]["output"][0]["status"] == "completed"


def test_a_response_can_be_done_without_having_been_created():
    assert "response.created" not in kinds(
        run(_respond(emulator(DropEvent(type="response.created"))))
    )


async def _two_turns(server: RealtimeEmulator) -> Any:
    session = {"detection": VAD, "transcription": {"model": "gpt-transcribe"}}
    async with call(server, session=session) as client:
        for _ in range(2):
            await client.append(silence(400) + speech(600) + silence(600))
            await client.until("rate_limits.updated")
        await client.quiet(20)
        return [e for e in client.events if "input_audio_transcription" in e["type"]]


def test_transcripts_can_fail():
    events = run(_two_turns(emulator(FailTranscription(times=None))))

    assert [e["error"]["code"] for e in events] == ["audio_unintelligible"] * 2


def test_transcripts_can_be_missing():
    events = run(_two_turns(emulator(DropEvent(type=TRANSCRIBED, times=None))))

    assert TRANSCRIBED not in kinds(events)


def test_transcripts_can_come_out_of_order():
    server = emulator(DelayEvent(type=TRANSCRIBED, delay_s=8), caller_words=("first", "second"))

    events = run(_two_turns(server))

    assert [e["transcript"] for e in events if e["type"] == TRANSCRIBED] == ["second", "first"]


def test_audio_can_be_slower_than_real_time():
    async def scene() -> Any:
        async with call(emulator(speed=0.5)) as client:
            loop = asyncio.get_running_loop()
            start = loop.time()
            await client.send("response.create")
            await client.one("response.done")
            item = client.events[-1]["response"]["usage"]["output_token_details"]
            return loop.time() - start, item["audio_tokens"] * 0.05

    took_s, audio_s = run(scene())

    assert took_s > 1.8 * audio_s


def test_a_header_chooses_a_scenario_for_one_connection():
    async def scene() -> Any:
        headers = {"Authorization": "Bearer k", "x-emulator-scenario": "rate-limited"}
        async with call(emulator(), headers=headers) as client:
            await client.send("response.create")
            return await client.one("response.done")

    assert run(scene())["response"]["status"] == "failed"


def test_an_unknown_scenario_is_refused():
    async def scene() -> Any:
        headers = {"Authorization": "Bearer k", "x-emulator-scenario": "nonsense"}
        async with emulator() as server:
            with pytest.raises(InvalidStatus) as refusal:
                async with dial(server, headers=headers):
                    pass
            return refusal.value.response.status_code

    assert run(scene()) == 400


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_scenario_can_be_applied(name):
    faults = Faults(NAMED[name], 0)

    for kind in ("session.created", "response.created", "response.output_audio.delta"):
        for outgoing in faults.outgoing({"type": kind, "event_id": "event_1"}):
            assert not isinstance(outgoing, Frame) or outgoing.payload


def test_faults_of_one_connection_leave_the_others_alone():
    scenario = Scenario(faults=(FailResponse(connections=(1,)),))

    failures = [Faults(scenario, at).failure_of_response() for at in range(3)]

    assert [failure is not None for failure in failures] == [False, True, False]
