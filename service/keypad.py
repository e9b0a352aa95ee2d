"""The keys of one call: single keys that act, numbers that were asked for, and all the rest.

Pure: `now` is monotonic seconds. When an entry is complete is `dtmf`'s to say; here is whose entry
it is. What the caller keyed in when asked is kept for the bot's functions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.bots.port import DigitField, Keypad
from service.dtmf import DtmfCollector, Entry
from service.tools.port import Command

MAX_COMMANDS = 4
"""That wait to be carried out; who presses more is only impatient."""


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """A key that the bot has given a meaning."""

    command: Command


@dataclass(frozen=True, slots=True)
class UnaskedEntry:
    """Keys that nobody asked for; none when the caller cancelled them."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskedEntry:
    """The end of an entry that a function call asked for, complete or not."""

    call_id: str
    digit_field: DigitField
    entry: Entry


KeyEvent = KeyCommand | UnaskedEntry | AskedEntry


class CallKeypad:
    """What the caller presses, in order.

    Attributes:
        digits: complete numbers that were asked for, by the name of their digit field.
    """

    def __init__(self, keypad: Keypad) -> None:
        self.digits: dict[str, str] = {}
        self._keys: Mapping[str, Command] = {}
        self._collector = DtmfCollector(keypad.rules)
        self._asked: tuple[str, DigitField] | None = None
        self._commands: list[Command] = []
        self._is_held = False
        self.follow(keypad)

    @property
    def pressed_at(self) -> float:
        """When the latest key was pressed."""
        return self._collector.pressed_at

    @property
    def is_asking(self) -> bool:
        """True while a number is awaited."""
        return self._asked is not None

    def follow(self, keypad: Keypad) -> None:
        """Use the keys of another bot; the number that the old one awaited is not any more."""
        self._keys = keypad.keys
        self._asked = None
        self._collector.stop_expecting()
        self._collector.follow(keypad.rules)

    def ask(self, digit_field: DigitField, call_id: str, now: float) -> str | None:
        """Await a number for a function call; return the call whose number is awaited no more."""
        superseded = self._asked[0] if self._asked else None
        self._asked = (call_id, digit_field)
        self._collector.expect(digit_field.rules, now)
        return superseded

    def press(self, keys: str, now: float) -> None:
        """Take pressed keys; during a secure pause they are lost on purpose."""
        if self._is_held:
            return
        for key in keys:
            acts = not self.is_asking and not self._collector.has_keys(now)
            if acts and key in self._keys:
                self._commands += [self._keys[key]][: MAX_COMMANDS - len(self._commands)]
            else:
                self._collector.press(key, now)

    def wait_from(self, now: float) -> None:
        """Give the caller the whole time for the first key: somebody still speaks."""
        self._collector.wait_from(now)

    def hold(self, now: float) -> None:
        """Let no key in and no time pass until `resume`."""
        self._is_held = True
        self._collector.hold(now)

    def resume(self, now: float) -> None:
        """Go on where `hold` stopped."""
        self._is_held = False
        self._collector.resume(now)

    def poll(self, now: float) -> KeyEvent | None:
        """Return what has happened, one after the other; None when there is no more."""
        if self._commands:
            return KeyCommand(self._commands.pop(0))
        is_answer = self._collector.is_expecting
        entry = self._collector.poll(now)
        if entry is None:
            return None
        if self._asked is None or not is_answer:
            return UnaskedEntry(entry.digits)
        (call_id, digit_field), self._asked = self._asked, None
        if entry.status == "complete":
            self.digits[digit_field.name] = entry.digits
        return AskedEntry(call_id, digit_field, entry)

    def next_due_s(self, now: float) -> float:
        """Seconds until `poll` has something; infinite when it never has, and while held."""
        if self._is_held:
            return math.inf
        return 0.0 if self._commands else self._collector.next_due_s(now)

    def flush(self) -> bool:
        """End the call; True when keys were pressed whose entry never ended."""
        return self._collector.flush()
