"""Drawings as inline SVG that stretch with the page while their letters stay readable.

There is no `viewBox`: places across are per cent of the width, heights and letters are pixels, so
a telephone shows the same drawing, narrower. Colours are classes of `report.css`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.reporting.blocks import row, table
from scripts.reporting.markup import Child, Markup, el, join
from scripts.reporting.overview import Histogram, round_up

BAR_HEIGHT = 14
PLOT_TOP, PLOT_BASE, PLOT_HEIGHT = 34, 184, 208
"""Of a histogram, in pixels: two lines of marks, the bars, a line of labels."""
X_LABELS = 6
BEFORE_MORE = 0.87
"""Part of the width that labels may begin in where the last one says `more`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: its class gives the colour, its title is told on hovering."""

    amount: float
    class_: str
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across a histogram at a value, with its label."""

    value: float
    label: str


def bar(segments: Sequence[Segment], whole: float, *, label: str) -> Markup:
    """Return a bar of segments one after the other, `whole` being the full width."""
    drawn, x = [], 0.0
    for segment in segments:
        width = _share(segment.amount, whole)
        if width > 0:
            drawn.append(
                el(
                    "rect",
                    el("title", segment.title),
                    class_=segment.class_,
                    x=_pc(x),
                    width=_pc(width),
                    height=BAR_HEIGHT,
                )
            )
        x += width
    return picture(label, *drawn, height=BAR_HEIGHT, class_="bar")


def picture(label: str, *drawn: Child, height: int, class_: str) -> Markup:
    """Return an image for the eye, with the text that stands for it elsewhere."""
    return el(
        "svg",
        el("title", label),
        *drawn,
        class_=class_,
        width="100%",
        height=height,
        role="img",
        aria_label=label,
    )


def histogram_plot(
    bins: Histogram, marks: Sequence[Mark], *, label: str, unit: Callable[[float], str]
) -> Markup:
    """Return the histogram as a picture, and its figures as a table that can be opened.

    Args:
        bins: what to draw; must hold a value.
        marks: at most two lines, such as percentiles.
        label: what it shows.
        unit: writes a value of the axis.
    """
    places = len(bins.counts) + bool(bins.beyond)
    top = round_up(max(*bins.counts, bins.beyond, 1), (1, 2, 3, 4, 6, 8))
    drawn = [
        *_grid(top),
        *_bars(bins, places, top, unit),
        *_x_labels(bins, places, unit),
        *(_mark(mark, line, bins, places) for line, mark in enumerate(marks)),
    ]
    return join(
        picture(label, *drawn, height=PLOT_HEIGHT, class_="plot"),
        _figures(
            [(_range(bins, place, unit), f"{n:,}") for place, n in enumerate(bins.counts) if n]
            + ([(f"{unit(bins.end)} or more", f"{bins.beyond:,}")] if bins.beyond else []),
        ),
    )


def _figures(rows: Sequence[tuple[str, str]]) -> Markup:
    """Return the figures of a picture, for ears, and for those who want to copy them."""
    return el(
        "details",
        el("summary", "the figures"),
        table(("from – to", "count"), [row(*cells) for cells in rows]),
    )


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Return what the colours mean: pairs of a class and its name."""
    return el(
        "ul",
        *(
            el(
                "li",
                el(
                    "svg",
                    el("rect", class_=class_, width="12", height="12"),
                    width="12",
                    height="12",
                    aria_hidden="true",
                ),
                name,
            )
            for class_, name in entries
        ),
        class_="legend",
    )


def _grid(top: float) -> list[Markup]:
    drawn = []
    for step in range(3):
        y = PLOT_BASE - (PLOT_BASE - PLOT_TOP) * step / 2
        amount = top * step / 2
        drawn.append(el("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
        if amount == int(amount):
            drawn.append(
                el("text", f"{int(amount):,}", class_="label", x="-6", y=y + 4, text_anchor="end")
            )
    return drawn


def _bars(bins: Histogram, places: int, top: float, unit: Callable[[float], str]) -> list[Markup]:
    step = 100 / places
    drawn = []
    for place, number in enumerate((*bins.counts, *([bins.beyond] if bins.beyond else []))):
        if not number:
            continue
        is_beyond = place == len(bins.counts)
        # A single value must be seen beside thousands.
        height = max(2.0, (PLOT_BASE - PLOT_TOP) * number / top)
        span = f"{unit(bins.end)} or more" if is_beyond else _range(bins, place, unit)
        drawn.append(
            el(
                "rect",
                el("title", f"{span}: {number:,}"),
                class_="beyond" if is_beyond else "value",
                x=_pc(step * place + step * 0.06),
                width=_pc(step * 0.88),
                y=PLOT_BASE - height,
                height=height,
            )
        )
    return drawn


def _x_labels(bins: Histogram, places: int, unit: Callable[[float], str]) -> list[Markup]:
    shown = len(bins.counts)
    every = max(1, -(-shown // X_LABELS))
    labels = [(place, unit(place * bins.width)) for place in range(0, shown + 1, every)]
    if bins.beyond:
        labels = [label for label in labels if label[0] / places < BEFORE_MORE]
    drawn = [
        el(
            "text",
            text,
            # Every other one goes where the page is narrow.
            class_="label spare" if number % 2 else "label",
            x=_pc(100 * place / places),
            y=PLOT_BASE + 18,
            text_anchor=_anchor(place / places),
        )
        for number, (place, text) in enumerate(labels)
    ]
    if bins.beyond:
        drawn.append(
            el("text", "more", class_="label", x="100%", y=PLOT_BASE + 18, text_anchor="end")
        )
    return drawn


def _mark(mark: Mark, line: int, bins: Histogram, places: int) -> Markup:
    place = min(mark.value / bins.width, places)
    share = place / places
    is_right = share > 0.6
    return el(
        "g",
        el("line", class_="mark", x1=_pc(100 * share), x2=_pc(100 * share), y1=14 * line + 4,
           y2=PLOT_BASE),
        el("text", mark.label, class_="mark-label", x=_pc(100 * share), dx=-5 if is_right else 5,
           y=14 * line + 13, text_anchor="end" if is_right else "start"),
    )  # fmt: skip


def _range(bins: Histogram, place: int, unit: Callable[[float], str]) -> str:
    return f"{unit(place * bins.width)} – {unit((place + 1) * bins.width)}"


def _anchor(share: float) -> str:
    return "start" if share < 0.02 else "end" if share > 0.98 else "middle"


def _share(amount: float, whole: float) -> float:
    return 100 * amount / whole if whole > 0 else 0.0


def _pc(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"
