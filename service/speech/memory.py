"""What a conversation would have to know to go on elsewhere, in the words that were heard.

Pure. It follows the events of a conversation and what the call tells the provider, and gives it
back as `Remembered` things, for a new conversation to begin with. Source: Realtime specification,
11.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.audio.playout import HeardItem
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    CallerSpeechStarted,
    CallerTranscript,
    Remembered,
    Said,
    SpeechEvent,
    TextSpeaker,
    ToolCall,
    Used,
)
from service.transcript import MS_PER_CHAR, heard_words

MOST = 40
"""Of the latest entries are given back; facts of the service are given back however old."""
MAX_CHARS = 24_000
"""Of all that is given back: 6,000 tokens are read by a model in less than a second."""
MAX_KEPT = 400
"""Bound of the memory itself; beyond it the oldest that was said is forgotten."""
UNCLEAR = "[unclear]"
BYTES_PER_MS = 8
_RUNNING = '{"status":"interrupted","message":"its result will follow, if it comes"}'
_CUT = " …"


@dataclass(slots=True)
class _Entry:
    kind: TextSpeaker | Literal["tool"]
    text: str = ""
    received: int = 0
    heard_ms: int | None = None
    has_all: bool = False
    call: ToolCall | None = None
    output: str | None = None

    def give_back(self, number: int) -> Remembered | None:
        if self.call:
            output = _RUNNING if self.output is None else self.output
            return Used(f"call_m{number}", self.call.name, self.call.arguments, output)
        words = self.heard if self.kind == "agent" and self.received else self.text.strip()
        return Said(self.kind, words) if words and self.kind != "tool" else None

    @property
    def heard(self) -> str:
        """Return what the caller has heard of the agent's words, or will have heard."""
        received_ms = self.received // BYTES_PER_MS
        heard_ms = received_ms if self.heard_ms is None else self.heard_ms
        if self.has_all and heard_ms >= received_ms:
            return self.text.strip()
        if not self.has_all:  # words come before their sound
            received_ms = max(received_ms, round(len(self.text) * MS_PER_CHAR))
        words = heard_words(self.text.strip(), heard_ms, received_ms)
        return words + _CUT if words else ""


class Memory:
    """The conversation so far."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._count = 0

    def take(self, event: SpeechEvent) -> None:
        """Follow what the provider hears and says."""
        match event:
            case AgentAudio():
                self._entry(event.item_id, "agent").received += len(event.pcmu)
            case AgentTranscript():
                self._add_words(event)
            case AgentAudioDone():
                self._entry(event.item_id, "agent").has_all = True
            case CallerSpeechStarted():
                self._entry(event.item_id, "caller").text = UNCLEAR
            case CallerTranscript():
                self._entry(event.item_id, "caller").text = event.text or UNCLEAR
            case ToolCall():
                self._entry(event.call_id, "tool").call = event
            case _:
                pass

    def add_text(self, text: str, speaker: TextSpeaker) -> None:
        """Note what was said or done in another way than by speech into the line."""
        self._count += 1
        self._entry(f"text_{self._count}", speaker).text = text

    def add_result(self, call_id: str, output: str) -> None:
        """Note what a function has given."""
        if (entry := self._entries.get(call_id)) and entry.call:
            entry.output = output

    def name_of(self, call_id: str) -> str:
        """Return the name of a function that was called; empty for an unknown call."""
        entry = self._entries.get(call_id)
        return entry.call.name if entry and entry.call else ""

    def cut(self, heard: Sequence[HeardItem]) -> None:
        """Note how far the agent was heard before it was stopped."""
        for item in heard:
            if (entry := self._entries.get(item.item_id)) and not item.was_heard_in_full:
                entry.heard_ms = item.heard_ms

    def text_of(self, item_id: str) -> str:
        """Return the words of a turn as far as they came."""
        entry = self._entries.get(item_id)
        return entry.text if entry else ""

    def heard_of(self, item_id: str) -> str:
        """Return what the caller has heard of a turn of the agent's."""
        entry = self._entries.get(item_id)
        return entry.heard if entry else ""

    def has_words_of(self, item_id: str) -> bool:
        """True when a caller's turn was written down."""
        entry = self._entries.get(item_id)
        return entry is not None and entry.text != UNCLEAR

    def forget(self, item_id: str) -> None:
        """Drop a turn: the caller's words were meant for nobody, or come again."""
        self._entries.pop(item_id, None)

    def give_back(self, *, but: str = "") -> list[Remembered]:
        """Return what a new conversation has to know, in order, without the item `but`."""
        entries = [entry for key, entry in self._entries.items() if key != but]
        latest = len(entries) - MOST
        numbered = (
            entry.give_back(number)
            for number, entry in enumerate(entries)
            if number >= latest or entry.kind == "system"
        )
        return _bounded([memory for memory in numbered if memory])

    @property
    def _oldest(self) -> str:
        """The key of what was said first; of a fact, where there is nothing else."""
        said = (key for key, entry in self._entries.items() if entry.kind != "system")
        return next(said, next(iter(self._entries)))

    def _add_words(self, event: AgentTranscript) -> None:
        entry = self._entry(event.item_id, "agent")
        entry.text = event.text if event.is_final else entry.text + event.text

    def _entry(self, key: str, kind: TextSpeaker | Literal["tool"]) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= MAX_KEPT:
                del self._entries[self._oldest]
            entry = self._entries[key] = _Entry(kind)
        return entry


def _bounded(memories: list[Remembered]) -> list[Remembered]:
    """Drop the oldest until the rest is small enough, facts last; its last one always stays."""
    chars = sum(_size(memory) for memory in memories)
    while chars > MAX_CHARS and len(memories) > 1:
        others = (n for n, memory in enumerate(memories[:-1]) if not _is_fact(memory))
        chars -= _size(memories.pop(next(others, 0)))
    return memories


def _is_fact(memory: Remembered) -> bool:
    return isinstance(memory, Said) and memory.speaker == "system"


def _size(memory: Remembered) -> int:
    if isinstance(memory, Used):
        return len(memory.arguments) + len(memory.output)
    return len(memory.text)
