"""What every part of the Realtime emulator says on the wire: ids and errors.

Nothing here knows a session. Source: openai_realtime spec sections 1 and 10.
"""

import random
import string
from typing import Any

Json = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits
_TAIL_CHARS = 21
_CALL_TAIL_CHARS = 16


def new_id(prefix: str) -> str:
    """Makes an id as the server does: a prefix and 21 base-62 characters (16 after `call_`)."""
    length = _CALL_TAIL_CHARS if prefix == "call_" else _TAIL_CHARS
    return prefix + "".join(random.choices(_ALPHABET, k=length))


class ApiError(Exception):
    """Something the client asked for is refused, and nothing changed because of it."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind

    def body(self, event_id: str | None = None) -> Json:
        """The `error` object of an `error` event.

        Args:
            event_id: The `event_id` of the client event at fault, null when it had none.
        """
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        }


def invalid_value(message: str, param: str | None = None) -> ApiError:
    """An `invalid_value` error, the code for everything well-formed but impossible."""
    return ApiError(message, code="invalid_value", param=param)
