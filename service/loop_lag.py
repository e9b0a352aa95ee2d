"""How late the event loop is: the one figure that tells whether this process does too much."""

import asyncio
from collections.abc import Callable

STEP_S = 0.1
"""Between two looks: a lag that callers can hear lasts longer."""
RECENT = 10
"""Looks that `recent_s` covers: a second."""


class LoopLag:
    """Watches the loop that `watch` runs in.

    Attributes:
        recent_s: the largest lag of the last second.
        observe: is told each lag, in seconds.
    """

    def __init__(self, observe: Callable[[float], None] | None = None) -> None:
        self.recent_s = 0.0
        self.observe = observe
        self._lags = [0.0] * RECENT
        self._next = 0

    async def watch(self) -> None:
        """Look until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due_at = clock() + STEP_S
            await asyncio.sleep(STEP_S)
            self._note(max(0.0, clock() - due_at))

    def _note(self, lag_s: float) -> None:
        self._lags[self._next] = lag_s
        self._next = (self._next + 1) % RECENT
        self.recent_s = max(self._lags)
        if self.observe:
            self.observe(lag_s)
