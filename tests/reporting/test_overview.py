"""The figures against a day whose truth is counted here from its events, in another way."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.reporting.calls import Gaps, sources_in
from scripts.reporting.overview import (
    MAX_BINS,
    Overview,
    histogram,
    percentile,
    round_up,
    shares,
)
from scripts.synthetic_day import synthetic_day, write_day
from service.call_events import CallEndedData, TurnData
from tests.reporting.scene import a_call

CALLS, SEED = 150, 7
EVENTS = [event for call in synthetic_day(CALLS, seed=SEED) for event in call]
ENDS = [event.data for event in EVENTS if isinstance(event.data, CallEndedData)]
TURNS = [event.data for event in EVENTS if isinstance(event.data, TurnData)]


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    folder = tmp_path_factory.mktemp("day")
    write_day(folder, CALLS, seed=SEED)
    return counted(folder)


def counted(folder: Path) -> Overview:
    overview = Overview()
    for source in sources_in(folder):
        for call in source(Gaps()):
            overview.add(call, source)
    return overview


def test_figures_of_a_day(overview: Overview):
    assert len(overview.calls) == CALLS
    assert overview.outcomes == Counter(end.disposition for end in ENDS)
    assert overview.ends == Counter((end.disposition, end.end_reason) for end in ENDS)
    assert overview.usd == pytest.approx(sum(e.cost.total or 0 for e in ENDS if e.cost))
    assert overview.unpriced_calls == 0
    assert overview.interruptions == sum(turn.interrupted for turn in TURNS)
    assert list(overview.days) == ["2026-11-22"]


def test_talk_and_silence(overview: Overview):
    caller_ms = sum(turn.end_ms - turn.start_ms for turn in TURNS if turn.speaker == "caller")
    agent_ms = sum(turn.heard_ms for turn in TURNS if turn.speaker == "agent")

    assert (overview.caller_ms, overview.agent_ms) == (caller_ms, agent_ms)
    assert overview.silence_ms == sum(end.duration_ms for end in ENDS) - caller_ms - agent_ms


def test_waits_are_of_answers_and_never_of_calls(overview: Overview):
    waits = sorted(wait for end in ENDS for wait in end.answer_latency_ms)

    assert sorted(overview.waits_ms) == waits
    assert percentile(overview.waits_ms, 95) == waits[math.ceil(len(waits) * 0.95) - 1]
    parts = [overview.parts_ms[part] for part in ("endpointing", "model", "pacing", "own")]
    assert [sum(each) for each in zip(*parts, strict=True)] == overview.waits_ms


def test_days_add_up_to_the_whole(tmp_path: Path):
    from datetime import timedelta

    from scripts.synthetic_day import DAY

    for number in range(3):
        write_day(tmp_path, 20, seed=number, day=DAY + timedelta(number))

    overview = counted(tmp_path)

    assert [day.calls for _, day in sorted(overview.days.items())] == [20, 20, 20]
    assert sum(day.usd for day in overview.days.values()) == pytest.approx(overview.usd)
    assert sum(len(day.waits_ms) for day in overview.days.values()) == len(overview.waits_ms)


def test_worst_calls_are_those_of_the_sql(overview: Overview):
    order = {"failed": 0, "abandoned": 1}
    truth = sorted(
        ENDS,
        key=lambda end: (
            order.get(end.disposition, 2),
            -max(end.answer_latency_ms, default=0),
            end.session_id,
        ),
    )

    chosen = overview.chosen(20, "worst")

    assert [call.session_id for call in chosen] == [end.session_id for end in truth[:20]]


def test_newest_calls_come_first(overview: Overview):
    chosen = overview.chosen(20, "newest")

    times = [call.started_at for call in chosen]
    assert times == sorted((end.started_at for end in ENDS), reverse=True)[:20]


def test_a_call_without_a_price_is_in_no_sum():
    overview = Overview()
    overview.add(a_call(), lambda gaps: iter(()))
    overview.add(a_call(cost=None), lambda gaps: iter(()))

    assert overview.unpriced_calls == 1
    assert overview.usd == overview.calls[0].usd
    assert overview.days["2026-11-22"].unpriced_calls == 1


def test_nobody_spoke_is_not_zero():
    overview = Overview()
    overview.add(a_call(0), lambda gaps: iter(()))

    assert overview.calls[0].agent_share is None


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 100))
def test_percentile_is_a_value_that_so_many_do_not_exceed(values: list[int], per_cent: int):
    value = percentile(values, per_cent)

    assert value in values
    assert sum(each <= value for each in values) >= len(values) * per_cent / 100
    assert sum(each < value for each in values) < len(values) * per_cent / 100


@given(st.lists(st.integers(0, 10**12)))
def test_every_value_is_in_one_bin_of_a_bounded_number(values: list[int]):
    bins = histogram(values)

    assert len(bins.counts) <= MAX_BINS
    assert sum(bins.counts) + bins.beyond == len(values)
    assert bins.beyond <= len(values) * 0.01 + 1
    assert bins.counts[:1] == tuple([sum(value < bins.width for value in values)] if values else [])


@given(st.lists(st.floats(0, 1)))
def test_every_share_is_in_one_of_ten_bins(parts: list[float]):
    bins = shares(parts)

    assert len(bins.counts) == 10
    assert sum(bins.counts) == len(parts)


def test_round_up():
    assert [round_up(value) for value in (0, 0.03, 1, 1.1, 450, 500, 501)] == [
        0, pytest.approx(0.05), 1, 2, 500, 500, 1000,
    ]  # fmt: skip
    assert round_up(2_200, (1, 2, 3)) == 3_000
