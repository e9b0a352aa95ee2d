from datetime import timedelta
from pathlib import Path

import pytest

from scripts.reporting.calls import Gaps
from scripts.reporting.overview import DISPOSITIONS, Overview, percentile
from scripts.reporting.overview_page import MAX_DAYS, Listed, gaps_note, overview_body
from scripts.synthetic_day import DAY, write_day
from tests.reporting.reader import Reader, read
from tests.reporting.scene import a_call
from tests.reporting.test_overview import counted


def shown(overview: Overview, gaps: Gaps | None = None, pages: int = 5) -> Reader:
    listed = [
        Listed(facts, f"#c{number}")
        for number, facts in enumerate(overview.chosen(pages, "worst"), start=1)
    ]
    return read(overview_body(overview, gaps or Gaps(), listed, "worst", title="Calls"))


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    folder = tmp_path_factory.mktemp("days")
    for number in range(2):
        write_day(folder, 100, seed=number, day=DAY + timedelta(number))
    return counted(folder)


def test_figures_on_the_page_are_those_of_the_calls(overview: Overview):
    text = shown(overview).text
    waits = overview.waits_ms

    assert f"calls {len(overview.calls)} " in text
    assert f"{len(waits)} answers" in f"{text.replace(',', '')}"
    assert f"median: {percentile(waits, 50)} ms" in text
    assert f"{overview.outcomes['contained']} calls" in text
    assert f"${overview.usd:.2f}" in text
    assert f"{overview.interruptions} interruptions" in text
    for day, figures in overview.days.items():
        outcomes = " ".join(str(figures.outcomes[each]) for each in DISPOSITIONS)
        assert f"outcomes of {day}" in text
        assert outcomes in " ".join(text.split())


def test_what_is_left_out_is_said(overview: Overview):
    gaps = Gaps(open_calls=1_234, refused_lines=1, refused=["a.ndjson:3: not an event"])
    text = shown(overview, gaps).text

    assert "The 5 worst calls have a page each. 195 others are in the figures above only" in text
    assert "in no figure: 1,234 calls." in text
    assert "a.ndjson:3: not an event" in text
    assert gaps_note(Gaps()) is None


def test_listed_calls_are_linked(overview: Overview):
    assert [a["href"] for a in shown(overview).of("a")] == ["#c1", "#c2", "#c3", "#c4", "#c5"]


def test_a_page_of_years_stays_small():
    overview = Overview()
    for number in range(3 * MAX_DAYS):
        started_at = DAY + timedelta(days=number)
        overview.add(a_call(started_at=started_at), lambda gaps: iter(()))

    drawn = shown(overview)

    assert f"{2 * MAX_DAYS} older days are left out here." in drawn.text
    assert len(drawn.of("tr")) < 4 * MAX_DAYS


def test_calls_without_words_answers_or_prices_have_an_overview():
    overview = Overview()
    overview.add(
        a_call(0, answer_latency_ms=(), answers=(), cost=None, duration_ms=0),
        lambda gaps: iter(()),
    )

    text = shown(overview).text

    assert "No caller was answered." in text
    assert "No call has a known price." in text
    assert "Nobody spoke in these calls." in text


def test_every_drawing_has_a_name_and_headings_are_in_order(overview: Overview, tmp_path: Path):
    drawn = shown(overview)

    for svg in drawn.of("svg"):
        assert svg.get("aria-hidden") == "true" or svg["aria-label"]
    levels = [int(tag[1]) for tag, _ in drawn.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
