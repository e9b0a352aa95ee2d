import math

import pytest

from service.call_events import EndReason
from service.ending import Ending
from service.farewell import SAY_DEADLINE_S

T0 = 100.0


class Call:
    """What an ending asks and tells."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.begun = 0
        self.withdrawn = 0
        self.ending = Ending(
            may_begin=lambda: self.is_open, on_begin=self._begin, on_withdraw=self._withdraw
        )

    def _begin(self) -> None:
        self.begun += 1

    def _withdraw(self) -> None:
        self.withdrawn += 1


def test_a_call_that_goes_on_has_no_end():
    ending = Call().ending

    assert not ending.is_under_way
    assert ending.reason is None
    assert ending.is_over_in_s(T0, 0.0) == math.inf


def test_the_first_reason_counts():
    call = Call()

    call.ending.begin("transfer", T0)
    call.ending.begin("drain", T0 + 1)

    assert call.ending.farewell is not None
    assert call.ending.farewell.reason == "transfer"
    assert call.begun == 1


def test_nothing_begins_on_a_call_that_is_not_open():
    call = Call(is_open=False)

    call.ending.begin("drain", T0, is_said=True)

    assert call.ending.is_under_way
    assert call.ending.farewell is None
    assert call.begun == 0


@pytest.mark.parametrize(
    ("reason", "noted"), [("provider_error", "provider_error"), ("transfer", None)]
)
def test_only_a_failure_is_noted_before_the_farewell_was_heard(
    reason: EndReason, noted: EndReason | None
):
    ending = Call().ending

    ending.begin(reason, T0)

    assert ending.reason == noted


def test_a_noted_reason_stays():
    ending = Call().ending

    ending.note("caller_hangup")
    ending.note("socket_lost")

    assert ending.reason == "caller_hangup"


def test_a_second_end_can_tell_that_all_is_said():
    ending = Call().ending
    ending.begin("drain", T0)
    before = ending.is_over_in_s(T0, 0.0)

    ending.begin("provider_error", T0, is_said=True)

    assert before == SAY_DEADLINE_S
    assert ending.is_over_in_s(T0, 0.0) == 0


def test_an_answer_that_was_not_the_farewell_does_not_end_it():
    ending = Call().ending
    ending.begin("transfer", T0)

    ending.turn_done()

    assert ending.is_over_in_s(T0, 0.0) == SAY_DEADLINE_S


def test_the_farewell_that_was_asked_for_ends_it():
    ending = Call().ending
    ending.begin("transfer", T0, is_asked=True)

    ending.turn_done()

    assert ending.is_over_in_s(T0, 1.5) == 1.5


def test_an_answer_without_an_end_is_nothing():
    ending = Call().ending

    ending.turn_done()

    assert ending.farewell is None


def test_a_goodbye_that_is_broken_into_is_withdrawn():
    call = Call()
    call.ending.begin("bot_completed", T0, is_said=True)

    assert call.ending.withdraw()
    assert (call.ending.is_under_way, call.withdrawn) == (False, 1)
    assert call.ending.is_over_in_s(T0, 0.0) == math.inf


@pytest.mark.parametrize("reason", ["transfer", "drain", "max_duration", "no_input"])
def test_other_ends_do_not_depend_on_what_callers_say(reason: EndReason):
    call = Call()
    call.ending.begin(reason, T0)

    assert not call.ending.withdraw()
    assert (call.ending.is_under_way, call.withdrawn) == (True, 0)


def test_a_goodbye_that_is_over_cannot_be_withdrawn():
    call = Call()
    call.ending.begin("bot_completed", T0)
    call.ending.note("bot_completed")

    assert not call.ending.withdraw()


def test_nothing_is_withdrawn_before_an_end_has_begun():
    assert not Call().ending.withdraw()
