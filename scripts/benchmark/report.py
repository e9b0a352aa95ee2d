"""What the rounds say together: medians with their spread, ratios, aims met or missed, doubts.

Pure: rounds in, texts out. A ratio is taken within one round, where both had the same machine,
and the median of the rounds' ratios is reported.
"""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from scripts.benchmark.load import Plan, Round
from scripts.benchmark.target import TARGETS, TargetName

NAMES: dict[TargetName, str] = {
    "service": "this service",
    "picows": "bare relay, picows",
    "starlette": "bare relay, Starlette",
}
_ROWS = (
    ("cpu_ms_per_call_s", "CPU, ms per second of a call", 2),
    ("up_p50_ms", "caller audio, added ms, p50", 2),
    ("up_p99_ms", "caller audio, added ms, p99", 2),
    ("down_p50_ms", "first agent audio, added ms, p50", 2),
    ("down_p99_ms", "first agent audio, added ms, p99", 2),
    ("idle_mb", "memory idle, MB", 1),
    ("per_call_kb", "memory per call, kB", 1),
)
_BUSY_SHARE = 0.9
_OTHERS_SHARE = 0.1
_LATE_MS = 2.0
"""Timers of the load have a step of 1 ms; what is later than two was not of its own making."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value."""
        return Spread(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """Return `median (least–most)`."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}–{self.most:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Aim:
    """Something that we want to be true of the service: a figure that is at most `limit`."""

    name: str
    unit: str
    limit: float
    figure: Spread

    @property
    def is_met(self) -> bool:
        """True when the median keeps the limit."""
        return self.figure.median <= self.limit

    @property
    def verdict(self) -> str:
        """`met` or `missed`."""
        return "met" if self.is_met else "missed"


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured.

    Attributes:
        machine: what it was measured on, by the names of what is known of it.
        starts_s: of the service, from process start to `/readyz`.
        rounds: per target, in order; the same number for each.
    """

    machine: dict[str, str | int]
    plan: Plan
    starts_s: list[float]
    rounds: dict[TargetName, list[Round]]

    def spread(self, target: TargetName, figure: str) -> Spread:
        """Return one figure of one target over the rounds."""
        return Spread.of([getattr(done, figure) for done in self.rounds[target]])

    def ratio(self, yardstick: TargetName) -> Spread:
        """Return the service's CPU as a multiple of the yardstick's, round by round."""
        pairs = zip(self.rounds["service"], self.rounds[yardstick], strict=True)
        return Spread.of([ours.cpu_ms_per_call_s / bare.cpu_ms_per_call_s for ours, bare in pairs])

    def aims(self) -> list[Aim]:
        """Return what we want of the service beside what came out."""
        return [
            Aim("CPU, of the bare relay in picows", "×", 3.5, self.ratio("picows")),
            Aim("CPU, of the bare relay on Starlette", "×", 1.5, self.ratio("starlette")),
            Aim("caller audio, added p99", "ms", 5, self.spread("service", "up_p99_ms")),
            Aim("first agent audio, added p99", "ms", 5, self.spread("service", "down_p99_ms")),
            Aim("memory idle", "MB", 60, self.spread("service", "idle_mb")),
            Aim("memory per call", "kB", 80, self.spread("service", "per_call_kb")),
            Aim("process start to ready", "s", 0.5, Spread.of(self.starts_s)),
        ]

    def doubts(self) -> list[str]:
        """Return what a reader must know before believing the figures; empty is best."""
        found = []
        for target, rounds in self.rounds.items():
            found += [
                f"round {number}, {NAMES[target]}: {doubt}"
                for number, done in enumerate(rounds, start=1)
                for doubt in _doubts_of(done)
            ]
        return found


def as_json(results: Results) -> str:
    """Return one JSON object: medians, ratios, aims, doubts, and every round."""
    figures = [field.name for field in dataclasses.fields(Round)]
    report = {
        "machine": results.machine,
        "load": results.plan,
        "figures": {
            target: {figure: results.spread(target, figure) for figure in figures}
            for target in results.rounds
        },
        "ready_s": Spread.of(results.starts_s),
        "cpu_ratio": {"picows": results.ratio("picows"), "starlette": results.ratio("starlette")},
        "aims": [_aim_object(aim) for aim in results.aims()],
        "doubts": results.doubts(),
        "rounds": results.rounds,
    }
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def as_text(results: Results) -> str:
    """Return the tables for people."""
    heads = ["", *(NAMES[target] for target in TARGETS)]
    aims = [
        [aim.name, f"{aim.figure.text(2)} {aim.unit}", f"≤ {aim.limit:g} {aim.unit}", aim.verdict]
        for aim in results.aims()
    ]
    sections = [
        _headline(results),
        _columns([heads, *_figure_rows(results), *_load_rows(results)]),
        _columns([["aim", "median (least–most)", "wanted", ""], *aims]),
        "\n".join(["Doubts:", *(f"- {doubt}" for doubt in results.doubts() or ["none"])]),
    ]
    return "\n\n".join(sections)


def as_markdown(results: Results) -> str:
    """Return the table of the README with its caption."""
    heads = ["median (least–most)", *(NAMES[target] for target in TARGETS)]
    multiple = [
        "CPU of this service, as a multiple",
        "1",
        *(results.ratio(bare).text(2) for bare in TARGETS[1:]),
    ]
    ready = ["process start to ready, s", Spread.of(results.starts_s).text(2), "–", "–"]
    rows = [*_figure_rows(results), multiple, ready]
    lines = [
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(TARGETS)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return f"{_headline(results)}\n\n" + "\n".join(lines)


def _doubts_of(done: Round) -> list[str]:
    """Return what speaks against one round."""
    questions: list[tuple[Callable[[Round], bool], str]] = [
        (
            lambda r: r.load_share > _BUSY_SHARE,
            f"the load took {done.load_share:.2f} of its core and may have been the limit",
        ),
        (
            lambda r: r.target_share > _BUSY_SHARE,
            f"the target took {done.target_share:.2f} of its core: too many calls for latencies",
        ),
        (
            lambda r: r.others_share > _OTHERS_SHARE,
            f"other processes took {done.others_share:.2f} cores",
        ),
        (
            lambda r: r.load_late_p99_ms > _LATE_MS,
            f"the load itself ran {done.load_late_p99_ms:.1f} ms late at p99",
        ),
        (
            lambda r: r.frames_lost + r.answers_lost > 0,
            f"{done.frames_lost} of {done.frames} caller frames and {done.answers_lost} of "
            f"{done.answers} answers did not arrive",
        ),
    ]
    return [doubt for is_doubtful, doubt in questions if is_doubtful(done)]


def _aim_object(aim: Aim) -> dict[str, object]:
    return {
        "name": aim.name,
        "unit": aim.unit,
        "limit": aim.limit,
        "median": aim.figure.median,
        "met": aim.is_met,
    }


def _headline(results: Results) -> str:
    machine, plan = results.machine, results.plan
    rounds = len(results.rounds["service"])
    return (
        f"{plan.calls} calls at once for {plan.seconds:g} s, caller frames of {plan.frame_ms} ms, "
        f"agent speaking 80 % of the time; signed upgrades, events off; median of {rounds} "
        f"alternating rounds; {machine['cores']} × {machine['cpu']}, Python {machine['python']}, "
        f"{machine['system']}."
    )


def _figure_rows(results: Results) -> list[list[str]]:
    return [
        [label, *(results.spread(target, figure).text(digits) for target in TARGETS)]
        for figure, label, digits in _ROWS
    ]


def _load_rows(results: Results) -> list[list[str]]:
    rows = (
        ("target_share", "target, share of a core"),
        ("load_share", "load process, share of a core"),
        ("others_share", "others, share of a core"),
        ("load_late_p99_ms", "load behind its schedule, ms, p99"),
        ("heard_share", "agent audio heard, s per s"),
        ("frames_lost", "caller frames lost"),
        ("answers_lost", "answers lost"),
    )
    return [
        [label, *(results.spread(target, figure).text(2) for target in TARGETS)]
        for figure, label in rows
    ]


def _columns(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
