"""Minds the line of one call: no caller hears silence while the model owes something.

What is due when is `dead_air`'s to say; here it is seen and done.
"""

import logging
import math
from collections.abc import Callable

from service.conversation import Conversation
from service.dead_air import GREETING_PATIENCE_S, LOST_PATIENCE_S, PATIENCE_S, DeadAir, Step
from service.recordings import RecordingName, Recordings
from service.turns import Turns

_log = logging.getLogger(__name__)


class Watchdog:
    """Watches from `begin` on."""

    def __init__(
        self,
        turns: Turns,
        conversation: Conversation,
        recordings: Recordings,
        is_line_free: Callable[[float], bool],
        is_working: Callable[[], bool],
    ) -> None:
        """Take what is watched.

        `is_line_free` tells of a moment whether nobody speaks; `is_working`, whether a function or
        the caller's keys are waited for, and the model is not to blame.
        """
        self._turns, self._conversation, self._recordings = turns, conversation, recordings
        self._is_line_free, self._is_working = is_line_free, is_working
        self._dead_air = DeadAir()
        self._spoke_at = -math.inf
        self._has_begun = False

    def begin(self) -> None:
        """Watch from now on: the call is open."""
        self._has_begun = True

    async def on_time(self, now: float, language: str | None) -> None:
        """Look at the line, and do what is due; an excuse is in the caller's `language`."""
        if not (self._has_begun and self._conversation.is_model_busy):
            self._dead_air.answered()
            return
        if self._turns.spoke_at != self._spoke_at:
            self._spoke_at = self._turns.spoke_at
            self._dead_air.answered()
        is_silent = not self._is_working() and self._is_line_free(now)
        self._dead_air.watch(now, is_silent=is_silent)
        if step := self._dead_air.poll(now, self._patience_s):
            await self._take(step, now, language)

    def due_in_s(self, now: float) -> float:
        """Return the seconds until `on_time` has something to do."""
        return self._dead_air.due_in_s(now, self._patience_s)

    def play(self, name: RecordingName, now: float, language: str | None) -> None:
        """Let the caller hear a recording, after whatever is still to be heard."""
        if recording := self._recordings.get(name, language):
            self._turns.play(recording.pcmu, recording.words, now)

    @property
    def _patience_s(self) -> float:
        if self._turns.is_lost:
            return LOST_PATIENCE_S
        has_greeted = self._turns.receipt.greeting_ms is not None
        return PATIENCE_S if has_greeted else GREETING_PATIENCE_S

    async def _take(self, step: Step, now: float, language: str | None) -> None:
        _log.warning("the line is silent", extra={"step": step})
        self._turns.receipt.add_error(f"silence_{step}")
        self.play("one_moment" if step == "excuse" else "still_trying", now, language)
        session = self._conversation.session
        if session and step != "excuse":
            await session.revive(elsewhere=step == "leave")
