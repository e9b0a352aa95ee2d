"""Time is virtual; its steps are quarters of a second, which floats hold exactly."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dtmf import GAP_S, MAX_DIGITS, DigitRules, DtmfCollector, Entry

T0 = 100.0
USUAL = DigitRules()
PIN = DigitRules(min_digits=4, max_digits=6, cancel="*", first_s=5.0, gap_s=3.0)


Begin = Callable[[str], DtmfCollector]


def all_of(keys: DtmfCollector, now: float) -> list[Entry]:
    return list(iter(lambda: keys.poll(now), None))


def pressed_unasked(digits: str, rules: DigitRules = USUAL) -> DtmfCollector:
    keys = DtmfCollector(rules)
    keys.press(digits, T0)
    return keys


def pressed_in_answer(digits: str, rules: DigitRules = PIN) -> DtmfCollector:
    keys = DtmfCollector()
    keys.expect(rules, T0)
    keys.press(digits, T0)
    return keys


# ---------------------------------------------------------------- entries that nobody waits for


def test_nothing_is_due_before_a_key_was_pressed():
    keys = DtmfCollector()

    assert keys.next_due_s(T0) == math.inf
    assert keys.poll(T0) is None
    assert (keys.has_keys(T0), keys.is_expecting, keys.pressed_at) == (False, False, 0.0)


def test_first_digit_clock_does_not_run_when_nobody_waits():
    keys = DtmfCollector(DigitRules(first_s=1.0))

    assert keys.next_due_s(T0) == math.inf
    assert keys.poll(T0 + 10) is None


def test_keys_are_one_entry_after_a_pause():
    keys = DtmfCollector()
    keys.press("1", T0)
    keys.press("2", T0 + 1.5)

    early = keys.poll(T0 + 1.5 + GAP_S - 0.25)
    due_s = keys.next_due_s(T0 + 2)

    assert early is None
    assert due_s == 1.5
    assert keys.poll(T0 + 1.5 + GAP_S) == Entry("12", "complete")


@pytest.mark.parametrize(
    ("rules", "digits", "entries"),
    [
        pytest.param(DigitRules(), "1#", [("1", "complete")], id="terminator"),
        pytest.param(DigitRules(), "#", [("#", "complete")], id="terminator-alone-is-a-key"),
        pytest.param(DigitRules(), "*9#", [("*9", "complete")], id="star-is-a-key"),
        pytest.param(
            DigitRules(), "12#34#5", [("12", "complete"), ("34", "complete")], id="in-one-message"
        ),
        pytest.param(DigitRules(), "1##", [("1", "complete"), ("#", "complete")], id="twice"),
        pytest.param(DigitRules(terminator=""), "1#", [], id="no-terminator"),
        pytest.param(
            DigitRules(terminator="*"), "1#*", [("1#", "complete")], id="other-terminator"
        ),
        pytest.param(
            DigitRules(max_digits=2),
            "12345",
            [("12", "complete"), ("34", "complete")],
            id="maximum",
        ),
        pytest.param(
            DigitRules(max_digits=2),
            "12##",
            [("12", "complete"), ("#", "complete")],
            id="key-after",
        ),
        pytest.param(DigitRules(min_digits=3), "12#", [("12", "too_short")], id="minimum"),
        pytest.param(DigitRules(min_digits=3), "#", [("#", "complete")], id="key-despite-minimum"),
        pytest.param(
            DigitRules(cancel="*"), "12*3#", [("", "cancelled"), ("3", "complete")], id="cancel"
        ),
        pytest.param(DigitRules(cancel="*"), "*9#", [("*9", "complete")], id="nothing-to-cancel"),
        pytest.param(DigitRules(cancel="*"), "**", [("", "cancelled")], id="cancelled-cancel-key"),
    ],
)
def test_unasked_keys_become_entries_at_once(
    rules: DigitRules, digits: str, entries: list[tuple[str, str]]
):
    keys = pressed_unasked(digits, rules)

    assert [(entry.digits, entry.status) for entry in all_of(keys, T0)] == entries


def test_keys_after_a_finished_entry_begin_the_next_one():
    keys = pressed_unasked("12#5")
    keys.poll(T0)

    assert keys.has_keys(T0)
    assert keys.next_due_s(T0) == GAP_S
    assert all_of(keys, T0 + GAP_S) == [Entry("5", "complete")]


def test_too_few_keys_before_a_pause_are_too_short():
    keys = pressed_unasked("12", DigitRules(min_digits=3, gap_s=1.0))

    assert keys.poll(T0 + 1) == Entry("12", "too_short")


def test_entry_without_a_gap_waits_for_its_terminator():
    keys = pressed_unasked("12", DigitRules(gap_s=math.inf))

    assert keys.next_due_s(T0) == math.inf
    assert keys.poll(T0 + 1_000) is None


def test_entry_is_handed_out_once():
    keys = pressed_unasked("1#")
    keys.poll(T0)

    assert keys.poll(T0 + 100) is None
    assert keys.next_due_s(T0 + 100) == math.inf


@pytest.mark.parametrize(
    ("later_s", "entries"),
    [(GAP_S - 0.25, ["12"]), (GAP_S, ["1", "2"]), (GAP_S + 10, ["1", "2"])],
)
def test_a_late_key_begins_a_new_entry(later_s: float, entries: list[str]):
    """Whether or not somebody has polled between the two."""
    keys = pressed_unasked("1")

    keys.press("2", T0 + later_s)

    assert [entry.digits for entry in all_of(keys, T0 + later_s + GAP_S)] == entries


@pytest.mark.parametrize(
    ("rules", "entries"),
    [
        pytest.param(DigitRules(gap_s=1.0), ["123"], id="pause"),
        pytest.param(DigitRules(max_digits=2, gap_s=1.0), ["12", "3"], id="maximum"),
        pytest.param(DigitRules(terminator="3"), ["12"], id="terminator"),
    ],
)
def test_other_rules_hold_for_the_unfinished_entry_too(rules: DigitRules, entries: list[str]):
    keys = pressed_unasked("123")

    keys.follow(rules)

    assert [entry.digits for entry in all_of(keys, T0 + 1)] == entries


def test_other_rules_hold_for_the_entries_to_come():
    keys = DtmfCollector()
    keys.follow(DigitRules(max_digits=2))

    keys.press("123456", T0)

    assert [entry.digits for entry in all_of(keys, T0)] == ["12", "34", "56"]


def test_the_moment_of_the_latest_key_is_known():
    keys = DtmfCollector()
    keys.press("1", 10.0)
    keys.press("2", 10.5)
    keys.press("", 11.0)
    keys.poll(20.0)

    assert keys.pressed_at == 10.5


# ---------------------------------------------------------------- entries that somebody waits for


@pytest.mark.parametrize(
    ("digits", "entry"),
    [
        pytest.param("1234#", Entry("1234", "complete"), id="terminator"),
        pytest.param("123456", Entry("123456", "complete"), id="maximum"),
        pytest.param("123#", Entry("123", "too_short"), id="minimum"),
        pytest.param("#", Entry("", "too_short"), id="terminator-alone"),
        pytest.param("123*", Entry("", "cancelled"), id="cancel"),
        pytest.param("*", Entry("", "cancelled"), id="cancel-alone"),
    ],
)
def test_answer_ends_at_once_and_ends_the_waiting(digits: str, entry: Entry):
    keys = pressed_in_answer(digits)

    was_expecting = keys.is_expecting
    answer = keys.poll(T0)

    assert was_expecting
    assert answer == entry
    assert not keys.is_expecting
    assert keys.next_due_s(T0) == math.inf


@pytest.mark.parametrize(
    ("digits", "entry"),
    [
        ("1234", Entry("1234", "complete")),
        ("123", Entry("123", "too_short")),
    ],
)
def test_answer_ends_after_a_pause(digits: str, entry: Entry):
    keys = pressed_in_answer(digits)

    assert keys.next_due_s(T0) == PIN.gap_s
    assert keys.poll(T0 + PIN.gap_s - 0.25) is None
    assert keys.poll(T0 + PIN.gap_s) == entry


def test_terminator_alone_answers_when_no_digit_is_needed():
    keys = pressed_in_answer("#", DigitRules(min_digits=0))

    assert keys.poll(T0) == Entry("", "complete")


def test_no_key_in_time_is_told_once():
    keys = DtmfCollector()
    keys.expect(PIN, T0)

    due_s = keys.next_due_s(T0 + 1)
    early = keys.poll(T0 + PIN.first_s - 0.25)

    assert due_s == PIN.first_s - 1
    assert early is None
    assert all_of(keys, T0 + PIN.first_s) == [Entry("", "no_digits")]
    assert not keys.is_expecting


def test_key_after_the_time_for_the_first_one_is_no_answer():
    keys = DtmfCollector()
    keys.expect(PIN, T0)

    keys.press("1#", T0 + PIN.first_s)

    assert keys.is_expecting
    assert all_of(keys, T0 + PIN.first_s) == [Entry("", "no_digits"), Entry("1", "complete")]


def test_keys_after_the_answer_go_by_the_rules_of_unasked_ones():
    keys = pressed_in_answer("1234#**#")

    assert all_of(keys, T0) == [Entry("1234", "complete"), Entry("**", "complete")]


def test_time_for_the_first_key_starts_again_after_the_question():
    keys = DtmfCollector()
    keys.expect(PIN, T0)

    keys.wait_from(T0 + 4)

    assert keys.poll(T0 + PIN.first_s) is None
    assert keys.next_due_s(T0 + PIN.first_s) == 4


def test_a_question_may_take_longer_than_the_time_for_the_first_key():
    keys = DtmfCollector()
    keys.expect(PIN, T0)

    keys.wait_from(T0 + PIN.first_s + 1)

    assert keys.poll(T0 + PIN.first_s + 1) is None
    assert keys.next_due_s(T0 + PIN.first_s + 1) == PIN.first_s


@pytest.mark.parametrize(
    ("begin", "digits", "due_s"),
    [
        pytest.param(pressed_in_answer, "1", PIN.gap_s, id="key-pressed"),
        pytest.param(pressed_in_answer, "#", 0.0, id="answered"),
        pytest.param(pressed_unasked, "1", GAP_S, id="nobody-waits"),
        pytest.param(pressed_unasked, "", math.inf, id="nothing-at-all"),
    ],
)
def test_end_of_the_question_changes_nothing_else(begin: Begin, digits: str, due_s: float):
    keys = begin(digits)

    keys.wait_from(T0 + 1)

    assert keys.next_due_s(T0) == due_s


def test_keys_typed_ahead_begin_the_answer():
    keys = pressed_unasked("12")

    keys.expect(PIN, T0 + 1)
    keys.press("34#", T0 + 2)

    assert all_of(keys, T0 + 2) == [Entry("1234", "complete")]


def test_keys_typed_ahead_leave_time_to_hear_the_question():
    keys = pressed_unasked("12")

    keys.expect(PIN, T0 + 1)

    assert keys.next_due_s(T0 + 1) == PIN.gap_s
    assert keys.poll(T0 + 1 + PIN.gap_s) == Entry("12", "too_short")


def test_keys_typed_ahead_go_by_the_rules_of_the_question():
    keys = pressed_unasked("1234567")

    keys.expect(PIN, T0 + 1)

    assert keys.poll(T0 + 1) == Entry("123456", "complete")
    assert keys.poll(T0 + 1 + GAP_S) == Entry("7", "complete")


@pytest.mark.parametrize(
    ("digits", "asked_after_s"), [("1#", 0.0), ("1", GAP_S)], ids=["terminator", "pause"]
)
def test_entry_finished_before_the_question_is_no_answer(digits: str, asked_after_s: float):
    keys = pressed_unasked(digits)
    keys.expect(PIN, T0 + asked_after_s)

    was_answer = keys.is_expecting
    entry = keys.poll(T0 + asked_after_s)

    assert (entry, was_answer) == (Entry("1", "complete"), False)
    assert keys.is_expecting
    assert keys.poll(T0 + asked_after_s) is None


@pytest.mark.parametrize("digits", ["12", "1234#"], ids=["unfinished", "finished"])
def test_next_question_does_not_get_what_was_pressed_for_the_one_before(digits: str):
    """The two may be of different secrecy."""
    keys = pressed_in_answer(digits)

    keys.expect(DigitRules(first_s=7.0), T0 + 1)

    assert keys.is_expecting
    assert not keys.has_keys(T0 + 1)
    assert keys.next_due_s(T0 + 1) == 7.0
    assert all_of(keys, T0 + 8) == [Entry("", "no_digits")]


def test_keys_after_an_answer_are_typed_ahead_for_the_next_question():
    keys = pressed_in_answer("1234#56")
    keys.poll(T0)

    keys.expect(PIN, T0 + 1)
    keys.press("78#", T0 + 2)

    assert all_of(keys, T0 + 2) == [Entry("5678", "complete")]


@pytest.mark.parametrize("digits", ["", "12", "1234#"], ids=["no-key", "unfinished", "finished"])
def test_what_was_pressed_in_vain_is_dropped(digits: str):
    keys = pressed_in_answer(digits)

    keys.stop_expecting()

    assert (keys.is_expecting, keys.has_keys(T0)) == (False, False)
    assert keys.next_due_s(T0) == math.inf
    assert all_of(keys, T0 + 100) == []


def test_unasked_rules_are_back_after_the_waiting():
    keys = pressed_in_answer("12")
    keys.stop_expecting()

    keys.press("*1#", T0 + 1)

    assert all_of(keys, T0 + 1) == [Entry("*1", "complete")]


def test_other_rules_for_unasked_keys_hold_after_the_waiting():
    keys = pressed_in_answer("12")

    keys.follow(DigitRules(max_digits=1))
    keys.press("34#5", T0 + 1)

    assert all_of(keys, T0 + 1) == [Entry("1234", "complete"), Entry("5", "complete")]


def test_unasked_keys_stay_when_nobody_waited():
    keys = pressed_unasked("12#3")

    keys.stop_expecting()

    assert all_of(keys, T0 + GAP_S) == [Entry("12", "complete"), Entry("3", "complete")]


# ---------------------------------------------------------------- secure pause, end, bounds


@pytest.mark.parametrize(
    ("digits", "clock_s", "entry"),
    [
        ("", PIN.first_s, Entry("", "no_digits")),
        ("1234", PIN.gap_s, Entry("1234", "complete")),
    ],
    ids=["first-digit", "between-digits"],
)
def test_clocks_stand_still_in_a_pause(digits: str, clock_s: float, entry: Entry):
    keys = pressed_in_answer(digits)

    keys.hold(T0 + 1)
    keys.hold(T0 + 2)
    held = (keys.poll(T0 + 60), keys.next_due_s(T0 + 60))
    keys.resume(T0 + 61)
    keys.resume(T0 + 62)

    assert held == (None, math.inf)
    assert keys.next_due_s(T0 + 61) == clock_s - 1
    assert keys.poll(T0 + 60 + clock_s) == entry


def test_keys_pressed_in_a_pause_are_not_kept():
    keys = pressed_in_answer("12")
    keys.hold(T0 + 1)
    keys.press("999#", T0 + 2)
    keys.resume(T0 + 3)

    keys.press("34#", T0 + 4)

    assert all_of(keys, T0 + 4) == [Entry("1234", "complete")]


def test_keys_pressed_in_a_pause_do_not_count_as_the_latest():
    keys = pressed_unasked("1")
    keys.hold(T0 + 1)

    keys.press("2", T0 + 1.5)

    assert keys.pressed_at == T0


@pytest.mark.parametrize(
    ("digits", "held_after_s"), [("1#", 0.0), ("1", GAP_S)], ids=["terminator", "pause"]
)
def test_entry_finished_before_a_pause_is_handed_out_after_it(digits: str, held_after_s: float):
    keys = pressed_unasked(digits)
    keys.hold(T0 + held_after_s)

    held = (keys.poll(T0 + 10), keys.next_due_s(T0 + 10))
    keys.resume(T0 + 20)

    assert held == (None, math.inf)
    assert keys.next_due_s(T0 + 20) == 0
    assert keys.poll(T0 + 20) == Entry("1", "complete")


@pytest.mark.parametrize(
    "act",
    [lambda keys: keys.expect(PIN, T0 + 2), lambda keys: keys.wait_from(T0 + 2)],
    ids=["expect", "wait_from"],
)
def test_clock_that_is_started_in_a_pause_runs_from_its_end(act: Callable[[DtmfCollector], None]):
    keys = DtmfCollector()
    keys.expect(PIN, T0)
    keys.hold(T0 + 1)

    act(keys)
    keys.resume(T0 + 11)

    assert keys.next_due_s(T0 + 11) == PIN.first_s


@pytest.mark.parametrize(
    ("begin", "digits", "was_pressed"),
    [
        pytest.param(pressed_unasked, "", False, id="nothing"),
        pytest.param(pressed_unasked, "12", True, id="unfinished"),
        pytest.param(pressed_unasked, "12#", True, id="not-handed-out"),
        pytest.param(pressed_in_answer, "1", True, id="unfinished-answer"),
        pytest.param(pressed_in_answer, "", False, id="no-answer-yet"),
    ],
)
def test_end_of_the_call_tells_of_keys_that_are_left(begin: Begin, digits: str, was_pressed: bool):
    keys = begin(digits)

    assert keys.flush() is was_pressed
    assert keys.flush() is False
    assert all_of(keys, T0 + 100) == []


def test_keys_that_never_came_are_not_left_at_the_end():
    keys = pressed_in_answer("")
    keys.hold(T0 + PIN.first_s)

    assert keys.flush() is False


def test_flood_keeps_the_newest_keys():
    keys = DtmfCollector()

    keys.press("1" * 1_000 + "2", T0)

    assert all_of(keys, T0 + GAP_S) == [Entry("1" * (MAX_DIGITS - 1) + "2", "complete")]


def test_flood_of_entries_drops_the_oldest():
    keys = DtmfCollector()

    for number in range(100, 200):
        keys.press(f"{number}#", T0)

    newest = [Entry(str(number), "complete") for number in range(200 - MAX_DIGITS // 3, 200)]
    assert all_of(keys, T0) == newest


@pytest.mark.parametrize("key", ["#", "1"])
def test_flood_of_single_keys_is_bounded(key: str):
    keys = DtmfCollector()

    for _ in range(1_000):
        keys.press(key, T0)

    kept = "".join(entry.digits for entry in all_of(keys, T0 + GAP_S))
    assert kept == key * len(kept)
    assert 0 < len(kept) <= MAX_DIGITS


def test_flood_of_cancelled_entries_is_bounded():
    keys = DtmfCollector(DigitRules(cancel="*"))

    for _ in range(1_000):
        keys.press("1*", T0)

    assert all_of(keys, T0) == [Entry("", "cancelled")] * MAX_DIGITS


def test_flood_does_not_drop_an_answer():
    """Its asker would wait for ever."""
    keys = pressed_in_answer("1234#")

    for _ in range(1_000):
        keys.press("9#", T0)

    assert keys.is_expecting
    assert keys.poll(T0) == Entry("1234", "complete")


def test_entry_is_complete_at_the_bound_whatever_its_rules_say():
    keys = pressed_in_answer("1" * MAX_DIGITS, DigitRules(max_digits=MAX_DIGITS + 1))

    assert keys.poll(T0) == Entry("1" * MAX_DIGITS, "complete")


def test_digits_are_not_shown():
    assert "1234" not in repr(Entry("1234", "complete"))


# ---------------------------------------------------------------- whatever happens


TICK_S = 0.25

Step = tuple[int, str, str | DigitRules]
"""Ticks of virtual time that pass, what is done then, with what."""

rule_sets = st.builds(
    DigitRules,
    min_digits=st.integers(0, 4),
    max_digits=st.integers(4, 8),
    terminator=st.sampled_from(["#", ""]),
    cancel=st.sampled_from(["*", ""]),
    first_s=st.sampled_from([1.0, 3.0, math.inf]),
    gap_s=st.sampled_from([0.5, 1.0, 2.0]),
)
_arguments: dict[str, st.SearchStrategy[str | DigitRules]] = {
    "press": st.text(alphabet="12*#", min_size=1, max_size=4),
    "expect": rule_sets,
    "follow": rule_sets,
}


def steps(*names: str, max_size: int = 14) -> st.SearchStrategy[list[Step]]:
    kinds = [
        st.tuples(st.integers(0, 10), st.just(name), _arguments.get(name, st.just("")))
        for name in names
    ]
    return st.lists(st.one_of(kinds), max_size=max_size)


everything = steps("press", "follow", "expect", "stop_expecting", "wait_from", "hold", "resume")


def nothing(_: "Played") -> None:
    pass


@dataclass
class Played:
    """What comes of some steps and of the time after them."""

    keys: DtmfCollector
    now: float = T0
    entries: list[tuple[Entry, bool]] = field(default_factory=list)

    def play(self, script: list[Step], each_tick: Callable[["Played"], None]) -> None:
        for ticks, name, argument in script:
            self.wait(ticks, each_tick)
            self.do(name, argument)
        self.keys.resume(self.now)
        self.wait(60, each_tick)

    def wait(self, ticks: int, each_tick: Callable[["Played"], None]) -> None:
        for _ in range(ticks):
            self.now += TICK_S
            each_tick(self)

    def do(self, name: str, argument: str | DigitRules) -> None:
        times = [] if name in ("follow", "stop_expecting") else [self.now]
        getattr(self.keys, name)(*([argument] if argument else []), *times)

    def take_all(self) -> None:
        """Note the entries that are due, and which of them were waited for."""
        is_answer = self.keys.is_expecting
        while entry := self.keys.poll(self.now):
            self.entries.append((entry, is_answer))
            is_answer = self.keys.is_expecting


def keys_of(entry: Entry, rules: DigitRules) -> str:
    """Return a pattern for the keys that an unasked entry accounts for."""
    if entry.status == "cancelled":
        other = rf"[^*{rules.terminator}]"
        return rf"(\*{other}*|{other}+)\*"
    if entry.digits == rules.terminator:
        return re.escape(entry.digits)
    return re.escape(entry.digits) + f"({rules.terminator})?"


@given(rules=rule_sets, script=steps("press"))
def test_no_key_is_lost_or_made_up(rules: DigitRules, script: list[Step]):
    played = Played(DtmfCollector(rules))

    played.play(script, Played.take_all)

    pressed = "".join(str(keys) for _, _, keys in script)
    assert re.fullmatch("".join(keys_of(entry, rules) for entry, _ in played.entries), pressed)
    assert not played.keys.flush()


@given(rules=rule_sets, script=steps("press"))
def test_unasked_entries_keep_their_rules(rules: DigitRules, script: list[Step]):
    played = Played(DtmfCollector(rules))

    played.play(script, Played.take_all)

    for entry, is_answer in played.entries:
        is_enough = len(entry.digits) >= rules.min_digits or entry.digits == rules.terminator
        assert not is_answer
        assert len(entry.digits) <= rules.max_digits
        assert entry.status == "cancelled" or (entry.status == "complete") == is_enough


@given(
    unasked=rule_sets,
    asked=rule_sets,
    before=steps("press", "hold", "resume", max_size=7),
    after=steps("press", "hold", "resume", max_size=7),
)
def test_it_does_not_matter_when_somebody_polls(
    unasked: DigitRules, asked: DigitRules, before: list[Step], after: list[Step]
):
    """As long as the keys are within the bound."""
    script: list[Step] = [*before, (0, "expect", asked), *after]
    early, late = Played(DtmfCollector(unasked)), Played(DtmfCollector(unasked))

    early.play(script, Played.take_all)
    late.play(script, nothing)
    late.take_all()

    assert late.entries == early.entries


@given(unasked=rule_sets, script=everything)
def test_poll_has_something_exactly_when_it_is_due(unasked: DigitRules, script: list[Step]):
    def check(played: Played) -> None:
        is_due = played.keys.next_due_s(played.now) == 0
        assert (played.keys.poll(played.now) is not None) == is_due

    Played(DtmfCollector(unasked)).play(script, check)


@given(unasked=rule_sets, script=everything)
def test_time_until_the_next_entry_is_foretold(unasked: DigitRules, script: list[Step]):
    played = Played(DtmfCollector(unasked))
    for _, name, argument in script:
        played.do(name, argument)
    keys, now = played.keys, T0

    while (due_s := keys.next_due_s(now)) < math.inf:
        assert due_s == 0 or keys.poll(now + due_s - TICK_S) is None
        now += due_s
        assert keys.poll(now) is not None

    assert keys.poll(now + 1_000) is None


@given(asked=rule_sets, script=steps("press", "wait_from", "hold", "resume"))
def test_who_waits_gets_exactly_one_entry(asked: DigitRules, script: list[Step]):
    played = Played(DtmfCollector())

    played.play([(0, "expect", asked), *script], Played.take_all)

    answers = [entry for entry, is_answer in played.entries if is_answer]
    is_waiting = played.keys.is_expecting
    assert len(answers) == (0 if is_waiting else 1)
    assert not is_waiting or asked.first_s == math.inf


def test_terminator_after_a_full_number_is_no_entry_of_its_own():
    keys = DtmfCollector(DigitRules(max_digits=2))
    keys.press("12", T0)
    assert all_of(keys, T0) == [Entry("12", "complete")]

    keys.press("#", T0 + 1.0)

    assert all_of(keys, T0 + 10) == []


def test_terminator_after_a_full_number_does_not_answer_the_next_question():
    keys = DtmfCollector(DigitRules())
    keys.expect(DigitRules(max_digits=2), T0)
    keys.press("12", T0)
    assert all_of(keys, T0) == [Entry("12", "complete")]
    keys.expect(DigitRules(max_digits=2), T0 + 0.5)

    keys.press("#34", T0 + 1.0)

    assert all_of(keys, T0 + 1.0) == [Entry("34", "complete")]


def test_terminator_long_after_a_full_number_is_a_key_of_its_own():
    keys = DtmfCollector(DigitRules(max_digits=2))
    keys.press("12", T0)
    assert all_of(keys, T0) == [Entry("12", "complete")]

    keys.press("#", T0 + 2.0)

    assert all_of(keys, T0 + 2.0) == [Entry("#", "complete")]


def test_an_entry_whose_time_is_over_has_no_keys_though_nobody_polled():
    keys = pressed_unasked("12")

    assert keys.has_keys(T0 + GAP_S - 0.01)
    assert not keys.has_keys(T0 + GAP_S)
