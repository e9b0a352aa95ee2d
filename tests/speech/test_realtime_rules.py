"""The rules of a Realtime conversation (specification 7 to 10), without a socket or a clock."""

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    SpeechError,
    Usage,
)
from service.speech.realtime_errors import FIRST_RETRY_S, LONGEST_RETRY_S, MAX_RETRIES
from service.speech.realtime_patience import CREATE_DEADLINE_S, SILENCE_DEADLINE_S
from tests.plain_bot import PLAIN_BOT
from tests.speech.talk import BUSY, FORMAT, PCMU, RATE_LIMITED, Talk, heard

FATAL_CODES = [
    "account_deactivated",
    "beta_api_shape_disabled",
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_model",
    "missing_model",
    "model_not_found",
]
# 7.1, 7.2: turns.


def test_a_spoken_turn_becomes_events_in_the_order_of_the_wire(talk):
    events = talk.caller_speaks("U1")
    events += talk.gets("input_audio_buffer.speech_stopped", item_id="U1", audio_end_ms=3904)
    events += talk.gets("input_audio_buffer.committed", item_id="U1", previous_item_id=None)
    events += talk.gets("conversation.item.added", item={"id": "U1", "type": "message"})
    events += talk.created("R1")
    events += talk.gets("response.output_item.added", response_id="R1", item={"id": "A1"})
    events += talk.words("R1", "A1", "Good ")
    events += talk.audio("R1", "A1")
    events += talk.audio_done("R1", "A1")
    events += talk.words_done("R1", "A1", "Good morning")
    events += talk.item_done("R1", id="A1", type="message", status="completed")
    events += talk.done("R1", usage={"total_tokens": 253})
    events += talk.gets("rate_limits.updated", rate_limits=[])

    assert events == [
        CallerSpeechStarted("U1", 2148),
        CallerSpeechStopped("U1", 3904),
        AgentTranscript("A1", "Good ", is_final=False),
        AgentAudio("A1", PCMU),
        AgentAudioDone("A1"),
        AgentTranscript("A1", "Good morning", is_final=True),
        Usage({"response.total_tokens": 253}),
        AgentTurnDone(),
    ]
    assert talk.sends() == []


def test_say_adds_a_system_item_at_the_tail_and_asks_for_a_response(talk):
    talk.rules.say("Greet the caller.", talk.now)

    item, create = talk.sends()
    assert item["type"] == "conversation.item.create"
    assert item["item"] == {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Greet the caller."}],
    }
    assert "previous_item_id" not in item
    assert create["type"] == "response.create"
    assert create["response"].keys() == {"metadata"}


def test_say_without_tools_forbids_them_for_that_response(talk):
    talk.rules.say("Goodbye.", talk.now, may_use_tools=False)

    assert talk.sends()[-1]["response"]["tool_choice"] == "none"


def test_caller_text_is_a_user_item_and_asks_for_a_response(talk):
    talk.rules.add_text("The caller pressed 4.", "caller", talk.now, wants_reply=True)

    item, create = talk.sends()
    assert item["item"]["role"] == "user"
    assert item["item"]["content"] == [{"type": "input_text", "text": "The caller pressed 4."}]
    assert create["type"] == "response.create"


@pytest.mark.parametrize(
    ("speaker", "role"), [("caller", "user"), ("agent", "assistant"), ("system", "system")]
)
def test_a_text_that_wants_no_reply_is_only_added(talk, speaker, role):
    talk.rules.add_text("The line was paused.", speaker, talk.now, wants_reply=False)

    (item,) = talk.sends()
    assert item["item"]["role"] == role
    assert talk.waits_s() == math.inf


def test_event_ids_are_never_reused(talk):
    talk.says()
    talk.done("R1")
    talk.rules.add_text("1", "caller", talk.now, wants_reply=True)
    talk.rules.interrupt([heard("A1", 0), heard("A2", 10)])
    first = talk.says
    ids = [event["event_id"] for event in talk.sends()] + [first()["event_id"]]

    assert len(set(ids)) == len(ids)


def test_several_audio_items_of_one_response_stay_apart(talk):
    talk.created("R1")

    events = talk.audio("R1", "A1", b"\x01") + talk.audio_done("R1", "A1")
    events += talk.audio("R1", "A2", b"\x02") + talk.audio_done("R1", "A2")
    events += talk.words_done("R1", "A1", "One moment.") + talk.words_done("R1", "A2", "It ships.")
    events += talk.done("R1")

    assert events == [
        AgentAudio("A1", b"\x01"),
        AgentAudioDone("A1"),
        AgentAudio("A2", b"\x02"),
        AgentAudioDone("A2"),
        AgentTranscript("A1", "One moment.", is_final=True),
        AgentTranscript("A2", "It ships.", is_final=True),
        AgentTurnDone(),
    ]


def test_a_turn_without_speech_says_so(talk):
    talk.created("R1")

    assert talk.done("R1") == [AgentTurnDone()]


def test_a_response_cut_by_its_token_limit_still_closes_its_items(talk):
    talk.created("R1")
    talk.words("R1", "A1", "Your order ")
    talk.words("R1", "A1", "was")
    talk.audio("R1", "A1")

    events = talk.done("R1", "incomplete", status_details={"reason": "max_output_tokens"})

    assert events == [
        AgentTranscript("A1", "Your order was", is_final=True),
        AgentAudioDone("A1"),
        AgentTurnDone(),
    ]


# 7.6: transcripts of the caller.


def test_caller_words_may_come_after_the_answer_and_out_of_order(talk):
    kind = "conversation.item.input_audio_transcription.completed"
    talk.created("R1")
    talk.done("R1")

    events = talk.gets(kind, item_id="U2", transcript="second")
    events += talk.gets(kind, item_id="U1", transcript="first", usage={"seconds": 3})

    assert events == [
        CallerTranscript("U2", "second"),
        CallerTranscript("U1", "first"),
        Usage({"transcription.seconds": 3}),
    ]


@pytest.mark.parametrize("fields", [{}, {"transcript": None}, {"transcript": ""}])
def test_a_caller_turn_without_words_has_an_empty_transcript(talk, fields):
    kind = "conversation.item.input_audio_transcription.completed"

    assert talk.gets(kind, item_id="U1", **fields) == [CallerTranscript("U1", "")]


def test_a_failed_transcription_ends_the_turn_without_words(talk):
    kind = "conversation.item.input_audio_transcription.failed"
    error = {"type": "transcription_error", "code": "audio_unintelligible"}

    assert talk.gets(kind, item_id="U1", error=error) == [CallerTranscript("U1", None)]


@pytest.mark.parametrize(("at_ms", "expected"), [(None, 0), (12.0, 12), (12.9, 12)])
def test_the_caller_is_heard_even_when_the_offset_is_odd(talk, at_ms, expected):
    """Losing `speech_started` would let the agent talk on over the caller."""
    started = talk.gets("input_audio_buffer.speech_started", item_id="U1", audio_start_ms=at_ms)
    stopped = talk.gets("input_audio_buffer.speech_stopped", item_id="U1", audio_end_ms=at_ms)

    assert started == [CallerSpeechStarted("U1", expected)]
    assert stopped == [CallerSpeechStopped("U1", expected)]


# 7.3, 8.3, 9: interruption.


def test_late_audio_of_an_interrupted_response_is_dropped(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()

    assert talk.audio("R1", "A1") == []
    assert talk.audio_done("R1", "A1") == []
    assert talk.audio("R1", "A2") == []


def test_words_of_an_interrupted_response_still_count_for_the_transcript(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()

    assert talk.words_done("R1", "A1", "Your order") == [
        AgentTranscript("A1", "Your order", is_final=True)
    ]


def test_an_interrupted_response_closes_its_words_but_not_its_audio(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.words("R1", "A1", "Your")
    talk.caller_speaks()

    assert talk.cancelled("R1") == [
        AgentTranscript("A1", "Your", is_final=True),
        AgentTurnDone(),
    ]


def test_the_answer_after_an_interruption_is_heard(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()
    talk.cancelled("R1")
    talk.created("R2")

    assert talk.audio("R2", "A2") == [AgentAudio("A2", PCMU)]


def test_a_response_that_the_server_cancelled_is_not_cancelled_again(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()

    talk.rules.interrupt([heard("A1", 700)])

    assert talk.sends_kinds() == ["conversation.item.truncate"]


def test_an_interruption_that_is_not_the_servers_doing_cancels_by_id_once(talk):
    talk.created("R1")
    talk.audio("R1", "A1")

    talk.rules.interrupt([heard("A1", 700)])
    talk.rules.interrupt([])

    cancel, truncate = talk.sends()
    assert cancel["type"] == "response.cancel"
    assert cancel["response_id"] == "R1"
    assert truncate["type"] == "conversation.item.truncate"
    assert talk.audio("R1", "A1") == []


def test_nothing_is_cancelled_when_no_response_is_alive(talk):
    talk.created("R1")
    talk.done("R1")

    talk.rules.interrupt([])

    assert talk.sends() == []


def test_a_cancel_that_came_too_late_is_harmless(talk):
    talk.created("R1")
    talk.rules.interrupt([])
    cancel = talk.sends()[0]

    talk.error("response_cancel_not_active", cancel["event_id"])

    assert talk.rules.ignored_errors == 1
    assert talk.done("R1") == [AgentTurnDone()]


def test_an_item_heard_in_part_is_truncated_where_the_caller_stopped_hearing(talk):
    talk.rules.interrupt([heard("A1", 1480, 9000)])

    (truncate,) = talk.sends()
    assert truncate["type"] == "conversation.item.truncate"
    assert truncate["item_id"] == "A1"
    assert truncate["content_index"] == 0
    assert truncate["audio_end_ms"] == 1480


def test_a_truncation_never_exceeds_the_audio_that_was_received(talk):
    """More is refused: "Audio content of 9250ms is already shorter than 57340ms" (8.2)."""
    talk.rules.interrupt([heard("A1", 57340, 9250, is_complete=False)])

    assert talk.sends()[0]["audio_end_ms"] == 9250


def test_all_heard_so_far_of_an_unfinished_item_is_truncated_there(talk):
    talk.rules.interrupt([heard("A1", 900, 900, is_complete=False)])

    assert talk.sends()[0]["audio_end_ms"] == 900


def test_an_item_heard_in_full_is_left_alone(talk):
    talk.rules.interrupt([heard("A1", 900, 900)])

    assert talk.sends() == []


def test_an_unheard_item_of_a_finished_response_is_deleted_at_once(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.done("R1")
    talk.caller_speaks()

    talk.rules.interrupt([heard("A1", 0)])

    (delete,) = talk.sends()
    assert delete["type"] == "conversation.item.delete"
    assert delete["item_id"] == "A1"


def test_unheard_items_of_a_live_response_are_deleted_after_its_end(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.audio("R1", "A2")
    talk.audio("R1", "A3")
    talk.caller_speaks()

    talk.rules.interrupt([heard("A1", 300), heard("A2", 0), heard("A3", 0)])
    before = talk.sends_kinds()
    talk.cancelled("R1")
    after = talk.sends()

    assert before == ["conversation.item.truncate"]
    assert [(event["type"], event["item_id"]) for event in after] == [
        ("conversation.item.delete", "A2"),
        ("conversation.item.delete", "A3"),
    ]


def test_an_item_whose_audio_all_came_too_late_is_deleted_too(talk):
    """The caller was never given any of it: it must not stay in the model's memory."""
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()
    talk.rules.interrupt([heard("A1", 300)])
    talk.sends()
    talk.audio("R1", "A2")
    talk.words_done("R1", "A2", "Your order ships tomorrow.")

    talk.cancelled("R1")

    (delete,) = talk.sends()
    assert (delete["type"], delete["item_id"]) == ("conversation.item.delete", "A2")


def test_function_calls_of_an_interrupted_response_are_never_deleted(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.call("R1", "call_1", id="F1")
    talk.call("R1", "call_2", id="F2", status="incomplete")
    talk.caller_speaks()

    talk.rules.interrupt([heard("A1", 0)])
    talk.cancelled("R1")

    assert [event["item_id"] for event in talk.sends()] == ["A1"]


def test_a_complete_response_keeps_items_without_audio(talk):
    talk.created("R1")
    talk.words_done("R1", "A1", "Only words.")

    talk.done("R1")

    assert talk.sends() == []


@given(
    items=st.lists(
        st.tuples(st.integers(0, 9_000), st.integers(0, 9_000), st.booleans()), max_size=5
    ),
    is_server_first=st.booleans(),
    is_over=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_item_is_truncated_deleted_or_left_by_what_was_heard(items, is_server_first, is_over):
    talk = Talk()
    reports = [heard(f"A{n}", min(h, r), r, is_complete=c) for n, (h, r, c) in enumerate(items)]
    talk.created("R1")
    for report in reports:
        talk.audio("R1", report.item_id)
    if is_over:
        talk.done("R1")
    if is_server_first:
        talk.caller_speaks()

    talk.rules.interrupt(reports)
    if not is_over:
        talk.done("R1")

    told = {event["item_id"]: event for event in talk.sends() if "item_id" in event}
    for report in reports:
        event = told.pop(report.item_id, None)
        if report.heard_ms == 0:
            assert event
            assert event["type"] == "conversation.item.delete"
        elif report.is_complete and report.heard_ms == report.received_ms:
            assert event is None
        else:
            assert event
            assert event["audio_end_ms"] == report.heard_ms
    assert told == {}


# 9: one response at a time.


def test_only_one_response_is_owed_while_one_is_alive(talk):
    talk.created("R1")
    talk.rules.add_text("1", "caller", talk.now, wants_reply=True)
    talk.rules.add_text("2", "caller", talk.now, wants_reply=True)
    during = talk.sends_kinds()

    ended = talk.done("R1")

    assert during == ["conversation.item.create"] * 2
    assert talk.sends_kinds() == ["response.create"]
    assert ended == []


def test_an_owed_response_is_created_once(talk):
    talk.created("R1")
    talk.rules.add_text("1", "caller", talk.now, wants_reply=True)
    talk.done("R1")
    talk.created("R2", talk.sends()[-1])

    assert talk.done("R2") == [AgentTurnDone()]
    assert talk.sends() == []


def test_a_response_is_owed_while_another_was_asked_for(talk):
    create = talk.says("Greet.")
    talk.rules.say("Announce.", talk.now, may_use_tools=False)
    during = talk.sends_kinds()
    talk.created("R1", create)
    talk.done("R1")

    (owed,) = talk.sends()
    assert during == ["conversation.item.create"]
    assert owed["response"]["tool_choice"] == "none"
    assert owed["event_id"] != create["event_id"]


def test_a_refusal_because_another_response_is_alive_is_owed_until_its_end(talk):
    create = talk.says()
    talk.created("R1")
    talk.error(BUSY, create["event_id"])
    during = talk.sends()

    ended = talk.done("R1")

    assert during == []
    assert talk.sends_kinds() == ["response.create"]
    assert ended == []


def test_a_busy_refusal_that_names_no_event_is_taken_as_ours(talk):
    """`error.event_id` is sometimes null (9, rule 1)."""
    talk.says()
    talk.created("R1")
    talk.error(BUSY, None)

    talk.done("R1")

    assert talk.sends_kinds() == ["response.create"]


def test_a_response_that_the_server_refused_itself_is_owed_too(talk):
    """Its automatic answer to a caller turn came while ours was alive: nobody would answer."""
    create = talk.says()
    talk.created("R1", create)
    talk.error(BUSY, None)

    talk.done("R1")

    assert talk.sends_kinds() == ["response.create"]


def test_a_busy_refusal_without_a_known_response_is_tried_again_later(talk):
    create = talk.says()
    talk.error(BUSY, create["event_id"])
    talk.passes(FIRST_RETRY_S - 0.01)
    early = talk.sends()

    talk.passes(0.02)

    assert early == []
    assert talk.sends_kinds() == ["response.create"]


def test_a_refused_response_is_tried_again_as_it_was_asked_for(talk):
    talk.rules.say("Goodbye.", talk.now, may_use_tools=False)
    create = talk.sends()[-1]
    talk.error("server_error", create["event_id"])

    talk.passes(FIRST_RETRY_S)

    (again,) = talk.sends()
    assert again["response"]["tool_choice"] == "none"
    assert again["response"]["metadata"] != create["response"]["metadata"]


def test_a_response_refused_again_and_again_ends_the_conversation(talk):
    create = talk.says()
    for _ in range(MAX_RETRIES):
        talk.error("server_error", create["event_id"])
        talk.passes(FIRST_RETRY_S)
        (create,) = talk.sends()

    with pytest.raises(SpeechError) as failure:
        talk.error("server_error", create["event_id"])

    assert (failure.value.code, failure.value.retryable) == ("response_refused", True)


def test_a_response_of_the_servers_own_making_does_not_settle_ours(talk):
    create = talk.says()
    talk.created("R1")
    talk.error(BUSY, create["event_id"])
    talk.done("R1")
    (again,) = talk.sends()
    talk.created("R2", again)

    assert talk.audio("R2", "A2") == [AgentAudio("A2", PCMU)]
    assert talk.done("R2")[-1] == AgentTurnDone()


@pytest.mark.parametrize("metadata", [None, {}, {"ask": None}, {"ask": "other"}])
def test_a_server_that_does_not_echo_metadata_is_tolerated(talk, metadata):
    talk.says()
    talk.gets("response.created", response={"id": "R1", "metadata": metadata})
    talk.done("R1")

    assert talk.says("More.")["type"] == "response.create"


def test_an_end_without_a_beginning_settles_what_was_asked_for(talk):
    """`response.done` has been seen without `response.created` (6.5)."""
    talk.says()
    talk.audio("R1", "A1")

    ended = talk.done("R1")

    assert ended[-1] == AgentTurnDone()
    assert math.isinf(talk.waits_s())
    assert talk.says("More.")["type"] == "response.create"


def test_the_end_of_another_response_does_not_end_the_live_one(talk):
    talk.created("R1")

    assert talk.done("R_other", usage={"total_tokens": 7}) == [Usage({"response.total_tokens": 7})]
    talk.rules.add_text("1", "caller", talk.now, wants_reply=True)
    assert talk.sends_kinds() == ["conversation.item.create"]


# 7.8: rate limits and failures of a response.


def test_a_rate_limited_response_is_tried_again_after_the_time_it_names(talk):
    talk.created("R1")
    assert talk.failed("R1", RATE_LIMITED) == []

    assert talk.waits_s() == pytest.approx(6.1)
    talk.passes(6.0)
    assert talk.sends() == []
    talk.passes(0.2)
    assert talk.sends_kinds() == ["response.create"]


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [
        ("Please try again in 1.5s.", 1.5),
        ("Please try again in 250ms.", 0.25),
        ("Please try again in 3s", 3.0),
        ("Please try again in 0s.", FIRST_RETRY_S),
        ("Please try again later.", FIRST_RETRY_S),
        ("", FIRST_RETRY_S),
        (None, FIRST_RETRY_S),
    ],
)
def test_the_wait_is_parsed_from_the_message(talk, message, wait_s):
    talk.created("R1")
    talk.failed("R1", {**RATE_LIMITED, "message": message})

    assert talk.waits_s() == pytest.approx(wait_s)


@pytest.mark.parametrize("named", ["10.1s", "1m12s", "7m12.5s", "2h3m", "9" * 400 + "s"])
def test_a_wait_too_long_for_a_caller_ends_the_conversation(talk, named):
    talk.created("R1")

    with pytest.raises(SpeechError) as failure:
        talk.failed("R1", {**RATE_LIMITED, "message": f"Please try again in {named}."})

    assert (failure.value.code, failure.value.retryable) == ("rate_limit_exceeded", True)
    assert LONGEST_RETRY_S < 10.1


def test_a_rate_limit_that_names_no_time_doubles_its_wait_three_times_at_most(talk):
    error = {"type": "invalid_request_error", "code": "inference_rate_limit_exceeded"}
    waits = []
    for n in range(MAX_RETRIES):
        talk.created(f"R{n}")
        talk.failed(f"R{n}", error)
        waits.append(talk.waits_s())
        talk.passes(waits[-1])
        assert talk.sends_kinds() == ["response.create"]
    talk.created("R9")

    with pytest.raises(SpeechError) as failure:
        talk.failed("R9", error)

    assert waits == pytest.approx([1.5, 3.0, 6.0])
    assert failure.value.code == "inference_rate_limit_exceeded"
    assert failure.value.retryable


def test_a_success_forgets_earlier_failures(talk):
    for n in range(MAX_RETRIES + 2):
        talk.created(f"R{n}")
        talk.failed(f"R{n}", {"code": "rate_limit_exceeded"})
        assert talk.waits_s() == pytest.approx(FIRST_RETRY_S)
        talk.passes(FIRST_RETRY_S)
        talk.created(f"S{n}", talk.sends()[-1])
        talk.done(f"S{n}")


@pytest.mark.parametrize(
    "details",
    [
        None,
        {"type": "failed"},
        {"type": "failed", "error": None},
        {"type": "failed", "error": {"code": None, "type": None, "message": None}},
        {"type": "failed", "error": {"type": "server_error", "code": None}},
    ],
)
def test_a_failure_without_a_rate_limit_is_tried_again_too(talk, details):
    talk.created("R1")
    talk.done("R1", "failed", status_details=details)
    talk.passes(FIRST_RETRY_S)

    assert talk.sends_kinds() == ["response.create"]


def test_a_fault_that_stays_has_a_word_of_ours(talk):
    """The vendor's own words stay inside: they may be anything."""
    for n in range(MAX_RETRIES):
        talk.created(f"R{n}")
        talk.failed(f"R{n}", {"code": "secret_words", "type": "server_error"})
        talk.passes(talk.waits_s())
    talk.created("R9")

    with pytest.raises(SpeechError) as failure:
        talk.failed("R9", {"code": "secret_words", "type": "server_error"})

    assert str(failure.value) == "response_failed"


@pytest.mark.parametrize("code", FATAL_CODES)
@pytest.mark.parametrize("field", ["code", "type"])
def test_a_fatal_failure_of_a_response_is_not_retryable(talk, code, field):
    """Code or type may say it (10)."""
    talk.created("R1")

    with pytest.raises(SpeechError) as failure:
        talk.failed("R1", {"type": "invalid_request_error", "code": "other", field: code})

    assert (failure.value.code, failure.value.retryable) == (code, False)


def test_the_caller_speaking_again_makes_the_retry_needless(talk):
    talk.created("R1")
    talk.failed("R1", RATE_LIMITED)
    talk.caller_speaks()

    talk.passes(20)

    assert talk.sends() == []


def test_a_response_that_begins_makes_the_retry_needless(talk):
    """Ours was on its way when the server's own failed: a retry would answer twice."""
    create = talk.says()
    talk.created("R1")
    talk.failed("R1", RATE_LIMITED)
    talk.created("R2", create)
    talk.done("R2")

    talk.passes(20)

    assert talk.sends() == []


def test_the_failure_of_an_interrupted_response_is_not_tried_again(talk):
    """The caller is speaking: the server will answer that turn."""
    talk.created("R1")
    talk.caller_speaks()
    talk.failed("R1", RATE_LIMITED)

    talk.passes(20)

    assert talk.sends() == []


def test_what_is_owed_waits_for_the_rate_limit_too(talk):
    talk.created("R1")
    talk.rules.say("Goodbye.", talk.now, may_use_tools=False)
    talk.sends()
    talk.failed("R1", RATE_LIMITED)
    at_once = talk.sends()

    talk.passes(6.2)

    (create,) = talk.sends()
    assert at_once == []
    assert create["response"]["tool_choice"] == "none"


# 10: errors.


@pytest.mark.parametrize("code", FATAL_CODES)
@pytest.mark.parametrize("field", ["code", "type"])
def test_a_fatal_error_is_not_retryable(talk, code, field):
    with pytest.raises(SpeechError) as failure:
        talk.error(**{"code": None, field: code})

    assert (failure.value.code, failure.value.retryable) == (code, False)


def test_an_expired_session_is_retryable(talk):
    with pytest.raises(SpeechError) as failure:
        talk.error("session_expired", message="Your session hit the maximum duration.")

    assert (failure.value.code, failure.value.retryable) == ("session_expired", True)


@pytest.mark.parametrize(
    "code",
    [
        None,
        "input_audio_buffer_commit_empty",
        "internal_error",
        "invalid_tool_call_id",
        "invalid_value",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
        "response_cancel_not_active",
        "server_error",
        "something_new",
        "unsupported_content_type",
        BUSY,
    ],
)
@pytest.mark.parametrize("event_id", [None, "c_1", "ask_99"])
def test_any_other_error_is_ignored(talk, code, event_id):
    talk.says()

    talk.error(code, event_id)

    assert talk.rules.ignored_errors == 1
    assert talk.sends() == []


def test_an_error_without_details_is_ignored(talk):
    assert talk.gets("error") == []
    assert talk.gets("error", error=None) == []


# 9, rule 8: watchdogs.


def test_nothing_is_awaited_in_the_beginning(talk):
    assert math.isinf(talk.waits_s())
    talk.passes(1e6)


def test_a_response_that_does_not_begin_in_time_ends_the_conversation(talk):
    talk.says()
    assert talk.waits_s() == CREATE_DEADLINE_S
    talk.passes(CREATE_DEADLINE_S - 0.01)

    with pytest.raises(SpeechError) as failure:
        talk.passes(0.02)

    assert (failure.value.code, failure.value.retryable) == ("model_silent", True)


def test_other_events_do_not_stand_in_for_the_response_that_was_asked_for(talk):
    talk.says()
    talk.now += CREATE_DEADLINE_S - 1
    talk.gets("conversation.item.added", item={"id": "U1"})

    with pytest.raises(SpeechError):
        talk.passes(1.1)


def test_a_live_response_without_any_event_ends_the_conversation(talk):
    talk.created("R1")
    assert talk.waits_s() == SILENCE_DEADLINE_S

    with pytest.raises(SpeechError, match="model_silent"):
        talk.passes(SILENCE_DEADLINE_S)


def test_any_event_is_a_sign_of_life_of_a_live_response(talk):
    talk.created("R1")
    talk.now += SILENCE_DEADLINE_S - 1
    talk.gets("response.function_call_arguments.delta", response_id="R1", delta="{")

    assert talk.waits_s() == SILENCE_DEADLINE_S


def test_a_silent_model_stays_silent(talk):
    talk.says()
    for _ in range(2):
        with pytest.raises(SpeechError, match="model_silent"):
            talk.passes(CREATE_DEADLINE_S)


def test_nothing_is_awaited_after_the_end_of_a_response(talk):
    talk.created("R1", talk.says())
    talk.done("R1")

    assert math.isinf(talk.waits_s())


def test_a_refusal_hands_the_watch_to_the_response_that_is_alive(talk):
    create = talk.says()
    talk.created("R1")
    talk.now += 5
    talk.error(BUSY, create["event_id"])

    assert talk.waits_s() == SILENCE_DEADLINE_S


# 13: usage.


def test_usage_is_flattened_by_dotted_name_and_nulls_are_left_out(talk):
    usage = {
        "total_tokens": 253,
        "input_tokens": None,
        "input_token_details": {
            "text_tokens": 119,
            "cached_tokens_details": {"audio_tokens": 0, "image_tokens": None},
            "odd": {},
        },
        "output_token_details": None,
        "kind": "tokens",
        "seconds": 2.5,
        "list": [1, 2],
    }

    events = talk.done("R1", usage=usage)

    assert events[0] == Usage(
        {
            "response.total_tokens": 253,
            "response.input_token_details.text_tokens": 119,
            "response.input_token_details.cached_tokens_details.audio_tokens": 0,
            "response.seconds": 2.5,
        }
    )


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": None}, {"details": {}}])
def test_a_response_without_usage_reports_none(talk, usage):
    assert talk.done("R1", usage=usage) == [AgentTurnDone()]


@pytest.mark.parametrize("depth", [*range(900, 1_001), 10_000, 200_000])
def test_a_nesting_bomb_harms_nobody(talk, depth):
    bomb = '{"a":' * depth + "1" + "}" * depth

    talk.gets_frame(f'{{"type":"response.done","response":{{"id":"R1","usage":{bomb}}}}}')
    talk.gets_frame(f'{{"type":"response.created","response":{{"id":"R1","metadata":{bomb}}}}}')
    talk.gets_frame(f'{{"type":"news","a":{bomb}}}')
    talk.gets_frame("[" * depth)


# Whatever a server sends.

SERVER_EVENTS: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"audio": {"input": {"format": {"type": "audio/pcm"}}}}},
    {"type": "session.updated", "session": {"audio": {"input": FORMAT, "output": FORMAT}}},
    {"type": "error", "error": {"code": "unknown_parameter", "event_id": "bot_1"}},
    {"type": "error", "error": {"type": "t", "code": BUSY, "message": "m", "event_id": "ask_2"}},
    {"type": "error", "error": {"type": "t", "code": "server_error", "event_id": None}},
    {"type": "input_audio_buffer.speech_started", "item_id": "U1", "audio_start_ms": 5},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "U1", "audio_end_ms": 9},
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "U1",
        "transcript": "hi",
        "usage": {"type": "tokens", "input_token_details": {"audio_tokens": 13}},
    },
    {"type": "conversation.item.input_audio_transcription.failed", "item_id": "U1", "error": {}},
    {"type": "response.created", "response": {"id": "R1", "metadata": {"ask": "ask_2"}}},
    {"type": "response.created", "response": {"id": "R2", "metadata": None}},
    {"type": "response.output_audio.delta", "response_id": "R1", "item_id": "A1", "delta": "//7+"},
    {"type": "response.output_audio.done", "response_id": "R1", "item_id": "A1"},
    {
        "type": "response.output_audio_transcript.delta",
        "response_id": "R1",
        "item_id": "A1",
        "delta": "Good ",
    },
    {
        "type": "response.output_audio_transcript.done",
        "response_id": "R1",
        "item_id": "A2",
        "transcript": "Good morning",
    },
    {
        "type": "response.output_item.done",
        "response_id": "R1",
        "item": {
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "look_up",
            "arguments": "{}",
        },
    },
    {
        "type": "response.output_item.done",
        "response_id": "R1",
        "item": {"type": "mcp_call", "id": "M1", "server_label": "crm", "name": "read"},
    },
    {
        "type": "response.output_item.done",
        "response_id": "R2",
        "item": {"type": "mcp_approval_request", "id": "Q1", "server_label": "crm", "name": "x"},
    },
    {
        "type": "response.done",
        "response": {
            "id": "R1",
            "status": "failed",
            "status_details": {"type": "failed", "error": RATE_LIMITED},
            "usage": {"total_tokens": 1, "input_token_details": {"cached_tokens": 64}},
        },
    },
    {"type": "response.done", "response": {"id": "R2", "status": "completed", "usage": None}},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else ()
    return [path, *(found for key, inner in children for found in _paths(inner, (*path, key)))]


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A server event, as it should be or with a value changed, a key lost or the tail cut off."""
    event = copy.deepcopy(draw(st.sampled_from(SERVER_EVENTS)))
    change = draw(st.sampled_from(["none", "none", "value", "lose", "add", "cut"]))
    *way, key = draw(st.sampled_from(_paths(event)[1:]))
    parent = event
    for step in way:
        parent = parent[step]
    if change == "value":
        parent[key] = draw(JSON)
    elif change == "lose":
        del parent[key]
    elif change == "add":
        parent["news"] = draw(JSON)
    frame = json.dumps(event, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    return frame[: draw(st.integers(0, len(frame)))] if change == "cut" else frame


COMMANDS = st.sampled_from(["say", "text", "answer", "interrupt", "change", "forget", "poll"])


def _obey(talk: Talk, command: str) -> None:
    match command:
        case "say":
            talk.rules.say("Speak.", talk.now)
        case "text":
            talk.rules.add_text("4", "caller", talk.now, wants_reply=True)
        case "answer":
            talk.answers("call_1", then_say="Goodbye.")
        case "interrupt":
            talk.rules.interrupt([heard("A1", 10), heard("A2", 0)])
        case "change":
            talk.rules.change_bot(PLAIN_BOT)
        case "forget":
            talk.rules.forget_caller(talk.now)
        case _:
            talk.passes(2.0)


@given(st.lists(frames() | COMMANDS | st.binary(max_size=30), max_size=25))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_nothing_but_a_speech_error_is_raised_and_all_we_send_is_valid(steps):
    talk = Talk()

    for step in steps:
        try:
            if isinstance(step, str):
                _obey(talk, step)
            else:
                talk.gets_frame(step)
        except SpeechError as error:
            assert error.code.isidentifier()
            break

    talk.sends()


@given(st.lists(st.sampled_from(SERVER_EVENTS) | COMMANDS, max_size=40))
@settings(max_examples=150, deadline=None)
def test_never_is_a_response_asked_for_while_one_is_known_to_be_alive(steps):
    talk = Talk()
    alive: str | None = None

    for step in steps:
        try:
            if isinstance(step, str):
                _obey(talk, step)
            else:
                talk.gets_frame(json.dumps(step))
        except SpeechError:
            break
        if isinstance(step, dict) and step["type"] == "response.created":
            alive = step["response"]["id"]
        elif isinstance(step, dict) and step["type"] == "response.done":
            alive = None if alive == step["response"]["id"] else alive
        creates = talk.sends_kinds().count("response.create")
        assert creates <= (0 if alive else 1)


# 7.8: what a repeated thing must keep.


def test_a_retry_after_a_failed_response_keeps_its_options(talk):
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    create = talk.sends()[-1]
    talk.created("R1", create)
    talk.failed("R1", {"code": "server_error"})

    talk.passes(FIRST_RETRY_S)

    assert talk.sends()[-1]["response"]["tool_choice"] == "none"


def test_words_that_utf8_cannot_say_are_sent_all_the_same(talk):
    talk.rules.add_text("a\ud800b", "caller", talk.now, wants_reply=True)

    assert talk.sends()[0]["item"]["content"][0]["text"] == "a?b"


# A model that owes an answer and gives none.


def test_an_answer_that_never_begins_is_a_silent_model(talk):
    talk.caller_speaks()
    talk.caller_stops()

    with pytest.raises(SpeechError, match="model_silent"):
        talk.passes(CREATE_DEADLINE_S)


def test_a_caller_who_goes_on_speaking_is_owed_nothing_yet(talk):
    talk.caller_speaks("U1")
    talk.caller_stops()
    talk.caller_speaks("U2")

    assert talk.waits_s() == math.inf


def test_a_response_whose_beginning_was_lost_is_watched_too(talk):
    talk.audio("R1", "A1")
    talk.audio("R1", "A1")

    assert talk.waits_s() == SILENCE_DEADLINE_S


def test_what_comes_after_the_end_of_a_response_is_dropped(talk):
    talk.created("R1")
    talk.done("R1")

    assert talk.audio("R1", "A1") == []
    assert talk.waits_s() == math.inf


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_an_answer_that_was_cut_before_its_first_word_is_explained(talk, reason):
    talk.created("R1")

    details = {"type": "incomplete", "reason": reason}
    talk.done("R1", "incomplete", status_details=details)

    item, create = talk.sends()
    assert "cannot answer" in item["item"]["content"][0]["text"]
    assert create["response"]["tool_choice"] == "none"


def test_an_explanation_that_is_cut_as_well_is_not_explained_again(talk):
    details = {"type": "incomplete", "reason": "content_filter"}
    talk.created("R1")
    talk.done("R1", "incomplete", status_details=details)
    talk.created("R2", talk.sends()[-1])

    events = talk.done("R2", "incomplete", status_details=details)

    assert talk.sends() == []
    assert events == [AgentTurnDone()]


def test_an_answer_that_was_cut_after_a_function_call_waits_for_its_result(talk):
    talk.created("R1")
    talk.call("R1", "call_1")

    details = {"type": "incomplete", "reason": "max_output_tokens"}
    talk.done("R1", "incomplete", status_details=details)

    assert talk.sends() == []
