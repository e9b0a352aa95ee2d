"""Collects key presses into one entry: `12#` is one thing said, not three.

Pure: digits and `now` (monotonic seconds) in, entries out.
"""

import math

GAP_S = 2.0
"""A caller who types a number needs less than this between two keys."""
TERMINATOR = "#"
MAX_DIGITS = 64
"""Bound against a flood; longer than any number that people type (bad input 66)."""


class DtmfCollector:
    """Gathers digits until the terminator or a pause.

    Attributes:
        pressed_at: when the latest key was pressed (`now`'s clock, seconds).
    """

    def __init__(self) -> None:
        self.pressed_at = 0.0
        self._digits = ""
        self._due = math.inf

    def press(self, digits: str, now: float) -> None:
        """Add pressed keys; beyond `MAX_DIGITS` the oldest are dropped."""
        self.pressed_at = now
        self._digits = (self._digits + digits)[-MAX_DIGITS:]
        self._due = now if TERMINATOR in self._digits else now + GAP_S

    def next_due_s(self, now: float) -> float:
        """Seconds until `poll` has an entry; `math.inf` when no key was pressed."""
        return self._due - now

    def poll(self, now: float) -> str | None:
        """Return the next entry once it is complete, without its terminator; else None."""
        if now < self._due:
            return None
        entry, terminator, rest = self._digits.partition(TERMINATOR)
        self.flush()
        if rest:
            self.press(rest, now)
        return entry or terminator or None

    def flush(self) -> str | None:
        """Return what was pressed so far as an entry; None when nothing was."""
        entry, self._digits, self._due = self._digits, "", math.inf
        return entry.removesuffix(TERMINATOR) or entry or None
