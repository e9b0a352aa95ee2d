"""The watchdog of silence: what to do when something should be heard and nothing is.

Pure: `now` is monotonic seconds. Whether something is heard is the playout clock's to say.
"""

import math
from typing import Literal

PATIENCE_S = 4.0
"""With a model that owes an answer; nearly all answers begin within two seconds."""
LOST_PATIENCE_S = 1.0
"""With a conversation that is known to be lost (Realtime specification, 11.1)."""
GREETING_PATIENCE_S = 2.5
"""At the beginning: to connect and to greet takes a second and a half."""

Step = Literal["excuse", "ask", "leave"]
_STEPS: tuple[Step, ...] = ("excuse", "ask", "leave")
_TICK_S = 0.001  # clocks do not wake anybody to the last digit


class DeadAir:
    """Watches one call's silence.

    The steps, one after each stretch of it: let the caller hear an excuse, ask the model again,
    leave it for another. What is heard in between begins a new stretch; an answer begins anew.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._next = 0

    def answered(self) -> None:
        """Note that the model has spoken: nothing is owed, or its next delay is another one."""
        self._since, self._next = None, 0

    def watch(self, now: float, *, is_silent: bool) -> None:
        """Look at the line; `is_silent`: something is owed, and nobody is heard."""
        if not is_silent:
            self._since = None
        elif self._since is None:
            self._since = now

    def due_in_s(self, now: float, patience_s: float) -> float:
        """Return the seconds until a step is due; infinite while nothing is missing.

        `patience_s` is what is borne before the first step; before others it is `PATIENCE_S`.
        """
        if self._since is None:
            return math.inf
        return max(0.0, self._since + (PATIENCE_S if self._next else patience_s) - now)

    def poll(self, now: float, patience_s: float) -> Step | None:
        """Return the step to take now; `patience_s` as of `due_in_s`."""
        if self.due_in_s(now, patience_s) > _TICK_S:
            return None
        self._since = now
        step = _STEPS[self._next]
        self._next = (self._next + 1) % len(_STEPS)
        return step
