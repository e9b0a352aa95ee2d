"""In which order, and when, the providers of a chain are tried for one call.

Pure: `now` is monotonic seconds. Source of the pace: Realtime specification, 11.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.speech.breaker import Breaker

PACE_S = (0.0, 0.3, 1.0, 2.0)
"""When a provider is tried, counted from its first try."""
PATIENCE_S = 2.5
"""For all tries of a provider, while there is another one to go to."""


LAST_PATIENCE_S = 10.0
"""For all tries of the last provider; a caller who waits longer has hung up, or should have."""


ATTEMPT_S = 4.0
"""For one try; to connect and be configured takes less than two seconds, or hangs."""


class Attempt(NamedTuple):
    """The next try: which provider of the chain, after how long, and within how long."""

    link: int
    wait_s: float
    deadline_s: float


class Attempts:
    """The tries of one call. It never goes back to a provider that it has given up."""

    def __init__(self, breakers: Sequence[Breaker]) -> None:
        self._breakers = breakers
        self._link = 0
        self._tries = 0
        self._began_at: float | None = None
        self._is_connected = self._is_avoided = False

    @property
    def are_over(self) -> bool:
        """True when no provider is left."""
        return self._link >= len(self._breakers)

    def next(self, now: float) -> Attempt | None:
        """Return what to try next; None when all is tried."""
        while self._link < len(self._breakers):
            if attempt := self._of_link(now):
                return attempt
            self._leave_link()
        return None

    def failed(self, now: float, *, for_good: bool, is_of_bot: bool = False) -> None:
        """Note that the try, or a conversation before it has shown anything, has failed.

        `is_of_bot`: for what the bot asks for, which says nothing about calls of other bots.
        """
        if self._link < len(self._breakers):
            if not is_of_bot:
                self._breakers[self._link].failed(now, for_good=for_good)
            self._tries += 1
            if for_good or self._is_avoided or self._tries == len(PACE_S):
                self._leave_link()
            elif self._is_connected:
                self._began_at = now - PACE_S[self._tries]
            elif self._began_at is None:
                self._began_at = now
        self._is_connected = False

    def connected(self) -> None:
        """Note that a conversation stands; if it is lost, the next try comes at once."""
        self._began_at = None
        self._is_connected = True

    def lost(self, now: float, *, for_good: bool, is_of_bot: bool = False) -> None:
        """Note that a conversation was lost that had worked: no sign that the next one will."""
        self._tries, self._began_at, self._is_connected = 0, None, False
        if for_good or self._is_avoided:
            self.failed(now, for_good=for_good, is_of_bot=is_of_bot)

    def avoid(self) -> None:
        """Go on with the next provider after the next failure, if there is one."""
        self._is_avoided = self._link < len(self._breakers) - 1

    def succeeded(self) -> None:
        """Note that the provider works: it has all its tries again."""
        if self._link < len(self._breakers):
            self._breakers[self._link].succeeded()
        self._tries, self._began_at, self._is_avoided = 0, None, False

    def _of_link(self, now: float) -> Attempt | None:
        is_last = self._link == len(self._breakers) - 1
        # The last one is tried in any case: a caller with nowhere to go has nothing to lose.
        if not (self._tries or is_last or self._breakers[self._link].may_try(now)):
            return None
        began_at = self._began_at = now if self._began_at is None else self._began_at
        due_at = max(now, began_at + PACE_S[self._tries])
        left_s = began_at + (LAST_PATIENCE_S if is_last else PATIENCE_S) - due_at
        deadline_s = min(left_s, ATTEMPT_S)
        return Attempt(self._link, due_at - now, deadline_s) if deadline_s > 0 else None

    def _leave_link(self) -> None:
        self._link += 1
        self._tries, self._began_at, self._is_avoided = 0, None, False
