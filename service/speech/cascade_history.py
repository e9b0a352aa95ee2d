"""The conversation of a cascade as its chat model reads it.

Pure. The agent's words stand in it as they were heard, and every call of a function has a result
right behind it, however late that came: chat models refuse anything else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.audio.playout import HeardItem
from service.speech.cascade_parts import FunctionCall, FunctionResult, Message, Role
from service.transcript import MS_PER_CHAR, heard_words

MAX_CHARS = 120_000
"""About 30,000 tokens: what is older is forgotten, for a call must not cost without bound."""
_ON_THE_PHONE = (
    "You are on the phone, and your words are spoken by a voice: say plain, short sentences, "
    "without lists, headings, markup or addresses to be read."
)
_NOT_YET = '{"status":"still running"}'
_CUT = " …"
"""What tells the model that it was interrupted there."""


@dataclass(slots=True)
class Entry:
    """One message; `results` has those of its `calls` that have come."""

    role: Role
    item_id: str
    text: str = ""
    calls: list[FunctionCall] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to tell the model."""
        return not self.text and not self.calls

    @property
    def chars(self) -> int:
        """Its size."""
        calls = sum(len(call.arguments) for call in self.calls)
        return len(self.text) + calls + sum(map(len, self.results.values()))

    def message(self) -> Message:
        """Return it as the model reads it."""
        results = (
            FunctionResult(call.call_id, self.results.get(call.call_id, _NOT_YET))
            for call in self.calls
        )
        return Message(self.role, self.text, tuple(self.calls), tuple(results))


class History:
    """All messages of a call, in order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, role: Role, text: str = "", item_id: str = "") -> Entry:
        """Add a message, whose text may come later; return it."""
        entry = Entry(role, item_id, text)
        self._entries.append(entry)
        self._forget_oldest()
        return entry

    def call(self, item_id: str, calls: Iterable[FunctionCall]) -> None:
        """Note what an agent's message calls."""
        self._agent_entry(item_id).calls.extend(calls)

    def say(self, item_id: str, sentence: str) -> None:
        """Add a sentence to an agent's message."""
        entry = self._agent_entry(item_id)
        entry.text = f"{entry.text} {sentence}".strip()

    def answer(self, call_id: str, output: str) -> None:
        """Set the result of a call."""
        for entry in self._entries:
            if any(call.call_id == call_id for call in entry.calls):
                entry.results[call_id] = output

    def cut(self, heard: HeardItem) -> None:
        """Leave of an agent's message what the caller has heard of it."""
        for entry in self._entries:
            if entry.item_id == heard.item_id and not heard.was_heard_in_full:
                words = _words_of(entry.text, heard)
                entry.text = words + _CUT if words else ""

    def forget(self, item_id: str) -> None:
        """Drop an agent's message of which nothing was heard."""
        self._entries = [entry for entry in self._entries if entry.item_id != item_id]

    def messages(self, instructions: str) -> tuple[Message, ...]:
        """Return all of it, after the standing orders."""
        orders = Message("system", f"{instructions}\n\n{_ON_THE_PHONE}".strip())
        return (orders, *(entry.message() for entry in self._entries if not entry.is_empty))

    def _agent_entry(self, item_id: str) -> Entry:
        for entry in reversed(self._entries):
            if entry.item_id == item_id:
                return entry
        return self.add("assistant", item_id=item_id)

    def _forget_oldest(self) -> None:
        chars = sum(entry.chars for entry in self._entries)
        while chars > MAX_CHARS and len(self._entries) > 1:
            chars -= self._entries.pop(0).chars


def _words_of(text: str, heard: HeardItem) -> str:
    received_ms = heard.received_ms
    if not heard.is_complete:  # the words of a sentence come before its sound
        received_ms = max(received_ms, round(len(text) * MS_PER_CHAR))
    return heard_words(text, heard.heard_ms, received_ms)
