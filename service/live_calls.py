"""The calls that this process serves: how many, whether there is room, and how they end."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from service.call import CallSession

Refusal = Literal["draining", "full", "overloaded"]


class LiveCalls:
    """Counts the calls and ends them when the process must go.

    Attributes:
        max_calls: that are taken at once.
        is_draining: no more calls are taken.
        served: calls that were taken since the start.
        turned_away: upgrades that were refused since the start, by cause.
    """

    def __init__(
        self, max_calls: int, *, is_overloaded: Callable[[], bool] = lambda: False
    ) -> None:
        """`is_overloaded` tells whether the process is too slow for one more call."""
        self.max_calls = max_calls
        self.is_draining = False
        self.served = 0
        self.turned_away: Counter[Refusal] = Counter()
        self._is_overloaded = is_overloaded
        self._live: dict[CallSession, str | None] = {}

    def __len__(self) -> int:
        """Number of live calls."""
        return len(self._live)

    def has_room(self) -> bool:
        """True while a new call may be taken."""
        return self.refusal() is None

    def refusal(self) -> Refusal | None:
        """Return why no new call may be taken now; None when one may.

        Without calls nothing is overloaded: what is slow then is the start.
        """
        if self.is_draining:
            return "draining"
        if len(self._live) >= self.max_calls:
            return "full"
        return "overloaded" if self._live and self._is_overloaded() else None

    @property
    def session_ids(self) -> set[str | None]:
        """Session ids of the live calls, as far as their upgrades named one."""
        return set(self._live.values()) - {None}

    @contextmanager
    def serving(self, call: CallSession, session_id: str | None = None) -> Iterator[None]:
        """Count the call while the context lasts."""
        self._live[call] = session_id
        self.served += 1
        try:
            yield
        finally:
            del self._live[call]

    def drain(self) -> None:
        """Take no more calls; the live ones go on."""
        self.is_draining = True

    def hand_over(self) -> None:
        """End every live call soon: each caller is told and handed to a person."""
        for call in self._live:
            call.drain()

    def cut(self) -> None:
        """End every live call now; each flow still gets its output variables."""
        for call in self._live:
            call.cut()
