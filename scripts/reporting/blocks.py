"""The pieces that pages are made of: cards, tables, big figures, lists of names with values."""

from collections.abc import Sequence

from scripts.reporting.markup import Child, Markup, el, join
from scripts.reporting.words import NOTHING


def card(title: str, *body: Child) -> Markup:
    """Return a part of a page under its heading."""
    return el("section", el("h2", title), *body, class_="card")


def tile(label: str, value: str, more: str | None = None) -> Markup:
    """Return one big figure of a `dl` of class `tiles`."""
    return el(
        "div",
        el("dt", label),
        el("dd", value, el("small", more) if more else None),
        class_="tile",
    )


def table(head: Sequence[str], rows: Sequence[Markup], *, texts: int = 1) -> Markup:
    """Return a table that scrolls by itself where it is wider than the page.

    Args:
        head: names of the columns; one without a name holds drawings, whose figures are in others.
        rows: as made by `row` and `bar_row`.
        texts: so many columns hold words, and not figures.
    """
    cells = [
        el("th", each, scope="col", class_="text" if place < texts else None) if each else el("td")
        for place, each in enumerate(head)
    ]
    return el(
        "div",
        el("table", el("thead", el("tr", *cells)), el("tbody", *rows)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=f"table: {', '.join(filter(None, head))}",
    )


def row(first: Child, *cells: Child, texts: int = 1) -> Markup:
    """Return a row of a table; the first cell names it."""
    return el(
        "tr",
        el("th", first, scope="row"),
        *(
            el("td", cell, class_="text" if place < texts else None)
            for place, cell in enumerate(cells, start=1)
        ),
    )


def bar_row(first: Child, drawn: Markup, *cells: Child) -> Markup:
    """Return a row with a bar behind its name."""
    return el(
        "tr",
        el("th", first, scope="row"),
        el("td", drawn, class_="wide"),
        *(el("td", cell) for cell in cells),
    )


def name(text: str, more: str | None = None) -> Markup:
    """Return the name of a row, of some words, with a remark below it."""
    return el("span", text, el("small", more) if more else None, class_="name")


def pairs(values: Sequence[tuple[str, str]]) -> Markup:
    """Return names with their values."""
    return el(
        "dl",
        *(join(el("dt", key), el("dd", value or NOTHING, dir="auto")) for key, value in values),
        class_="pairs",
    )
