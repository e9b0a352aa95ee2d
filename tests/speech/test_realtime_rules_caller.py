"""While the caller speaks: the server answers at the end of the turn, we ask for nothing."""

import math

import pytest

from service.speech.port import AgentAudio, AgentTurnDone, CallerSpeechStopped, ToolCall
from service.speech.realtime_errors import FIRST_RETRY_S
from service.speech.realtime_patience import CREATE_DEADLINE_S
from tests.speech.talk import BUSY, PCMU, RATE_LIMITED, heard


def test_nothing_is_asked_for_while_the_caller_speaks(talk):
    talk.caller_speaks()

    talk.rules.add_text("The caller pressed 4.", "caller", talk.now, wants_reply=True)

    assert talk.sends_kinds() == ["conversation.item.create"]


def test_what_was_owed_is_answered_by_the_server_at_the_end_of_the_callers_turn(talk):
    talk.created("R1")
    talk.rules.add_text("The caller pressed 4.", "caller", talk.now, wants_reply=True)
    talk.caller_speaks()
    talk.sends()

    talk.cancelled("R1")

    assert talk.sends() == []


def test_a_response_asked_for_before_the_caller_spoke_is_cancelled_and_never_heard(talk):
    create = talk.says()
    talk.caller_speaks()

    talk.created("R1", create)

    assert talk.sends()[-1] | {"event_id": ""} == {
        "type": "response.cancel",
        "response_id": "R1",
        "event_id": "",
    }
    assert talk.audio("R1", "A1") == []


@pytest.mark.parametrize("ends", ["stopped", "created"])
def test_after_the_callers_turn_responses_are_asked_for_again(talk, ends):
    talk.caller_speaks()
    if ends == "stopped":
        talk.caller_stops()
    else:  # the end of the turn was never told, but its answer begins
        talk.created("R1")
        talk.done("R1")

    assert talk.says()["type"] == "response.create"


@pytest.mark.parametrize("is_end_told", [True, False])
def test_what_was_owed_is_not_said_on_top_of_the_servers_own_answer(talk, is_end_told):
    talk.caller_speaks()
    talk.rules.say("Say that you are still looking.", talk.now)
    if is_end_told:
        talk.caller_stops()
    talk.created("R1")
    talk.audio("R1", "A1")

    ended = talk.done("R1")

    assert talk.sends_kinds() == ["conversation.item.create"]
    assert ended[-1] == AgentTurnDone()


def test_a_result_that_comes_while_the_caller_speaks_is_told_and_left_to_the_servers_answer(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.caller_speaks()

    talk.answers("call_1", '{"status":"shipped"}')
    (output,) = talk.sends()
    talk.caller_stops()
    talk.created("R2")

    assert output["item"]["output"] == '{"status":"shipped"}'
    assert talk.done("R2") == [AgentTurnDone()]
    assert talk.sends() == []


def test_a_turn_is_not_over_while_words_are_owed_to_a_caller_who_speaks(talk):
    """Whoever waits for the farewell would hang up before it was said."""
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    talk.caller_speaks()

    cancelled = talk.cancelled("R1")
    talk.caller_stops()
    talk.created("R2")

    assert AgentTurnDone() not in cancelled
    assert talk.done("R2") == [AgentTurnDone()]


def test_a_turn_is_not_over_while_the_words_asked_for_were_cancelled_at_their_beginning(talk):
    create = talk.says("Say goodbye.")
    talk.caller_speaks()
    talk.created("R1", create)

    cancelled = talk.cancelled("R1")
    talk.caller_stops()
    talk.created("R2")

    assert cancelled == []
    assert talk.done("R2") == [AgentTurnDone()]
    assert "response.create" not in talk.sends_kinds()


def test_a_refusal_while_the_caller_speaks_is_not_tried_again_after_the_turn(talk):
    create = talk.says()
    talk.caller_speaks()
    talk.error("server_error", create["event_id"])

    talk.caller_stops()
    talk.passes(FIRST_RETRY_S)

    assert talk.sends() == []


def test_an_answer_of_the_server_that_it_refused_itself_is_asked_for_after_ours(talk):
    """Our create came first: the automatic one is refused and names no event of ours (4.2)."""
    create = talk.says()
    talk.caller_speaks()
    talk.created("R1", create)
    talk.caller_stops()
    talk.error(BUSY, None)
    before = talk.sends_kinds()

    cancelled = talk.cancelled("R1")

    assert before == ["response.cancel"]
    assert talk.sends_kinds() == ["response.create"]
    assert AgentTurnDone() not in cancelled


# The line is paused for secrecy: the unfinished turn is forgotten, and nobody will answer it.


def test_forgetting_clears_what_the_server_has_of_the_turn(talk):
    talk.caller_speaks()

    talk.rules.forget_caller(talk.now)

    assert talk.sends_kinds() == ["input_audio_buffer.clear"]
    assert talk.waits_s() == math.inf


def test_forgetting_asks_for_nothing_when_nobody_speaks_and_nothing_is_owed(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.rules.forget_caller(talk.now)

    events = talk.audio("R1", "A1") + talk.done("R1")

    assert talk.sends_kinds() == ["input_audio_buffer.clear"]
    assert events[0] == AgentAudio("A1", PCMU)
    assert events[-1] == AgentTurnDone()


def test_after_forgetting_the_model_may_be_asked_again(talk):
    talk.caller_speaks()
    talk.rules.forget_caller(talk.now)

    assert talk.says()["type"] == "response.create"


def test_what_was_owed_to_a_forgotten_turn_is_asked_for(talk):
    talk.caller_speaks()
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    talk.sends()

    talk.rules.forget_caller(talk.now)

    clear, create = talk.sends()
    assert clear["type"] == "input_audio_buffer.clear"
    assert create["response"]["tool_choice"] == "none"
    talk.created("R1", create)
    assert talk.done("R1") == [AgentTurnDone()]
    assert talk.sends() == []


def test_a_result_owed_to_a_forgotten_turn_is_spoken_about(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.caller_speaks()
    talk.answers("call_1")
    talk.sends()

    talk.rules.forget_caller(talk.now)

    assert talk.sends_kinds() == ["input_audio_buffer.clear", "response.create"]


def test_what_is_owed_still_waits_for_the_response_that_the_forgotten_turn_cut_off(talk):
    talk.created("R1")
    talk.rules.say("Announce.", talk.now)
    talk.caller_speaks()
    talk.sends()

    talk.rules.forget_caller(talk.now)
    before = talk.sends_kinds()
    talk.cancelled("R1")

    assert before == ["input_audio_buffer.clear"]
    assert talk.sends_kinds() == ["response.create"]


def test_forgetting_does_not_ask_a_second_time_while_a_create_is_under_way(talk):
    create = talk.says()
    talk.caller_speaks()

    talk.rules.forget_caller(talk.now)

    assert talk.sends_kinds() == ["input_audio_buffer.clear"]
    talk.created("R1", create)
    assert talk.audio("R1", "A1") == [AgentAudio("A1", PCMU)]
    assert talk.done("R1")[-1] == AgentTurnDone()


def test_a_create_that_a_forgotten_turn_had_cancelled_is_asked_for_again(talk):
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    create = talk.sends()[-1]
    talk.caller_speaks()
    talk.created("R1", create)
    talk.cancelled("R1")
    talk.sends()

    talk.rules.forget_caller(talk.now)

    assert talk.sends()[-1]["response"]["tool_choice"] == "none"


@pytest.mark.parametrize("is_over_first", [True, False])
def test_words_that_had_begun_and_were_not_heard_are_asked_for_again(talk, is_over_first):
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    talk.created("R1", talk.sends()[-1])
    talk.caller_speaks()
    ended = talk.cancelled("R1") if is_over_first else []
    talk.rules.forget_caller(talk.now)
    if not is_over_first:
        ended = talk.cancelled("R1")

    creates = [event for event in talk.sends() if event["type"] == "response.create"]
    assert [create["response"]["tool_choice"] for create in creates] == ["none"]
    assert ended == []


@pytest.mark.parametrize("why", ["heard", "the_servers_own", "cut_by_us", "calls"])
def test_no_other_response_that_a_forgotten_turn_cut_off_is_asked_for_again(talk, why):
    talk.created("R1", None if why == "the_servers_own" else talk.says())
    if why == "heard":
        talk.audio("R1", "A1")
    if why == "cut_by_us":
        talk.rules.interrupt([])
    if why == "calls":  # its answer asks for the next response
        talk.call("R1", "call_1")
    talk.caller_speaks()
    talk.cancelled("R1")

    talk.rules.forget_caller(talk.now)

    assert "response.create" not in talk.sends_kinds()


def test_what_was_owed_before_is_not_lost_over_a_response_of_the_servers_own(talk):
    talk.created("R1")
    talk.rules.add_text("The caller pressed 4.", "caller", talk.now, wants_reply=True)
    talk.caller_speaks()
    talk.cancelled("R1")

    talk.rules.forget_caller(talk.now)

    assert talk.sends_kinds().count("response.create") == 1


def test_the_watch_goes_on_over_a_create_that_is_under_way(talk):
    talk.says()
    talk.caller_speaks()
    talk.rules.forget_caller(talk.now)

    assert talk.waits_s() == CREATE_DEADLINE_S


def test_a_turn_that_was_to_be_answered_later_is_not_forgotten_with_the_next_one(talk):
    """The answer to U0 met a rate limit, and U1, which made the retry needless, is forgotten."""
    talk.created("R1")
    talk.failed("R1", RATE_LIMITED)
    talk.caller_speaks()

    talk.rules.forget_caller(talk.now)

    assert talk.sends_kinds() == ["input_audio_buffer.clear", "response.create"]


def test_forgetting_does_not_shorten_the_wait_of_a_rate_limit(talk):
    talk.rules.say("Goodbye.", talk.now, may_use_tools=False)
    talk.created("R1", talk.sends()[-1])
    talk.failed("R1", RATE_LIMITED)

    talk.rules.forget_caller(talk.now)
    before = talk.sends_kinds()
    talk.passes(6.2)

    assert before == ["input_audio_buffer.clear"]
    assert talk.sends()[-1]["response"]["tool_choice"] == "none"


def test_a_turn_that_ended_before_it_could_be_forgotten_is_answered_by_the_server(talk):
    """Its end and our `clear` crossed on the way: the refused create is owed, and asked once."""
    talk.caller_speaks()
    talk.rules.say("Announce.", talk.now)
    talk.sends()
    talk.rules.forget_caller(talk.now)
    _, create = talk.sends()

    stopped = talk.caller_stops()
    talk.created("R1")
    talk.error(BUSY, create["event_id"])
    talk.done("R1")

    assert stopped == [CallerSpeechStopped("U1", 3904)]
    assert talk.sends_kinds() == ["response.create"]


def test_functions_of_a_response_that_the_caller_cut_off_still_run(talk):
    talk.created("R1")
    talk.caller_speaks()

    assert talk.call("R1", "call_1") == [ToolCall("call_1", "look_up", '{"id":"42"}')]


def test_a_late_report_of_what_was_heard_asks_for_nothing(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    talk.caller_speaks()
    talk.rules.forget_caller(talk.now)

    talk.rules.interrupt([heard("A1", 700)])

    assert talk.sends_kinds() == ["input_audio_buffer.clear", "conversation.item.truncate"]
