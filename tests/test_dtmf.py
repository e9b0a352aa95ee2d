import math

from hypothesis import given
from hypothesis import strategies as st

from service.dtmf import GAP_S, MAX_DIGITS, DtmfCollector


def test_nothing_is_due_before_a_key_was_pressed():
    collector = DtmfCollector()

    assert collector.next_due_s(100.0) == math.inf
    assert collector.poll(100.0) is None
    assert collector.flush() is None


def test_keys_are_one_entry_after_a_pause():
    collector = DtmfCollector()
    collector.press("1", 100.0)
    collector.press("2", 101.5)

    early = collector.poll(101.5 + GAP_S - 0.01)
    due_s = collector.next_due_s(102.0)

    assert early is None
    assert due_s == 1.5
    assert collector.poll(101.5 + GAP_S) == "12"


def test_terminator_ends_the_entry_at_once_and_is_not_part_of_it():
    collector = DtmfCollector()
    collector.press("1", 100.0)
    collector.press("#", 100.1)

    assert collector.next_due_s(100.1) == 0
    assert collector.poll(100.1) == "1"


def test_terminator_alone_is_an_entry():
    collector = DtmfCollector()

    collector.press("#", 100.0)

    assert collector.poll(100.0) == "#"


def test_star_is_a_key_like_any_other():
    collector = DtmfCollector()

    collector.press("*9#", 100.0)

    assert collector.poll(100.0) == "*9"


def test_entry_is_handed_out_once():
    collector = DtmfCollector()
    collector.press("1#", 100.0)
    collector.poll(100.0)

    assert collector.poll(200.0) is None
    assert collector.next_due_s(200.0) == math.inf


def test_keys_after_a_terminator_are_the_next_entry_even_when_they_come_together():
    """A stall of the network brings several keys before the first of them is asked for."""
    collector = DtmfCollector()
    for key in "12#34#5":
        collector.press(key, 100.0)

    entries = [collector.poll(100.0) for _ in range(3)]

    assert entries == ["12", "34", None]
    assert collector.poll(100.0 + GAP_S) == "5"


def test_rest_of_an_entry_can_be_taken_before_its_pause():
    collector = DtmfCollector()
    collector.press("12", 100.0)

    assert collector.flush() == "12"
    assert collector.poll(200.0) is None


def test_flood_keeps_the_newest_keys():
    collector = DtmfCollector()

    collector.press("1" * 1_000 + "2", 100.0)

    assert collector.poll(100.0 + GAP_S) == "1" * (MAX_DIGITS - 1) + "2"


@given(keys=st.text(alphabet="0123456789*#", min_size=1, max_size=MAX_DIGITS))
def test_no_key_is_lost_or_made_up(keys: str):
    collector = DtmfCollector()
    for key in keys:
        collector.press(key, 100.0)

    entries = [entry for later in range(100, 300) if (entry := collector.poll(later))]

    ended = keys.split("#")
    assert entries == [entry or "#" for entry in ended[:-1]] + [last for last in ended[-1:] if last]


def test_the_moment_of_the_latest_key_is_known():
    keys = DtmfCollector()
    keys.press("1", 10.0)
    keys.press("2", 10.5)
    keys.poll(20.0)

    assert keys.pressed_at == 10.5
