"""The figures of many calls, made of one pass over them. Pure: no drawing, no reading.

The same questions as in `service/analytics/sql`, and the same answers: waits are counted answer by
answer, percentiles are nearest rank, and what has no price is in no sum.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from scripts.reporting.calls import Call, Source
from service.call_events import Disposition, EndReason

DISPOSITIONS: tuple[Disposition, ...] = ("contained", "escalated", "abandoned", "failed")
"""All of them, the best first."""
Order = Literal["worst", "newest"]

_BADNESS: dict[Disposition, int] = {"failed": 0, "abandoned": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What the overview keeps of a call; `source` reads it again. Talk is in ms, as heard."""

    session_id: str
    started_at: datetime
    duration_ms: int
    bot_id: str
    disposition: Disposition
    end_reason: EndReason
    longest_wait_ms: int | None
    interruptions: int
    caller_ms: int
    agent_ms: int
    usd: float | None
    source: Source

    @property
    def agent_share(self) -> float | None:
        """The agent's part of all speech, 0–1; None where nobody spoke."""
        spoken_ms = self.caller_ms + self.agent_ms
        return self.agent_ms / spoken_ms if spoken_ms else None


@dataclass(slots=True)
class Day:
    """One day (UTC) of the calls' starts."""

    outcomes: Counter[Disposition] = field(default_factory=Counter)
    usd: float = 0.0
    unpriced_calls: int = 0
    waits_ms: list[int] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls began that day."""
        return self.outcomes.total()


@dataclass(slots=True)
class Overview:
    """All figures of a folder; feed it with `add`."""

    calls: list[CallFacts] = field(default_factory=list)
    days: dict[str, Day] = field(default_factory=lambda: defaultdict(Day))
    ends: Counter[tuple[Disposition, EndReason]] = field(default_factory=Counter)
    waits_ms: list[int] = field(default_factory=list)
    silence_ms: int = 0
    parts_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, call: Call, source: Source) -> None:
        """Count a call."""
        facts = facts_of(call, source)
        ended = call.ended
        day = self.days[f"{ended.started_at:%Y-%m-%d}"]
        day.outcomes[ended.disposition] += 1
        day.waits_ms.extend(ended.answer_latency_ms)
        if facts.usd is None:
            day.unpriced_calls += 1
        else:
            day.usd += facts.usd
        self.ends[ended.disposition, ended.end_reason] += 1
        self.waits_ms.extend(ended.answer_latency_ms)
        for answer in ended.answers:
            for part in WAIT_PARTS:
                self.parts_ms[part].append(getattr(answer, f"{part}_ms"))
        self.silence_ms += max(0, ended.duration_ms - facts.caller_ms - facts.agent_ms)
        self.calls.append(facts)

    @property
    def outcomes(self) -> Counter[Disposition]:
        """How many calls had each outcome."""
        return sum((day.outcomes for day in self.days.values()), Counter())

    @property
    def usd(self) -> float:
        """What all calls with a known price cost."""
        return math.fsum(call.usd for call in self.calls if call.usd is not None)

    @property
    def unpriced_calls(self) -> int:
        """How many calls have no known price."""
        return sum(call.usd is None for call in self.calls)

    @property
    def caller_ms(self) -> int:
        """How long callers spoke."""
        return sum(call.caller_ms for call in self.calls)

    @property
    def agent_ms(self) -> int:
        """How long agents were heard."""
        return sum(call.agent_ms for call in self.calls)

    @property
    def interruptions(self) -> int:
        """How often callers spoke into the agent's words."""
        return sum(call.interruptions for call in self.calls)

    def chosen(self, count: int, order: Order) -> list[CallFacts]:
        """Return the calls to have a page: the first so many in the order.

        `worst`: failed ones, then abandoned ones, then the longest wait; as `worst_calls.sql`.
        """
        if order == "newest":
            ordered = sorted(self.calls, key=lambda call: call.session_id)
            ordered.sort(key=lambda call: call.started_at, reverse=True)
        else:
            ordered = sorted(self.calls, key=_worst_first)
        return ordered[:count]


WAIT_PARTS = ("endpointing", "model", "tools", "pacing", "own")
"""What an answer is waited for, in their order; the fields of `AnswerLatency` without `_ms`."""


def facts_of(call: Call, source: Source) -> CallFacts:
    """Return what the overview keeps of a call."""
    ended = call.ended
    agent = [turn for turn in call.turns if turn.speaker == "agent"]
    return CallFacts(
        session_id=ended.session_id,
        started_at=ended.started_at,
        duration_ms=ended.duration_ms,
        bot_id=ended.bot_id,
        disposition=ended.disposition,
        end_reason=ended.end_reason,
        longest_wait_ms=max(ended.answer_latency_ms, default=None),
        interruptions=sum(turn.interrupted for turn in agent),
        caller_ms=sum(t.end_ms - t.start_ms for t in call.turns if t.speaker == "caller"),
        agent_ms=sum(turn.heard_ms for turn in agent),
        usd=ended.cost.total if ended.cost else None,
        source=source,
    )


def percentile(values: Sequence[int], per_cent: int) -> int | None:
    """Return the nearest rank: the smallest value that so many per cent do not exceed."""
    if not values:
        return None
    return sorted(values)[math.ceil(len(values) * per_cent / 100) - 1]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in `[i * width, (i + 1) * width)`; those beyond the last are `beyond`."""

    width: float
    counts: tuple[int, ...]
    beyond: int = 0

    @property
    def end(self) -> float:
        """Where the last bin ends."""
        return self.width * len(self.counts)


MAX_BINS = 32


def histogram(values: Sequence[float]) -> Histogram:
    """Count values (none below 0) in at most `MAX_BINS` bins of a round width, 99 % inside."""
    if not values:
        return Histogram(1, ())
    ordered = sorted(values)
    reach = ordered[math.ceil(len(ordered) * 0.99) - 1]
    step = round_up(reach / (MAX_BINS - 1)) or 1
    bins = min(MAX_BINS, int(reach / step) + 1)
    counts = [0] * bins
    beyond = 0
    for value in ordered:
        place = int(value / step)
        if place < bins:
            counts[max(0, place)] += 1
        else:
            beyond += 1
    return Histogram(step, tuple(counts), beyond)


def shares(parts: Sequence[float]) -> Histogram:
    """Count parts of a whole (0–1) in ten bins of 10 %; the last one holds the whole."""
    counted = Counter(min(9, int(part * 10)) for part in parts)
    return Histogram(10, tuple(counted[place] for place in range(10)))


def round_up(value: float, steps: Sequence[int] = (1, 2, 5)) -> float:
    """Return the next step times a power of ten; 0 for what is not positive."""
    if value <= 0:
        return 0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (*steps, 10) if power * step >= value * (1 - 1e-9))


def _worst_first(call: CallFacts) -> tuple[int, int, str]:
    return (_BADNESS.get(call.disposition, 2), -(call.longest_wait_ms or 0), call.session_id)
