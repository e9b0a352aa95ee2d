import math

import pytest

from service.bots.port import DigitField, Keypad
from service.dtmf import DigitRules, Entry
from service.keypad import (
    MAX_COMMANDS,
    AskedEntry,
    CallKeypad,
    KeyCommand,
    KeyEvent,
    UnaskedEntry,
)
from service.tools.port import EndCall, TransferToAgent

T0 = 100.0
PERSON = TransferToAgent("key")
KEYPAD = Keypad(keys={"0": PERSON, "*": EndCall()})
PIN = DigitField(
    name="pin",
    description="The PIN.",
    rules=DigitRules(min_digits=4, max_digits=6, cancel="*", first_s=10.0, gap_s=3.0),
)


def events(keypad: CallKeypad, now: float) -> list[KeyEvent]:
    found = []
    while event := keypad.poll(now):
        found.append(event)
    return found


@pytest.fixture
def keypad() -> CallKeypad:
    return CallKeypad(KEYPAD)


@pytest.fixture
def asking(keypad: CallKeypad) -> CallKeypad:
    keypad.ask(PIN, "call_1", T0)
    return keypad


# Single keys.


def test_a_mapped_key_acts_at_once(keypad: CallKeypad):
    keypad.press("0", T0)

    assert keypad.next_due_s(T0) == 0
    assert events(keypad, T0) == [KeyCommand(PERSON)]
    assert keypad.next_due_s(T0) == math.inf


def test_a_mapped_key_within_an_entry_is_a_digit(keypad: CallKeypad):
    keypad.press("10", T0)

    assert events(keypad, T0) == []
    assert events(keypad, T0 + 2) == [UnaskedEntry("10")]


def test_a_mapped_key_acts_again_once_the_entry_before_it_is_over(keypad: CallKeypad):
    keypad.press("12", T0)
    before = events(keypad, T0 + 2)

    keypad.press("0", T0 + 2)

    assert before == [UnaskedEntry("12")]
    assert events(keypad, T0 + 2) == [KeyCommand(PERSON)]


def test_a_mapped_key_is_a_digit_of_the_number_that_was_asked_for(asking: CallKeypad):
    asking.press("0000#", T0)

    assert events(asking, T0) == [AskedEntry("call_1", PIN, Entry("0000", "complete"))]


def test_impatient_callers_are_obeyed_a_few_times_only(keypad: CallKeypad):
    keypad.press("0" * 50, T0)
    keypad.press("0", T0)

    assert events(keypad, T0) == [KeyCommand(PERSON)] * MAX_COMMANDS


def test_keys_of_another_bot_have_its_meaning(keypad: CallKeypad):
    keypad.follow(Keypad(keys={"1": PERSON}))

    keypad.press("10", T0)

    assert events(keypad, T0) == [KeyCommand(PERSON)]
    assert events(keypad, T0 + 2) == [UnaskedEntry("0")]


# Numbers that nobody asked for.


def test_keys_without_a_meaning_become_an_entry(keypad: CallKeypad):
    keypad.press("1", T0)
    keypad.press("2", T0 + 1)

    assert keypad.next_due_s(T0 + 1) == 2
    assert events(keypad, T0 + 3) == [UnaskedEntry("12")]
    assert keypad.pressed_at == T0 + 1


def test_entries_go_by_the_bots_rules(keypad: CallKeypad):
    keypad.follow(Keypad(rules=DigitRules(max_digits=2)))

    keypad.press("12", T0)

    assert events(keypad, T0) == [UnaskedEntry("12")]


# Numbers that were asked for.


def test_a_number_that_was_asked_for_goes_to_its_asker(asking: CallKeypad):
    asking.press("4711#", T0 + 1)

    assert asking.is_asking
    assert events(asking, T0 + 1) == [AskedEntry("call_1", PIN, Entry("4711", "complete"))]
    assert not asking.is_asking
    assert asking.digits == {"pin": "4711"}


@pytest.mark.parametrize(
    ("keys", "at", "entry"),
    [
        ("12#", T0, Entry("12", "too_short")),
        ("12", T0 + 3, Entry("12", "too_short")),
        ("12*", T0, Entry("", "cancelled")),
        ("", T0 + 10, Entry("", "no_digits")),
    ],
)
def test_a_number_that_is_wrong_is_told_and_not_kept(
    asking: CallKeypad, keys: str, at: float, entry: Entry
):
    asking.press(keys, T0)

    assert events(asking, at) == [AskedEntry("call_1", PIN, entry)]
    assert asking.digits == {}
    assert not asking.is_asking


def test_a_later_number_takes_the_place_of_an_earlier_one(asking: CallKeypad):
    for keys in ("4711#", "0815#"):
        asking.ask(PIN, "call_2", T0)
        asking.press(keys, T0)
        events(asking, T0)

    assert asking.digits == {"pin": "0815"}


def test_who_asks_while_a_number_is_awaited_learns_whom_it_supersedes(asking: CallKeypad):
    superseded = asking.ask(PIN, "call_2", T0 + 1)
    asking.press("4711#", T0 + 2)

    assert superseded == "call_1"
    assert events(asking, T0 + 2) == [AskedEntry("call_2", PIN, Entry("4711", "complete"))]


def test_nobody_is_superseded_by_the_first_question(keypad: CallKeypad):
    assert keypad.ask(PIN, "call_1", T0) is None


def test_an_entry_that_ended_before_the_question_is_no_answer(keypad: CallKeypad):
    keypad.press("12#", T0)
    keypad.ask(PIN, "call_1", T0)
    keypad.press("4711#", T0)

    assert events(keypad, T0) == [
        UnaskedEntry("12"),
        AskedEntry("call_1", PIN, Entry("4711", "complete")),
    ]


def test_question_that_is_still_being_heard_gives_the_whole_time(asking: CallKeypad):
    asking.wait_from(T0 + 8)

    assert asking.next_due_s(T0 + 8) == 10
    assert events(asking, T0 + 17.5) == []


def test_another_bot_does_not_await_what_the_old_one_asked_for(asking: CallKeypad):
    asking.follow(Keypad())

    asking.press("4711#", T0)

    assert not asking.is_asking
    assert events(asking, T0) == [UnaskedEntry("4711")]


# A secure pause, and the end.


def test_keys_of_a_secure_pause_are_lost(asking: CallKeypad):
    asking.hold(T0)
    asking.press("0815", T0 + 1)
    asking.resume(T0 + 5)

    asking.press("4711#", T0 + 6)

    assert events(asking, T0 + 6) == [AskedEntry("call_1", PIN, Entry("4711", "complete"))]


def test_no_key_acts_during_a_secure_pause(keypad: CallKeypad):
    keypad.hold(T0)
    keypad.press("0", T0)
    keypad.resume(T0 + 1)

    assert events(keypad, T0 + 1) == []


def test_no_time_passes_during_a_secure_pause(asking: CallKeypad):
    asking.hold(T0 + 4)
    held = asking.next_due_s(T0 + 60)
    asking.resume(T0 + 60)

    assert held == math.inf
    assert asking.next_due_s(T0 + 60) == 6


def test_a_key_from_before_the_pause_waits_for_its_end(keypad: CallKeypad):
    """Or the writer would be woken again and again for what it may not do."""
    keypad.press("0", T0)
    keypad.hold(T0)

    held = keypad.next_due_s(T0)
    keypad.resume(T0 + 5)

    assert held == math.inf
    assert events(keypad, T0 + 5) == [KeyCommand(PERSON)]


def test_the_end_tells_of_keys_whose_entry_never_ended(keypad: CallKeypad):
    keypad.press("12", T0)

    assert keypad.flush()
    assert not keypad.flush()


def test_digits_are_in_no_printed_form(asking: CallKeypad):
    asking.press("4711#", T0)
    asked = events(asking, T0)
    asking.press("0815#", T0)

    assert "4711" not in repr(asked)
    assert "0815" not in repr(events(asking, T0))
