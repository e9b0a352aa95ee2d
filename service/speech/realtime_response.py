"""One response of a Realtime conversation: its items, what was handed out, whether it is dead."""

from dataclasses import dataclass, field
from typing import Any

from service.speech.port import AgentAudioDone, AgentTranscript, SpeechEvent, Usage
from service.speech.realtime_wire import TranscriptDelta, TranscriptDone, flatten


@dataclass(slots=True)
class Item:
    """One message of a response, as far as it has come."""

    words: str = ""
    has_all_words: bool = False
    has_all_audio: bool = False
    was_handed_out: bool = False


@dataclass(slots=True)
class Response:
    """A response that the server has begun.

    Attributes:
        items: its messages in order of appearance.
        unheard: ids of items that the caller heard nothing of.
        is_dead: it was interrupted: what still arrives of it is dropped.
        asked: the options that we asked for it with; empty when the server made it by itself.
        owes_words: a remote tool was used after its last words.
        awaits_approval: it asked to use a remote tool; only another response can use it.
    """

    response_id: str
    items: dict[str, Item] = field(default_factory=dict)
    unheard: list[str] = field(default_factory=list)
    is_dead: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
    owes_words: bool = False
    awaits_approval: bool = False

    def item(self, item_id: str) -> Item:
        """Return the item, new when nothing of it was seen."""
        return self.items.setdefault(item_id, Item())

    @property
    def has_spoken(self) -> bool:
        """True when any of it was handed out to be heard."""
        return any(item.was_handed_out for item in self.items.values())

    @property
    def goes_on(self) -> bool:
        """True when the model needs another response for what a remote tool is about (7.5)."""
        return (self.owes_words or self.awaits_approval) and not self.is_dead

    @property
    def to_delete(self) -> list[str]:
        """What the caller heard nothing of: reported so, or withheld after the response died."""
        withheld = [key for key, item in self.items.items() if not item.was_handed_out]
        return self.unheard + (withheld if self.is_dead else [])

    def add_words(self, event: TranscriptDelta | TranscriptDone) -> AgentTranscript:
        """Take words of an item and return them as the call is told of them."""
        item = self.item(event.item_id)
        if isinstance(event, TranscriptDelta):
            item.words += event.delta
            return AgentTranscript(event.item_id, event.delta, is_final=False)
        item.words, item.has_all_words = event.transcript, True
        return AgentTranscript(event.item_id, event.transcript, is_final=True)

    def finish(self) -> list[SpeechEvent]:
        """Close what was left open, so that every turn of the transcript gets its end."""
        events: list[SpeechEvent] = []
        for item_id, item in self.items.items():
            if not item.has_all_words:
                events.append(AgentTranscript(item_id, item.words, is_final=True))
            if not item.has_all_audio and not self.is_dead:
                events.append(AgentAudioDone(item_id))
        return events


def usage_of(source: str, report: object) -> list[SpeechEvent]:
    """Return what a response or a transcription has used, if its report says so."""
    counts = flatten(source, report)
    return [Usage(counts)] if counts else []
