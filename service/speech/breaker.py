"""Whether a provider is worth a try: one breaker each, shared by all calls of the process.

Pure: `now` is monotonic seconds.
"""

from typing import Literal

OPENS_AFTER = 3
"""Failures in a row: one may be this call's own bad luck."""
FIRST_REST_S = 10.0
LONGEST_REST_S = 120.0
TRIAL_S = 15.0
"""A trial that has shown nothing by then does not keep the next one from trying."""

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Closed: everybody tries. Open: nobody does, for a while. Then one tries for all.

    The rest doubles with every trial that fails, from `FIRST_REST_S` to `LONGEST_REST_S`.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._opens_at: float | None = None
        self._trial_at: float | None = None

    def state(self, now: float) -> BreakerState:
        """Return how it stands."""
        if self._opens_at is None:
            return "closed"
        return "open" if now < self._opens_at + self._rest_s else "half_open"

    def may_try(self, now: float) -> bool:
        """Return whether to try the provider now; in the half-open state that is the trial."""
        state = self.state(now)
        if state != "half_open":
            return state == "closed"
        if self._trial_at is not None and now < self._trial_at + TRIAL_S:
            return False
        self._trial_at = now
        return True

    def succeeded(self) -> None:
        """Note that the provider does its work."""
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._opens_at = self._trial_at = None

    def failed(self, now: float, *, for_good: bool = False) -> None:
        """Note a failure; `for_good`: another try would fail likewise, such as a wrong key."""
        self._failures += 1
        if self._opens_at is not None:
            if self.state(now) == "half_open":
                self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
                self._open(now)
        elif for_good or self._failures >= OPENS_AFTER:
            self._open(now)

    def _open(self, now: float) -> None:
        self._opens_at, self._trial_at = now, None
