from scripts.reporting.blocks import bar_row, card, name, pairs, row, table, tile
from tests.reporting.reader import read


def test_tables_name_their_rows_and_columns_and_can_be_scrolled_by_keyboard():
    drawn = read(table(("day", "", "calls"), [bar_row("Monday", name("bar"), "7")]))

    assert [th["scope"] for th in drawn.of("th")] == ["col", "col", "row"]
    [region] = [div for div in drawn.of("div") if div.get("role") == "region"]
    assert (region["tabindex"], region["aria-label"]) == ("0", "table: day, calls")


def test_words_and_figures_are_told_apart():
    drawn = read(table(("at", "function", "took"), [row("0:01", "look_up", "3", texts=2)], texts=2))

    assert [td.get("class") for td in drawn.of("td")] == ["text", None]
    assert [th.get("class") for th in drawn.of("th")] == ["text", "text", None, None]


def test_texts_are_escaped_everywhere():
    evil = "<b>"

    for drawn in (
        card(evil, evil),
        tile(evil, evil, evil),
        row(evil, evil),
        name(evil, evil),
        pairs([(evil, evil)]),
        table((evil,), []),
    ):
        assert read(drawn).of("b") == []
        assert evil in read(drawn).text
