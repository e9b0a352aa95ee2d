import re

from hypothesis import given
from hypothesis import strategies as st

from scripts.reporting.overview import Histogram, histogram
from scripts.reporting.plots import Mark, Segment, bar, histogram_plot, legend
from tests.reporting.reader import read


def unit(value: float) -> str:
    return f"{value:g} ms"


def test_segments_of_a_bar_lie_end_to_end_in_their_proportion():
    drawn = read(bar([Segment(1, "a", "one"), Segment(0, "b", "none"), Segment(2, "c", "two")],
                     4, label="parts"))  # fmt: skip

    assert [(r["class"], r["x"], r["width"]) for r in drawn.of("rect")] == [
        ("a", "0%", "25%"),
        ("c", "25%", "50%"),
    ]


def test_a_bar_of_nothing_is_empty():
    assert read(bar([Segment(0, "a", "none")], 0, label="nothing")).of("rect") == []


def test_bars_are_as_high_as_their_counts_and_the_figures_say_them():
    drawn = read(
        histogram_plot(Histogram(100, (2, 4), 1), [Mark(150, "p50")], label="waits", unit=unit)
    )
    heights = [float(r["height"]) for r in drawn.of("rect")]

    assert heights[0] / heights[1] == 0.5
    assert heights[2] / heights[1] == 0.25
    assert drawn.of("rect")[2]["class"] == "beyond"
    assert re.findall(r"(\d+ ms – \d+ ms|200 ms or more) (\d) ", drawn.text) == [
        ("0 ms – 100 ms", "2"),
        ("100 ms – 200 ms", "4"),
        ("200 ms or more", "1"),
    ]
    [mark] = [line for line in drawn.of("line") if line["class"] == "mark"]
    assert mark["x1"] == "50%"


def test_drawings_have_a_name_for_those_who_do_not_see_them():
    for drawn in (
        read(bar([], 1, label="a bar")),
        read(histogram_plot(Histogram(1, (1,)), [], label="a bar", unit=unit)),
    ):
        [svg] = drawn.of("svg")
        assert (svg["role"], svg["aria-label"]) == ("img", "a bar")


@given(st.lists(st.integers(0, 10**7), min_size=1), st.integers(0, 10**8))
def test_everything_is_drawn_inside(values: list[int], mark: int):
    drawn = read(histogram_plot(histogram(values), [Mark(mark, "m")], label="x", unit=unit))

    for rect in drawn.of("rect"):
        assert 0 <= float(rect["x"][:-1]) <= 100
        assert float(rect["x"][:-1]) + float(rect["width"][:-1]) <= 100.01
        assert float(rect["y"]) >= 0
    for line in drawn.of("line"):
        assert 0 <= float(line["x1"].rstrip("%")) <= 100


def test_a_legend_names_its_colours():
    assert [r["class"] for r in read(legend([("a", "one"), ("b", "two")])).of("rect")] == ["a", "b"]
