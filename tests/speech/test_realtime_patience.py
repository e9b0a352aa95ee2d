"""How long a model may be silent (specification 9, rule 8), and how often."""

import math

import pytest

from service.speech.port import SpeechError
from service.speech.realtime_patience import (
    CREATE_DEADLINE_S,
    MAX_SILENT_RESPONSES,
    REMOTE_DEADLINE_S,
    SILENCE_DEADLINE_S,
    Patience,
)

NOW = 1_000.0


def test_nothing_is_awaited_at_first():
    patience = Patience()

    patience.check(NOW)

    assert patience.until == math.inf


@pytest.mark.parametrize(
    ("begin", "wait_s"),
    [
        (lambda it: it.await_response(NOW), CREATE_DEADLINE_S),
        (lambda it: it.await_life(NOW), SILENCE_DEADLINE_S),
        (lambda it: it.await_life(NOW, is_remote=True), REMOTE_DEADLINE_S),
    ],
)
def test_a_model_has_its_time_and_no_more(begin, wait_s):
    patience = Patience()
    begin(patience)
    patience.check(NOW + wait_s - 0.01)

    with pytest.raises(SpeechError, match="model_silent") as failure:
        patience.check(NOW + wait_s)

    assert failure.value.retryable


def test_what_is_awaited_no_more_is_not_late():
    patience = Patience()
    patience.await_response(NOW)

    patience.await_nothing()

    patience.check(NOW + CREATE_DEADLINE_S)


def after(*ends: bool) -> Patience:
    """What is left of it after responses that have spoken, or not."""
    patience = Patience()
    for has_spoken in ends:
        patience.note_end(has_spoken=has_spoken)
    return patience


@pytest.mark.parametrize("asked", [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}])
def test_a_model_must_speak_after_too_many_silent_responses(asked):
    assert after(*[False] * MAX_SILENT_RESPONSES).options_of(asked) == {"tool_choice": "none"}
    assert after(*[False] * (MAX_SILENT_RESPONSES - 1)).options_of(asked) == asked


def test_other_options_stay():
    asked = {"max_output_tokens": 7}

    options = after(*[False] * MAX_SILENT_RESPONSES).options_of(asked)

    assert options == {"max_output_tokens": 7, "tool_choice": "none"}
    assert asked == {"max_output_tokens": 7}


def test_only_silent_responses_in_a_row_count():
    patience = after(*[False] * (MAX_SILENT_RESPONSES - 1), True, False)

    assert patience.options_of({}) == {}


def test_the_count_begins_again_with_the_caller():
    patience = after(*[False] * MAX_SILENT_RESPONSES)

    patience.begin_again()

    assert patience.options_of({}) == {}
