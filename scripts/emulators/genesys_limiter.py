"""Counts what the server sends against the rate limits of the AudioHook client.

Pure: arrival times come in as arguments. Source: AudioHook specification sections 6.2 and 15.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

MessageClass = Literal["binary", "text", "pause", "resume"]

# Burst and average per second; binary from the Genesys limits page, the others single-source.
LIMITS: dict[MessageClass, tuple[int, float]] = {
    "binary": (25, 5.0),
    "text": (25, 5.0),
    "pause": (4, 2.0),
    "resume": (4, 2.0),
}
WINDOW_S = 1.0  # over which the peak rate is counted


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `capacity` tokens and gains `refill_per_s` of them each second."""

    capacity: int
    refill_per_s: float
    tokens: float
    low_water: float
    updated_s: float

    def take(self, now_s: float) -> bool:
        """Spend one token; False when there is none (nothing is spent then)."""
        # A credit may have lifted the level above the capacity: it is not taken back.
        ceiling = max(self.capacity, self.tokens)
        gained = (now_s - self.updated_s) * self.refill_per_s
        self.tokens = min(ceiling, self.tokens + gained)
        self.updated_s = now_s
        if self.tokens < 1:
            self.low_water = 0.0
            return False
        self.tokens -= 1
        self.low_water = min(self.low_water, self.tokens)
        return True


class Limiter:
    """Judges every message of the server by its class."""

    def __init__(self, now_s: float) -> None:
        self._buckets = {
            kind: TokenBucket(burst, average, burst, burst, now_s)
            for kind, (burst, average) in LIMITS.items()
        }
        self._recent: dict[MessageClass, deque[float]] = {kind: deque() for kind in LIMITS}
        self.peak_per_s: dict[MessageClass, int] = dict.fromkeys(LIMITS, 0)
        self.breaches: dict[MessageClass, int] = dict.fromkeys(LIMITS, 0)

    @property
    def low_water(self) -> dict[MessageClass, float]:
        """Fewest tokens that each bucket ever held."""
        return {kind: round(bucket.low_water, 2) for kind, bucket in self._buckets.items()}

    def admit(self, kind: MessageClass, now_s: float) -> bool:
        """Count one message; False when it is over the limit."""
        recent = self._recent[kind]
        recent.append(now_s)
        while recent[0] <= now_s - WINDOW_S:
            recent.popleft()
        self.peak_per_s[kind] = max(self.peak_per_s[kind], len(recent))
        if self._buckets[kind].take(now_s):
            return True
        self.breaches[kind] += 1
        return False

    def credit(self, stalled_s: float) -> None:
        """Allow for a backlog that built up while we did not read, which is no fault of theirs."""
        for bucket in self._buckets.values():
            bucket.tokens += stalled_s * bucket.refill_per_s
