"""What errors of the Realtime API mean: the end, a pause, or nothing.

Source: Realtime specification, 7.8 and 10.
"""

from service.speech.port import SpeechError
from service.speech.realtime_wire import ErrorDetail

MAX_RETRIES = 3
FIRST_RETRY_S = 1.5
"""Wait after a rate limit that names no time; doubles with each try (7.8)."""
LONGEST_RETRY_S = 10.0
"""A caller does not wait longer than this in silence; then the next provider must take over."""
BUSY = "conversation_already_has_active_response"

_FATAL = frozenset(
    {
        "account_deactivated",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_model",
        "missing_model",
        "model_not_found",
    }
)
_RATE_LIMITS = frozenset({"rate_limit_exceeded", "inference_rate_limit_exceeded"})


def raise_if_fatal(error: ErrorDetail) -> None:
    """Billing, keys and models: code or type says it, and trying again does not help.

    Raises:
        SpeechError: not retryable.
    """
    for word in (error.code, error.type):
        if word in _FATAL:
            raise SpeechError(word, retryable=False)


def retry_in_s(error: ErrorDetail, tries: int) -> float:
    """Return the seconds to wait before asking again for a response that failed `tries` times.

    Raises:
        SpeechError: retryable elsewhere; here it would take too long, or was tried enough.
    """
    wait_s = error.wait_s or FIRST_RETRY_S * 2 ** (tries - 1)
    if tries > MAX_RETRIES or wait_s > LONGEST_RETRY_S:
        code = error.code if error.code in _RATE_LIMITS else None
        raise SpeechError(code or "response_failed", retryable=True)
    return wait_s
