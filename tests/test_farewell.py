import pytest

from service.call_events import EndReason
from service.farewell import HEAR_DEADLINE_S, LONGEST_DEADLINE_S, SAY_DEADLINE_S, Farewell

BEGAN_AT = 50.0


def ends_in_s(after_s: float, drained_in_s: float, *, is_said: bool) -> float:
    farewell = Farewell("bot_completed", BEGAN_AT, is_asked=True, is_said=is_said)
    return farewell.is_over_in_s(BEGAN_AT + after_s, drained_in_s)


def test_farewell_that_was_said_and_heard_is_over():
    assert ends_in_s(3.0, 0.0, is_said=True) == 0


def test_said_farewell_is_over_when_it_was_heard():
    assert ends_in_s(3.0, 4.5, is_said=True) == 4.5


def test_model_may_take_its_time_to_say_it():
    assert ends_in_s(3.0, 0.0, is_said=False) == SAY_DEADLINE_S - 3.0


def test_speech_still_to_be_heard_outlasts_the_models_time():
    assert ends_in_s(3.0, 12.0, is_said=False) == 12.0


@pytest.mark.parametrize("after_s", [SAY_DEADLINE_S, SAY_DEADLINE_S + 5])
def test_model_that_says_nothing_is_not_waited_for_any_longer(after_s: float):
    assert ends_in_s(after_s, 0.0, is_said=False) == 0


@pytest.mark.parametrize("reason", ["drain", "max_duration"])
@pytest.mark.parametrize("is_said", [True, False])
def test_endless_speech_is_cut_when_time_is_up(is_said: bool, reason: EndReason):
    farewell = Farewell(reason, BEGAN_AT, is_asked=True, is_said=is_said)
    end = BEGAN_AT + HEAR_DEADLINE_S

    assert farewell.is_over_in_s(end - 1, 100.0) == 1
    assert farewell.is_over_in_s(end + 1, 100.0) == 0


def test_what_the_agent_said_before_it_ended_the_call_is_heard_to_its_end():
    assert ends_in_s(2 * HEAR_DEADLINE_S, 100.0, is_said=True) == 100.0


def test_no_farewell_lasts_for_ever():
    assert ends_in_s(LONGEST_DEADLINE_S, 100.0, is_said=True) == 0
