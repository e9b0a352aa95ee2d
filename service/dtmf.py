"""Collects key presses into one entry: `12#` is one thing said, not three.

Keys come unasked, or because somebody waits for a number (`DtmfCollector.expect`). Pure: digits and
`now` (monotonic seconds) in, entries out. What an entry brings about is decided in `service.call`.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

GAP_S = 2.0
"""A caller who types a number needs less than this between two keys."""
TERMINATOR = "#"
MAX_DIGITS = 64
"""Bound against a flood; longer than any number that people type (bad input 66)."""


@dataclass(frozen=True, slots=True)
class DigitRules:
    """When an entry of keys is complete, and when it is wrong.

    Attributes:
        min_digits: fewer are no entry.
        max_digits: with so many it is complete at once.
        terminator: key that completes it and is no part of it; empty for none.
        cancel: key that throws it away; empty for none.
        first_s: for the first key; infinite when nobody waits.
        gap_s: after so long without a further key it is complete.
    """

    min_digits: int = 1
    max_digits: int = MAX_DIGITS
    terminator: str = TERMINATOR
    cancel: str = ""
    first_s: float = math.inf
    gap_s: float = GAP_S


_USUAL = DigitRules()

EntryStatus = Literal["complete", "too_short", "cancelled", "no_digits"]
"""How an entry ended; `no_digits`: somebody waited, and the first key did not come in time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Keys that belong together.

    Attributes:
        digits: without the terminator, except that an unasked terminator alone is a key like any
            other; empty when cancelled. Never shown by `repr`: they may be a PIN.
        status: how the entry ended.
    """

    digits: str = field(repr=False)
    status: EntryStatus


class DtmfCollector:
    """Gathers keys until their entry is complete or wrong.

    Keys are judged when they are pressed, and clocks by the moment that they run out, so a late
    `poll` gets the same entries as an early one.

    Attributes:
        pressed_at: when the latest key was pressed (`now`'s clock, seconds); 0 before the first.
    """

    def __init__(self, rules: DigitRules = _USUAL) -> None:
        """Let `rules` hold for entries that nobody waits for."""
        self.pressed_at = 0.0
        self._unasked_rules = rules
        self._rules = rules
        self._is_asked = False  # the entry that is open is one that somebody waits for
        self._keys = ""
        self._since = 0.0  # start of the clock that runs: for the next key, or for the first one
        self._held_at: float | None = None
        self._closer = ""  # key that would close an entry which was full before it
        self._finished: deque[tuple[Entry, bool]] = deque()  # the flag: somebody waits for it

    @property
    def is_expecting(self) -> bool:
        """True when the next entry of `poll` is the one that somebody waits for.

        Entries that were finished before `expect` are handed out first, and are no answer.
        """
        return self._finished[0][1] if self._finished else self._is_asked

    def has_keys(self, now: float) -> bool:
        """True when a further key goes on with an entry that has been begun."""
        self._settle(now)
        return bool(self._keys)

    def follow(self, rules: DigitRules) -> None:
        """Let other rules hold for entries that nobody waits for: another bot took over.

        They hold for the unfinished one too. An entry that somebody waits for keeps its own.
        """
        self._unasked_rules = rules
        if not self._is_asked:
            self._rules = rules
            self._take_again()

    def expect(self, rules: DigitRules, now: float) -> None:
        """Wait for one entry by these rules, instead of any that is still waited for.

        Callers type ahead: keys of an unfinished entry that nobody waited for are its first keys.
        Its clocks start now, those for keys typed ahead too: the caller listens meanwhile.
        """
        self.stop_expecting()
        self._settle(now)
        self._rules = rules
        self._is_asked = True
        self._since = self._time(now)
        self._take_again()

    def stop_expecting(self) -> None:
        """Wait no longer; what was pressed in answer is dropped, for it may be a secret."""
        self._finished = deque(finished for finished in self._finished if not finished[1])
        if self._is_asked:
            self._begin_unasked()

    def wait_from(self, now: float) -> None:
        """Start the clock for the first key again: the agent has just stopped asking.

        It may be called again and again while the agent speaks, ahead of `poll`. Without effect
        once a key was pressed, or when nobody waits.
        """
        if self._is_asked and not self._keys:
            self._since = self._time(now)

    def press(self, digits: str, now: float) -> None:
        """Add pressed keys, each of them one character.

        People press the terminator after a number that was complete already: that key is dropped.
        Of what was not handed out `MAX_DIGITS` are kept; beyond, the oldest entries are dropped.
        """
        if not digits or self._held_at is not None:
            return
        self._settle(now)
        if now - self.pressed_at >= self._unasked_rules.gap_s:
            self._closer = ""
        self.pressed_at = self._since = now
        for key in digits[-MAX_DIGITS:]:
            self._take(key)
        self._drop_oldest()

    def poll(self, now: float) -> Entry | None:
        """Return the next entry that has ended; None when there is none.

        Call it until it returns None. The entry that somebody waits for ends the waiting.
        """
        self._settle(now)
        if self._held_at is not None or not self._finished:
            return None
        return self._finished.popleft()[0]

    def next_due_s(self, now: float) -> float:
        """Seconds until `poll` has an entry, 0 when now; `math.inf` when no clock runs."""
        if self._held_at is not None:
            return math.inf
        return 0.0 if self._finished else max(0.0, self._ends_at() - now)

    def hold(self, now: float) -> None:
        """Stop the clocks for a secure pause: keys are ignored and nothing is due until `resume`.

        What was pressed before stays.
        """
        if self._held_at is None:
            self._settle(now)
            self._held_at = now

    def resume(self, now: float) -> None:
        """Let the clocks go on from where `hold` stopped them."""
        if self._held_at is not None:
            self._since += now - self._held_at
            self._held_at = None

    def flush(self) -> bool:
        """Forget everything, because the call is over.

        Returns:
            True when keys were pressed that `poll` has not accounted for.
        """
        ended = any(entry.status != "no_digits" for entry, _ in self._finished)
        was_pressed = bool(self._keys) or ended
        self._finished.clear()
        self._begin_unasked()
        return was_pressed

    def _time(self, now: float) -> float:
        return now if self._held_at is None else self._held_at

    def _ends_at(self) -> float:
        """When the open entry ends by itself."""
        if self._keys:
            return self._since + self._rules.gap_s
        return self._since + self._rules.first_s if self._is_asked else math.inf

    def _settle(self, now: float) -> None:
        """End the entry whose time has run out; later keys are not part of it."""
        if self._held_at is None and now >= self._ends_at():
            if self._keys:
                self._end_by_length()
            else:
                self._end("", "no_digits")

    def _take(self, key: str) -> None:
        closer, self._closer = self._closer, ""
        is_begun = self._is_asked or bool(self._keys)
        if key == closer and not self._keys:
            return
        if key == self._rules.cancel and is_begun:
            self._end("", "cancelled")
        elif key == self._rules.terminator:
            if is_begun:
                self._end_by_length()
            else:
                self._end(key, "complete")
        else:
            self._keys += key
            if len(self._keys) >= min(self._rules.max_digits, MAX_DIGITS):
                self._closer = self._rules.terminator
                self._end_by_length()

    def _take_again(self) -> None:
        """Judge the keys of an unfinished entry by rules that are new."""
        keys, self._keys = self._keys, ""
        for key in keys:
            self._take(key)

    def _end_by_length(self) -> None:
        is_enough = len(self._keys) >= self._rules.min_digits
        self._end(self._keys, "complete" if is_enough else "too_short")

    def _end(self, digits: str, status: EntryStatus) -> None:
        self._finished.append((Entry(digits, status), self._is_asked))
        self._begin_unasked()

    def _begin_unasked(self) -> None:
        self._keys = ""
        self._rules = self._unasked_rules
        self._is_asked = False

    def _drop_oldest(self) -> None:
        """Keep the bound; never at the cost of an answer, whose asker would wait for ever."""
        kept = len(self._keys) + sum(_size(entry) for entry, _ in self._finished)
        for finished in tuple(self._finished):
            if kept <= MAX_DIGITS:
                return
            entry, is_asked = finished
            if not is_asked:
                self._finished.remove(finished)
                kept -= _size(entry)


def _size(entry: Entry) -> int:
    return max(1, len(entry.digits))
