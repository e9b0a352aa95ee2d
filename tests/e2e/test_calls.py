"""Whole calls: an emulated caller, the service, and an emulated model, over loopback."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from scripts.emulators import genesys
from scripts.emulators.genesys import STEREO, Chaos, GenesysCall
from scripts.emulators.realtime_scenario import (
    CloseAtEvent,
    DelayEvent,
    FailTranscription,
    HangHandshake,
    RefuseHandshake,
    RefuseUpdate,
    Scenario,
)
from service.speech import realtime
from tests.e2e.bridge import SHOUT, STORY, Played, bridge, play
from tests.e2e.quick_calls import OUTPUTS, PROMPT, ask_and_wait, ask_once, greeted, hear, quiet
from tests.e2e.side_by_side import Outcomes, play_side_by_side


def caller_says(*words: str, **changes: Any) -> Scenario:
    return replace(PROMPT, caller_words=words, **changes)


async def interrupt(call: GenesysCall) -> None:
    """Ask for a story, interrupt it after a second and a half, listen to the answer."""
    await greeted(call)
    await call.say(SHOUT)
    await call.agent_speaks(min_ms=1_500)
    await call.say(SHOUT)
    await quiet(call)


# The scenarios, each with a service and a model of its own.


async def plain() -> Played:
    async with bridge(caller_says("hello")) as running:
        return await play(running, ask_once)


async def barge_in() -> Played:
    async with bridge(caller_says("story", "hello")) as running:
        return await play(running, interrupt)


async def barge_in_while_the_model_still_speaks() -> Played:
    scenario = caller_says("story", "hello", speed=1.2, late_audio_after_cancel=True)
    async with bridge(scenario) as running:
        return await play(running, interrupt)


async def barge_in_on_the_first_of_two_items() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=500)
        await call.say(SHOUT)
        await quiet(call)

    async with bridge(caller_says("items", "hello")) as running:
        return await play(running, script)


async def two_items() -> Played:
    async with bridge(caller_says("hello", multi_item=True)) as running:
        return await play(running, ask_once)


async def key_presses() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.press("47#")
        await hear(call)

    async with bridge(PROMPT) as running:
        return await play(running, script)


async def probed() -> tuple[genesys.CallReport, int, int]:
    async with bridge(PROMPT) as running:
        report = await genesys.probe(running.setup())
        await running.emptied()
        return report, len(running.model.sessions), len(running.sink.events)


async def hang_up_before_open() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.sleep(0.05)

    async with bridge(PROMPT) as running:
        return await play(running, script, chaos=Chaos(sends_open=False))


async def hang_up_while_the_model_connects() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.3)

    async with bridge(replace(PROMPT, faults=(HangHandshake(limit_s=5),))) as running:
        return await play(running, script)


async def hang_up_during_the_greeting() -> Played:
    async with bridge(PROMPT) as running:
        return await play(running, lambda call: call.agent_speaks(min_ms=200))


async def hang_up_during_the_answer() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=1_000)

    async with bridge(caller_says("story")) as running:
        return await play(running, script)


async def hang_up_during_the_farewell() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=800)

    async with bridge(caller_says("person")) as running:
        return await play(running, script)


async def hang_up_after_the_disconnect() -> Played:
    async with bridge(caller_says("bye")) as running:
        return await play(running, ask_and_wait, chaos=Chaos(answers_disconnect=False))


async def model_refuses_the_key() -> Played:
    fault = RefuseHandshake(status=401, code="invalid_api_key")
    return await _model_that_is_no_use(fault)


async def model_never_answers() -> Played:
    return await _model_that_is_no_use(HangHandshake(limit_s=5))


async def model_refuses_the_session() -> Played:
    return await _model_that_is_no_use(RefuseUpdate(times=None))


LOST_FOR_GOOD = 4000
"""A close code after which nobody connects again (Realtime specification, 11.1)."""


async def _model_that_is_no_use(fault: RefuseHandshake | HangHandshake | RefuseUpdate) -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.disconnected()

    async with bridge(replace(PROMPT, faults=(fault,))) as running:
        return await play(running, script)


async def _model_lost_after(deltas: int) -> Played:
    fault = CloseAtEvent(type="response.output_audio.delta", skip=deltas, code=LOST_FOR_GOOD)
    async with bridge(caller_says("story", faults=(fault,))) as running:
        return await play(running, ask_and_wait)


async def model_lost_in_the_greeting() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.disconnected()

    fault = CloseAtEvent(type="response.output_audio.delta", skip=2, code=LOST_FOR_GOOD)
    async with bridge(replace(PROMPT, faults=(fault,))) as running:
        return await play(running, script)


async def model_lost_early_in_the_answer() -> Played:
    return await _model_lost_after(5)


async def model_lost_later_in_the_answer() -> Played:
    return await _model_lost_after(12)


async def model_lost_even_later_in_the_answer() -> Played:
    return await _model_lost_after(14)


async def ended_by_the_bot() -> Played:
    async with bridge(caller_says("bye")) as running:
        return await play(running, ask_and_wait)


async def transferred() -> Played:
    async with bridge(caller_says("person")) as running:
        return await play(running, ask_and_wait)


async def transferred_without_a_word() -> Played:
    async with bridge(caller_says("silently")) as running:
        return await play(running, ask_and_wait)


async def talked_too_long() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.disconnected()

    async with bridge(PROMPT, max_call_s=2) as running:
        return await play(running, script)


async def paused() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.pause(1.0)
        await call.say(SHOUT)
        await quiet(call)

    async with bridge(caller_says("hello")) as running:
        return await play(running, script)


async def in_stereo() -> Played:
    async with bridge(caller_says("hello")) as running:
        return await play(running, ask_once, media=(STEREO,))


async def in_small_frames() -> Played:
    async with bridge(caller_says("hello")) as running:
        return await play(running, ask_once, frame_ms=20)


async def with_bad_habits() -> Played:
    async with bridge(caller_says("hello")) as running:
        return await play(running, ask_once, profile="chaos", seed=7)


async def told_to_slow_down() -> Played:
    frames: list[int] = []

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=200)
        call.send_message("error", {"code": 429, "message": "slow", "retryAfter": "PT1.5S"})
        await call.sleep(0.1)
        frames.append(call._session.report.audio_frames_received)
        await call.sleep(1.2)
        frames.append(call._session.report.audio_frames_received)
        await call.agent_quiet(for_ms=500)

    async with bridge(caller_says("report")) as running:
        played = await play(running, script)
    played.notes["frames"] = frames
    return played


async def told_to_slow_down_too_often() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        for _ in range(3):
            call.send_message("error", {"code": 429, "message": "slow", "retryAfter": "PT0.1S"})
        await call.disconnected(within_s=3)

    async with bridge(PROMPT) as running:
        return await play(running, script)


async def keys_while_the_model_connects() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.press("5#")
        await hear(call, min_ms=900)

    late = DelayEvent(type="session.updated", delay_s=0.5)
    async with bridge(replace(PROMPT, faults=(late,))) as running:
        return await play(running, script)


async def two_at_once() -> list[Played]:
    def presses(keys: str):
        async def script(call: GenesysCall) -> None:
            await greeted(call)
            await call.press(keys)
            await hear(call)

        return script

    async with bridge(PROMPT) as running, asyncio.TaskGroup() as group:
        first = group.create_task(play(running, presses("11#")))
        second = group.create_task(play(running, presses("22#")))
    return [first.result(), second.result()]


async def late_words() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.sleep(0.9)  # the model ends a turn after half a second of silence

    async with bridge(caller_says("hello", transcript_delay_ms=1_200)) as running:
        return await play(running, script)


async def unintelligible() -> Played:
    async with bridge(caller_says("hello", faults=(FailTranscription(),))) as running:
        return await play(running, ask_once)


async def caller_breaks_the_protocol() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        call.send_message("ping", seq=999)
        await call.disconnected(within_s=3)

    async with bridge(PROMPT) as running:
        return await play(running, script)


SCENARIOS = (
    plain,
    barge_in,
    barge_in_while_the_model_still_speaks,
    barge_in_on_the_first_of_two_items,
    two_items,
    key_presses,
    probed,
    hang_up_before_open,
    hang_up_while_the_model_connects,
    hang_up_during_the_greeting,
    hang_up_during_the_answer,
    hang_up_during_the_farewell,
    hang_up_after_the_disconnect,
    model_refuses_the_key,
    model_never_answers,
    model_refuses_the_session,
    model_lost_in_the_greeting,
    model_lost_early_in_the_answer,
    model_lost_later_in_the_answer,
    model_lost_even_later_in_the_answer,
    ended_by_the_bot,
    transferred,
    transferred_without_a_word,
    talked_too_long,
    paused,
    in_stereo,
    in_small_frames,
    with_bad_habits,
    told_to_slow_down,
    told_to_slow_down_too_often,
    keys_while_the_model_connects,
    two_at_once,
    late_words,
    unintelligible,
    caller_breaks_the_protocol,
)


@pytest.fixture(scope="module")
def outcome_of() -> Outcomes:
    """All scenarios, played once with a short deadline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realtime, "CONNECT_DEADLINE_S", 1.5)
        return play_side_by_side(*SCENARIOS)


CALLS = [scenario for scenario in SCENARIOS if scenario not in (probed, two_at_once)]
SERVED = [scenario for scenario in CALLS if scenario is not hang_up_before_open]


# What is true of every call.


def test_no_call_logs_an_error(outcome_of: Outcomes):
    assert outcome_of.log.troubles() == []


@pytest.mark.parametrize("scenario", CALLS)
def test_the_service_never_breaks_the_protocol(outcome_of: Outcomes, scenario):
    report = outcome_of(scenario).report

    assert report.violations == []
    assert report.rate_breaches == {}
    assert not report.server_closed_first


@pytest.mark.parametrize("scenario", CALLS)
def test_the_service_is_never_far_ahead_of_the_callers_ear(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).report.max_queued_ms <= 4_000


@pytest.mark.parametrize("scenario", SERVED)
def test_events_begin_with_one_start_and_finish_with_one_end(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    kinds = [event["type"] for event in played.sink.of(played.setup.session_id)]

    assert kinds[0] == "call.started.v1"
    assert kinds[-1] == "call.ended.v1"
    assert set(kinds[1:-1]) <= {"call.turn.v1"}


@pytest.mark.parametrize("scenario", SERVED)
def test_event_ids_follow_from_the_session_and_the_turn(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    session_id = played.setup.session_id
    events = played.sink.of(session_id)
    turns = [event for event in events if event["type"] == "call.turn.v1"]

    assert events[0]["id"] == f"{session_id}/started"
    assert events[-1]["id"] == f"{session_id}/ended"
    assert [event["id"] for event in turns] == [
        f"{session_id}/turn/{event['data']['seq']}" for event in turns
    ]
    assert sorted(event["data"]["seq"] for event in turns) == [*range(1, len(turns) + 1)]


@pytest.mark.parametrize("scenario", SERVED)
def test_events_name_the_conversation_and_the_organization(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    for event in played.sink.of(played.setup.session_id):
        assert event["subject"] == played.setup.conversation_id
        assert event["orgid"] == played.setup.organization_id
        assert event["data"].get("bot_id", "default") == "default"


@pytest.mark.parametrize("scenario", SERVED)
def test_the_receipt_counts_what_the_caller_counted(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    transport, report = played.ended["transport"], played.report

    assert transport["bytes_out"] == report.audio_bytes_received
    assert transport["bytes_in"] <= report.audio_bytes_sent
    assert len(played.turns) == sum(
        played.ended["counts"][name] for name in ("turns_caller", "turns_agent")
    )


# Conversations.


def test_the_caller_is_greeted_and_answered(outcome_of: Outcomes):
    assert outcome_of(plain).words == [
        ("agent", "Welcome."),
        ("caller", "hello"),
        ("agent", "Certainly."),
    ]


def test_the_model_hears_the_callers_very_bytes(outcome_of: Outcomes):
    played = outcome_of(plain)

    assert played.session is not None
    assert SHOUT in played.session.audio_in


def test_the_caller_hears_every_byte_of_an_uninterrupted_answer(outcome_of: Outcomes):
    report = outcome_of(plain).report

    # 65 ms per character of the two sentences.
    assert report.audio_bytes_received == len("Welcome.Certainly.") * 520
    assert report.unplayed_ms == 0
    assert report.gaps == []


def test_turn_times_agree_with_the_callers_ear(outcome_of: Outcomes):
    played = outcome_of(plain)

    for turn, episode in zip(played.turns, played.report.timeline, strict=True):
        assert turn["start_ms"] == pytest.approx(episode.start_ms, abs=250)
        assert turn["end_ms"] == pytest.approx(episode.end_ms, abs=250)


def test_the_answers_latency_is_what_the_caller_measured(outcome_of: Outcomes):
    played = outcome_of(plain)
    (latency_ms,) = played.ended["answer_latency_ms"]
    (measured_ms,) = played.report.response_latencies_ms

    assert latency_ms == pytest.approx(measured_ms, abs=300)


def test_a_caller_who_heard_the_last_word_and_hangs_up_was_served(outcome_of: Outcomes):
    ended = outcome_of(plain).ended

    assert (ended["end_reason"], ended["disposition"]) == ("caller_hangup", "contained")
    assert ended["errors"] == []
    assert ended["output_variables"] == dict.fromkeys(OUTPUTS, "") | {"END_REASON": "caller_hangup"}


def test_two_items_of_one_response_are_two_turns(outcome_of: Outcomes):
    assert outcome_of(two_items).words == [
        ("agent", "Let me see."),
        ("agent", "Welcome."),
        ("caller", "hello"),
        ("agent", "Let me see."),
        ("agent", "Certainly."),
    ]


@pytest.mark.parametrize("scenario", [in_stereo, in_small_frames, with_bad_habits, paused])
def test_however_the_caller_sends_the_words_are_the_same(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).words == outcome_of(plain).words


def test_a_pause_does_not_shift_the_turns(outcome_of: Outcomes):
    played = outcome_of(paused)

    assert played.turns[1]["start_ms"] == pytest.approx(played.report.turns[0].start_ms, abs=250)


def test_two_calls_at_once_do_not_mix(outcome_of: Outcomes):
    first, second = outcome_of(two_at_once)

    assert first.words[-1] == ("agent", "Noted 11.")
    assert second.words[-1] == ("agent", "Noted 22.")
    assert first.report.violations == second.report.violations == []
    assert len(first.turns) == len(second.turns) == 3


def test_words_that_come_after_the_hang_up_are_published(outcome_of: Outcomes):
    played = outcome_of(late_words)

    assert ("caller", "hello") in played.words
    assert played.report.close_reason == "end"


def test_a_turn_without_words_says_so(outcome_of: Outcomes):
    turn = outcome_of(unintelligible).turns[1]

    assert (turn["speaker"], turn["text"], turn["recognised"]) == ("caller", "", False)


# Interruptions.

INTERRUPTED = [
    barge_in,
    barge_in_while_the_model_still_speaks,
    barge_in_on_the_first_of_two_items,
]


@pytest.mark.parametrize("scenario", INTERRUPTED)
def test_an_interruption_is_one_barge_in_that_stops_the_player(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]
    assert played.ended["counts"]["interruptions_by_caller"] == 1


@pytest.mark.parametrize("scenario", INTERRUPTED)
def test_nothing_of_the_cut_answer_is_heard_after_the_interruption(outcome_of: Outcomes, scenario):
    report = outcome_of(scenario).report
    cut = next(episode for episode in report.timeline if episode.interrupted)
    after = [clip for clip in report.recording.agent if clip.start_s * 1_000 >= cut.end_ms]

    assert sum(len(clip.pcmu) for clip in after) == len("Certainly.") * 520


@pytest.mark.parametrize("scenario", INTERRUPTED)
def test_the_model_learns_how_far_the_caller_heard(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    cut = next(episode for episode in played.report.timeline if episode.interrupted)
    # A busy machine may tear an answer into several episodes of playback.
    began_ms = played.turns[2]["start_ms"] - 250
    answer = [e for e in played.report.timeline if began_ms <= e.start_ms <= cut.start_ms]
    heard_ms = sum(episode.end_ms - episode.start_ms for episode in answer)
    (truncate,) = played.told_model("conversation.item.truncate")

    assert truncate["item_id"] == played.turns[2]["item_id"]
    assert truncate["audio_end_ms"] == pytest.approx(heard_ms, abs=250)


@pytest.mark.parametrize("scenario", INTERRUPTED)
def test_the_transcript_keeps_what_was_heard_beside_what_was_said(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    turn = played.turns[2]
    (truncate,) = played.told_model("conversation.item.truncate")

    assert turn["interrupted"]
    assert turn["text"]
    assert turn["text_generated"].startswith(turn["text"])
    assert turn["text_generated"] != turn["text"]
    assert turn["heard_ms"] == truncate["audio_end_ms"]


def test_the_stop_after_an_interruption_is_what_the_caller_measured(outcome_of: Outcomes):
    played = outcome_of(barge_in)
    (stop_ms,) = played.ended["barge_in_stop_ms"]

    assert stop_ms == pytest.approx(played.report.turns[1].barge_in_stop_ms, abs=300)


def test_an_item_that_was_never_heard_is_deleted(outcome_of: Outcomes):
    played = outcome_of(barge_in_on_the_first_of_two_items)
    unheard = played.turns[3]
    (delete,) = played.told_model("conversation.item.delete")

    assert unheard["text_generated"]
    assert STORY.startswith(unheard["text_generated"])
    assert (unheard["text"], unheard["heard_ms"]) == ("", 0)
    assert delete["item_id"] == unheard["item_id"]


def test_nothing_is_deleted_or_truncated_without_an_interruption(outcome_of: Outcomes):
    played = outcome_of(two_items)

    assert played.told_model("conversation.item.delete") == []
    assert played.told_model("conversation.item.truncate") == []
    assert played.report.barge_ins == []


# Keys.


def test_keys_reach_the_model_as_one_entry(outcome_of: Outcomes):
    played = outcome_of(key_presses)
    texts = [
        part["text"]
        for event in played.told_model("conversation.item.create")
        for part in event["item"].get("content", ())
        if event["item"].get("role") == "user"
    ]

    assert len(texts) == 1
    assert " 47 " in texts[0]
    assert played.words[-1] == ("agent", "Noted 47.")


def test_keys_are_masked_in_the_callers_turn(outcome_of: Outcomes):
    played = outcome_of(key_presses)

    assert [text for speaker, text in played.words if speaker == "caller"] == ["[keys]"]
    assert played.ended["counts"]["dtmf_events"] == 3


def test_keys_pressed_while_the_model_connects_are_not_lost(outcome_of: Outcomes):
    assert outcome_of(keys_while_the_model_connects).words[-1] == ("agent", "Noted 5.")


# The probe.


def test_a_probe_is_answered_without_a_model_and_without_events(outcome_of: Outcomes):
    report, sessions, events = outcome_of(probed)

    assert report.violations == []
    assert report.opened_ms is not None
    assert (sessions, events) == (0, 0)


# The caller hangs up.


@pytest.mark.parametrize(
    "scenario",
    [
        hang_up_before_open,
        hang_up_while_the_model_connects,
        hang_up_during_the_greeting,
        hang_up_during_the_answer,
        hang_up_during_the_farewell,
        hang_up_after_the_disconnect,
    ],
)
def test_a_hang_up_is_answered_in_every_state(outcome_of: Outcomes, scenario):
    report = outcome_of(scenario).report

    assert report.close_reason == "end"
    assert report.close_code == 1000
    assert report.errors_sent == []


@pytest.mark.parametrize(
    "scenario",
    [
        hang_up_while_the_model_connects,
        hang_up_during_the_greeting,
        hang_up_during_the_answer,
    ],
)
def test_a_caller_who_hangs_up_early_has_abandoned_the_call(outcome_of: Outcomes, scenario):
    ended = outcome_of(scenario).ended

    assert (ended["end_reason"], ended["disposition"]) == ("caller_hangup", "abandoned")


def test_a_session_that_was_never_opened_has_no_events(outcome_of: Outcomes):
    played = outcome_of(hang_up_before_open)

    assert played.sink.events == []
    assert played.session is None


def test_an_answer_cut_by_the_hang_up_was_not_heard_in_full(outcome_of: Outcomes):
    played = outcome_of(hang_up_during_the_answer)
    turn, cut = played.turns[-1], played.report.timeline[-1]

    assert turn["interrupted"]
    assert turn["heard_ms"] == pytest.approx(cut.end_ms - cut.start_ms, abs=250)


def test_a_hang_up_after_our_disconnect_does_not_change_the_reason(outcome_of: Outcomes):
    assert outcome_of(hang_up_after_the_disconnect).ended["end_reason"] == "bot_completed"


# The model fails.

FAILURES = {
    model_refuses_the_key: "http_401",
    model_never_answers: "connect_timeout",
    model_refuses_the_session: "session_refused",
    model_lost_in_the_greeting: f"closed_{LOST_FOR_GOOD}",
    model_lost_early_in_the_answer: f"closed_{LOST_FOR_GOOD}",
    model_lost_later_in_the_answer: f"closed_{LOST_FOR_GOOD}",
    model_lost_even_later_in_the_answer: f"closed_{LOST_FOR_GOOD}",
}


@pytest.mark.parametrize("scenario", FAILURES)
def test_a_failing_model_hands_the_caller_back_to_the_flow(outcome_of: Outcomes, scenario):
    disconnect = outcome_of(scenario).report.disconnect

    assert disconnect is not None
    assert disconnect.reason == "completed"
    assert disconnect.output_variables == {
        "BOT_STATUS": "failed",
        "END_REASON": "provider_error",
        "TRANSFER_REASON": "",
        "TRANSFER_TARGET": "",
        "SUMMARY": "",
    }


@pytest.mark.parametrize("scenario", FAILURES)
def test_a_failing_model_is_named_in_the_receipt(outcome_of: Outcomes, scenario):
    ended = outcome_of(scenario).ended

    assert (ended["end_reason"], ended["disposition"]) == ("provider_error", "failed")
    excuses = {word for word in ended["errors"] if word.startswith("silence_")}
    assert [word for word in ended["errors"] if word not in excuses] == [FAILURES[scenario]]
    assert bool(excuses) == (scenario is model_never_answers)


@pytest.mark.parametrize(
    "scenario",
    [
        model_lost_in_the_greeting,
        model_lost_early_in_the_answer,
        model_lost_later_in_the_answer,
        model_lost_even_later_in_the_answer,
    ],
)
def test_what_a_lost_model_had_said_is_heard_and_silence_does_not_follow(
    outcome_of: Outcomes, scenario
):
    played = outcome_of(scenario)
    assert played.session is not None
    said = sum(
        len(event["delta"]) * 3 // 4 - event["delta"].count("=")
        for event in played.session.sent
        if event["type"] == "response.output_audio.delta"
    )
    report = played.report
    assert report.disconnect is not None

    assert report.audio_bytes_received == said
    assert report.unplayed_ms == 0
    assert report.disconnect.at_ms - report.timeline[-1].end_ms < 2_000


# We end the call.

TOLD_TO_HAND_OVER = "I will connect you with a colleague now. One moment, please."
FAREWELLS = {
    ended_by_the_bot: ("completed", "bot_completed", "contained", "Goodbye."),
    transferred: ("transfer", "transfer", "escalated", "I will connect you."),
    transferred_without_a_word: ("transfer", "transfer", "escalated", TOLD_TO_HAND_OVER),
    talked_too_long: ("max_duration", "max_duration", "escalated", TOLD_TO_HAND_OVER),
}


@pytest.mark.parametrize("scenario", FAREWELLS)
def test_the_farewell_is_heard_before_the_disconnect(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    assert played.report.disconnect is not None

    assert played.report.unplayed_ms == 0
    assert played.words[-1] == ("agent", FAREWELLS[scenario][3])
    assert not played.turns[-1]["interrupted"]
    assert played.report.disconnect.at_ms >= played.report.timeline[-1].end_ms


@pytest.mark.parametrize("scenario", FAREWELLS)
def test_the_disconnect_carries_every_output_variable(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    assert played.report.disconnect is not None
    outputs = played.report.disconnect.output_variables

    assert outputs.keys() == OUTPUTS
    assert outputs["BOT_STATUS"] == FAREWELLS[scenario][0]
    assert played.ended["output_variables"] == outputs


@pytest.mark.parametrize("scenario", FAREWELLS)
def test_an_end_of_ours_has_its_reason_and_disposition(outcome_of: Outcomes, scenario):
    ended = outcome_of(scenario).ended

    assert (ended["end_reason"], ended["disposition"]) == FAREWELLS[scenario][1:3]
    assert outcome_of(scenario).report.close_reason == "disconnect"


def test_what_the_model_wrote_for_the_person_is_handed_over(outcome_of: Outcomes):
    disconnect = outcome_of(transferred).report.disconnect

    assert disconnect is not None
    assert disconnect.output_variables["TRANSFER_REASON"] == "asked"
    assert disconnect.output_variables["SUMMARY"] == "Wants person"


def test_the_cap_ends_the_call_soon_after_its_time(outcome_of: Outcomes):
    report = outcome_of(talked_too_long).report
    farewell = report.timeline[-1]

    assert report.disconnect is not None
    assert 2_000 <= farewell.start_ms < 2_800
    assert report.disconnect.at_ms < farewell.end_ms + 500


# Complaints, ours and theirs.


def test_a_caller_who_asks_to_slow_down_still_hears_everything(outcome_of: Outcomes):
    played = outcome_of(told_to_slow_down)

    assert played.turns[-1]["text"] == "The weather will be sunny tomorrow, with a little wind."
    assert not played.turns[-1]["interrupted"]
    assert played.ended["transport"]["rate_limited"] == 1
    assert played.ended["errors"] == ["client_429"]


def test_nothing_is_sent_for_the_time_that_was_asked_for(outcome_of: Outcomes):
    frames_before, frames_after = outcome_of(told_to_slow_down).notes["frames"]

    assert frames_after <= frames_before + 1  # one may have been on its way


def test_the_third_complaint_ends_the_call(outcome_of: Outcomes):
    played = outcome_of(told_to_slow_down_too_often)

    assert played.report.disconnect is not None
    assert played.report.disconnect.output_variables["BOT_STATUS"] == "rate_limited"
    assert (played.ended["end_reason"], played.ended["disposition"]) == ("rate_limited", "failed")


def test_a_caller_who_breaks_the_protocol_is_told_and_recorded(outcome_of: Outcomes):
    played = outcome_of(caller_breaks_the_protocol)

    assert played.report.disconnect is not None
    assert (played.report.disconnect.reason, played.report.disconnect.info) == ("error", "seq")
    assert (played.ended["end_reason"], played.ended["disposition"]) == ("protocol_error", "failed")
