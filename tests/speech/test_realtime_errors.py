import pytest

from service.speech.port import SpeechError
from service.speech.realtime_errors import (
    FIRST_RETRY_S,
    MAX_RETRIES,
    raise_if_fatal,
    retry_in_s,
)
from service.speech.realtime_wire import ErrorDetail


@pytest.mark.parametrize("field", ["code", "type"])
def test_a_fatal_word_ends_it_wherever_it_stands(field: str):
    with pytest.raises(SpeechError) as raised:
        raise_if_fatal(ErrorDetail(**{field: "insufficient_quota"}))

    assert (raised.value.code, raised.value.retryable) == ("insufficient_quota", False)


def test_any_other_error_is_not_the_end():
    raise_if_fatal(ErrorDetail(code="server_error", type="server_error"))


def test_waits_double_until_it_was_tried_enough():
    waits = [retry_in_s(ErrorDetail(), tries) for tries in range(1, MAX_RETRIES + 1)]

    assert waits == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]
    with pytest.raises(SpeechError, match="response_failed"):
        retry_in_s(ErrorDetail(code="server_error"), MAX_RETRIES + 1)


def test_a_wait_that_no_caller_bears_is_left_to_others():
    error = ErrorDetail(code="rate_limit_exceeded", message="Please try again in 1m12s.")

    with pytest.raises(SpeechError) as raised:
        retry_in_s(error, 1)

    assert (raised.value.code, raised.value.retryable) == ("rate_limit_exceeded", True)
