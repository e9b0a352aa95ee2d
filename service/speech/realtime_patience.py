"""How long a model may leave the caller in silence: by the clock, and by its responses.

Source: Realtime specification; numbers in brackets refer to it.
"""

import math
from typing import Any

from service.speech.port import SpeechError

CREATE_DEADLINE_S = 10.0
"""A response that we asked for must begin by then (9, rule 8)."""
SILENCE_DEADLINE_S = 15.0
"""A response that began must show life by then (9, rule 8)."""
REMOTE_DEADLINE_S = 60.0
"""The same while a remote server works, of which nothing is told meanwhile (7.5).

It is as long as the longest deadline that a tool of our own may have.
"""
MAX_SILENT_RESPONSES = 5
"""A task may take a few functions one after the other. Whoever calls more without a word is lost
among them, and the caller waits a second or more for each."""


class Patience:
    """What is waited for, and how many responses have passed without a word."""

    def __init__(self) -> None:
        self.until = math.inf
        self._silent = 0

    def check(self, now: float) -> None:
        """Do nothing while the model still has time.

        Raises:
            SpeechError: the model was silent beyond its deadline.
        """
        if now >= self.until:
            raise SpeechError("model_silent", retryable=True)

    def await_response(self, now: float) -> None:
        """Expect a response to begin."""
        self.until = now + CREATE_DEADLINE_S

    def await_life(self, now: float, *, is_remote: bool = False) -> None:
        """Expect more of the response that is alive; `is_remote`: a remote server works for it."""
        self.until = now + (REMOTE_DEADLINE_S if is_remote else SILENCE_DEADLINE_S)

    def await_nothing(self) -> None:
        """Expect nothing: no response is alive or asked for."""
        self.until = math.inf

    def note_end(self, *, has_spoken: bool) -> None:
        """Count a finished response if nothing of it was handed out to be heard."""
        self._silent = 0 if has_spoken else self._silent + 1

    def begin_again(self) -> None:
        """Count from zero: the caller has said or done something."""
        self._silent = 0

    def options_of(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the options to ask for a response with: after too many silent ones it must speak.

        What a model may not call it cannot get lost among.
        """
        return asked | {"tool_choice": "none"} if self._silent >= MAX_SILENT_RESPONSES else asked
