from datetime import UTC, datetime
from typing import get_args

from scripts.reporting import words
from scripts.reporting.overview import DISPOSITIONS, WAIT_PARTS
from service.call_events import Disposition, EndReason


def test_every_outcome_end_and_part_has_a_name():
    assert set(words.OUTCOMES) == set(DISPOSITIONS) == set(get_args(Disposition))
    assert set(words.ENDS) == set(get_args(EndReason))
    assert set(words.PARTS) == set(WAIT_PARTS)


def test_numbers_are_written_for_people():
    assert words.count(1234) == "1,234"
    assert [words.some(n, "turn") for n in (0, 1, 1_234)] == ["0 turns", "1 turn", "1,234 turns"]
    assert [words.per_cent(n, 100) for n in (0, 0.25, 9.9, 45, 100)] == [
        "0 %", "0.2 %", "9.9 %", "45 %", "100 %",
    ]  # fmt: skip
    assert words.per_cent(1, 0) == "–"
    assert [words.wait(ms) for ms in (None, 640, 1_250)] == ["–", "640 ms", "1.25 s"]
    assert [words.length(ms) for ms in (4_200, 65_000, 3_723_000)] == [
        "4.2 s", "1:05 min", "1:02:03 h",
    ]  # fmt: skip
    assert [words.usd(value) for value in (None, 0, 0.02468, 1234.5)] == [
        "–", "$0.00", "$0.0247", "$1,234.50",
    ]  # fmt: skip
    assert [words.axis_usd(value) for value in (0, 0.05, 10)] == ["$0", "$0.05", "$10"]
    assert words.cut("word", 4) == "word"
    assert words.cut("words", 4) == "word … (1 more characters)"
    assert words.moment(datetime(2026, 11, 22, 9, 5, tzinfo=UTC)) == "2026-11-22 09:05:00 UTC"
