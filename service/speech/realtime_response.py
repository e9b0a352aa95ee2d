"""The responses of a Realtime conversation: items, what was handed out, which of them is alive.

Source: Realtime specification; numbers in brackets refer to it.
"""

from dataclasses import dataclass, field
from typing import Any

from service.speech.port import (
    AgentAudioDone,
    AgentTranscript,
    CallerTranscript,
    SpeechEvent,
    Usage,
)
from service.speech.realtime_wire import (
    TranscriptDelta,
    TranscriptDone,
    TranscriptionCompleted,
    TranscriptionFailed,
    flatten,
)


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
        asked: the options that we asked for it with; None when the server made it by itself.
        owes_words: a remote tool was used after its last words.
        awaits_approval: it asked to use a remote tool; only another response can use it.
    """

    response_id: str
    items: dict[str, Item] = field(default_factory=dict)
    unheard: list[str] = field(default_factory=list)
    is_dead: bool = False
    asked: dict[str, Any] | None = None
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
    def to_repeat(self) -> dict[str, Any] | None:
        """The options to ask for it again with, should it be cut off now; None: it need not be."""
        return None if self.is_dead or self.has_spoken else self.asked

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


class Responses:
    """Those that the server has begun, by id.

    Attributes:
        active: the one of them that goes on, None when all are over.
    """

    def __init__(self) -> None:
        self.active: Response | None = None
        self._known: dict[str, Response] = {}
        self._over: set[str] = set()

    def of(self, response_id: str) -> Response:
        """Return the response, alive from now on where its `response.created` was lost (6.5)."""
        if response_id in self._over:  # what still comes of it comes too late
            return Response(response_id, is_dead=True)
        response = self._known.get(response_id)
        if response is None:
            response = self._known[response_id] = Response(response_id)
            self.active = self.active or response
        return response

    def end(self, response_id: str) -> Response:
        """Return the response, which is over now; whether it was active is left to be noted."""
        response = self.of(response_id)
        self._known.pop(response_id, None)
        self._over.add(response_id)
        return response

    def with_item(self, item_id: str) -> Response | None:
        """Return the response that an item belongs to, None when that one is over."""
        return next((it for it in self._known.values() if item_id in it.items), None)


def words_of_caller(event: TranscriptionCompleted | TranscriptionFailed) -> list[SpeechEvent]:
    """Return what the call is told of the words of a caller turn."""
    if isinstance(event, TranscriptionFailed):
        return [CallerTranscript(event.item_id, None)]
    words = CallerTranscript(event.item_id, event.transcript or "")
    return [words, *usage_of("transcription", event.usage)]


def usage_of(source: str, report: object) -> list[SpeechEvent]:
    """Return what a response or a transcription has used, if its report says so."""
    counts = flatten(source, report)
    return [Usage(counts)] if counts else []
