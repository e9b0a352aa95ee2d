"""When which letters go to the queue: batches, order, and patience with failures. Pure.

A batch holds at most one letter of a call, and a letter is out only when the one before it is in:
so the order of each call is kept although a queue may take any part of a batch. Times are
monotonic seconds.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

MAX_LETTERS = 10
MAX_BYTES = 1_048_576
"""Of a batch in all. Source: deployment facts, 4.1: 1 MiB, and ten entries."""
LINGER_S = 0.25
"""A letter waits so long for others: a request costs money and CPU, whatever it holds."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Pauses are of random length up to these, doubled with each failure in a row ("full jitter"), so
that many instances do not come back to a queue at the same moment."""


class Sendable(Protocol):
    """What is known of a letter here: whose it is."""

    @property
    def call(self) -> str:
        """The call whose order it is in."""
        ...


L = TypeVar("L", bound=Sendable)


class _Line(Generic[L]):
    """The letters of one call, with their sizes and the times at which they came."""

    def __init__(self) -> None:
        self.letters: deque[tuple[L, int, float]] = deque()
        self.tries = 0
        self.not_before = float("-inf")


class Schedule(Generic[L]):
    """Letters that wait, in a line for each call."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """`jitter` returns a random number from 0 to 1 each time."""
        self._jitter = jitter
        self._lines: OrderedDict[str, _Line[L]] = OrderedDict()
        self._tries = 0
        self._not_before = float("-inf")
        self._alone: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        """Number of letters that wait."""
        return self._count

    def __iter__(self) -> Iterator[L]:
        """Iterate over the letters that wait."""
        for line in self._lines.values():
            for letter, _, _ in line.letters:
                yield letter

    def add(self, letter: L, size: int, now: float) -> None:
        """Let a letter wait behind those of its call. `size`: bytes that it takes of a batch."""
        self._lines.setdefault(letter.call, _Line()).letters.append((letter, size, now))
        self._count += 1

    def next_batch(self, now: float, *, hurry: bool = False) -> list[L]:
        """Return the letters that are to be sent now; their fate must be told before the next.

        Args:
            now: the time.
            hurry: wait for no others.
        """
        if now < self._not_before:
            return []
        batch: list[L] = []
        size = 0
        is_due, is_full = hurry, False
        for call, line in self._lines.items():
            if now < line.not_before:
                continue
            letter, letter_size, came_at = line.letters[0]
            if call in self._alone:
                return [letter]
            if batch and size + letter_size > MAX_BYTES:
                is_full = True
                continue
            batch.append(letter)
            size += letter_size
            is_due = is_due or now >= came_at + LINGER_S
            if len(batch) == MAX_LETTERS:
                break
        is_full = is_full or len(batch) == MAX_LETTERS
        return batch if is_due or is_full else []

    def wait_s(self, now: float, *, hurry: bool = False) -> float | None:
        """Return in how many seconds a batch will be ready; None: not without more letters."""
        due = [
            max(line.not_before, 0.0 if hurry else line.letters[0][2] + LINGER_S)
            for line in self._lines.values()
        ]
        return max(self._not_before - now, min(due) - now, 0.0) if due else None

    def settle(self, letter: L) -> None:
        """Forget a letter: the queue took it, or never will. The next of its call may go."""
        line = self._lines[letter.call]
        line.letters.popleft()
        line.tries, line.not_before = 0, float("-inf")
        self._count -= 1
        self._alone.discard(letter.call)
        if line.letters:
            self._lines.move_to_end(letter.call)  # the other calls first
        else:
            del self._lines[letter.call]

    def retry(self, letter: L, now: float) -> None:
        """Keep a letter that the queue did not take this time; its call pauses."""
        line = self._lines[letter.call]
        line.not_before = now + self._pause_s(line.tries)
        line.tries += 1
        self._lines.move_to_end(letter.call)

    def pause(self, now: float) -> None:
        """Keep everything: the queue could not be reached, or takes nothing."""
        self._not_before = now + self._pause_s(self._tries)
        self._tries += 1

    def reached(self) -> None:
        """Note that the queue answered: the next pause is a short one again."""
        self._tries, self._not_before = 0, float("-inf")

    def send_alone(self, batch: list[L]) -> None:
        """Send each of these by itself: the queue cannot make sense of them together."""
        self._alone.update(letter.call for letter in batch)

    def _pause_s(self, tries: int) -> float:
        return self._jitter() * min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S)
