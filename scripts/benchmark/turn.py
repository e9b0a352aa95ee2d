"""One turn of a talk as the Realtime server sends it: the caller was heard, the agent answers.

The events, their order and their sizes are those of a real session, so that a target has to pass
over what it does not need. Source: Realtime specification, 6.4, 6.5, 7.1 and 17.6.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from scripts.benchmark.stamps import Stamp, stamped

BYTES_PER_MS = 8
PERIOD_S = 5.0
"""From one turn to the next."""
ANSWER_MS = 4_000
"""The agent speaks four seconds of five; the rest lets the caller's queue run dry, so that the
first audio of every answer meets no pacing."""
SPEED = 4
"""Audio comes this many times faster than it plays (17.6: the usual multiple)."""
_DELTAS_MS = (200, 300, 400)
_STOPPED_S = 0.2
_ANSWERED_S = 0.3
_SPOKEN_S = 0.5
_WORDS = "you know "
_SESSION_TAIL = "aaaaaaaaaaaaaaa"

Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame and when it leaves, seconds from the beginning of its turn.

    `stamp`: it carries the first audio of the answer.
    """

    at_s: float
    text: bytes
    stamp: Stamp | None = None


def turn_frames(stamp: Stamp, metadata: object) -> Iterator[Frame]:
    """Yield the frames of one turn in order.

    Args:
        stamp: marks the first audio; its numbers make the ids, so it must be new.
        metadata: what the client gave its `response.create`, None without one.
    """
    ids = _Ids(stamp)
    yield from _caller_turn(ids)
    yield Frame(_ANSWERED_S, ids.event("response.created", response=ids.response(metadata)))
    for event in (
        ids.in_response("response.output_item.added", item=ids.item("in_progress", "")),
        ids.event("conversation.item.added", previous_item_id=None, item=ids.item("", "")),
        ids.in_item("response.content_part.added", part={"type": "audio", "transcript": ""}),
    ):
        yield Frame(_ANSWERED_S, event)
    yield from _speech(ids, stamp)
    yield from _end_of_answer(ids, metadata)


def _caller_turn(ids: "_Ids") -> Iterator[Frame]:
    item_id = ids.caller_item_id
    heard = "input_audio_buffer"
    words = "conversation.item.input_audio_transcription.completed"
    usage = {"type": "duration", "seconds": 1}
    yield Frame(0.0, ids.event(f"{heard}.speech_started", audio_start_ms=0, item_id=item_id))
    for event in (
        ids.event(f"{heard}.speech_stopped", audio_end_ms=200, item_id=item_id),
        ids.event(f"{heard}.committed", item_id=item_id, previous_item_id=None),
        ids.event(words, item_id=item_id, content_index=0, transcript="Go on.", usage=usage),
    ):
        yield Frame(_STOPPED_S, event)


def _speech(ids: "_Ids", stamp: Stamp) -> Iterator[Frame]:
    """Yield the words and the sound of the answer, words ahead."""
    sent_ms = 0
    for wanted_ms in itertools.cycle(_DELTAS_MS):
        delta_ms = min(wanted_ms, ANSWER_MS - sent_ms)
        if not delta_ms:
            return
        at_s = _SPOKEN_S + sent_ms / SPEED / 1_000
        words = ids.in_item(
            "response.output_audio_transcript.delta", delta=_WORDS, obfuscation="xxxxxxxx"
        )
        yield Frame(at_s, words)
        is_first = sent_ms == 0
        size = delta_ms * BYTES_PER_MS
        pcmu = stamped(stamp, size) if is_first else b"\xff" * size
        audio = ids.in_item("response.output_audio.delta", delta=pcmu)
        yield Frame(at_s, audio, stamp if is_first else None)
        sent_ms += delta_ms


def _end_of_answer(ids: "_Ids", metadata: object) -> Iterator[Frame]:
    at_s = _SPOKEN_S + ANSWER_MS / SPEED / 1_000
    words = (_WORDS * 13).strip()
    item = ids.item("completed", words)
    done = ids.response(metadata) | {"status": "completed", "output": [item], "usage": _usage()}
    for event in (
        ids.in_item("response.output_audio.done"),
        ids.in_item("response.output_audio_transcript.done", transcript=words),
        ids.in_item("response.content_part.done", part={"type": "audio", "transcript": words}),
        ids.in_response("response.output_item.done", item=item),
        ids.event("conversation.item.done", previous_item_id=None, item=item),
        ids.event("response.done", response=done),
    ):
        yield Frame(at_s, event)


class _Ids:
    """Makes the events of one turn, with ids as long as the server's."""

    def __init__(self, stamp: Stamp) -> None:
        sender, number = stamp
        tail = f"{sender % 1_000:03d}{number % 1_000:03d}{_SESSION_TAIL}"
        self._tail = tail
        self._item_id = f"item_{tail}"
        self._response_id = f"resp_{tail}"
        self.caller_item_id = f"item_c{tail[:-1]}"

    def event(self, kind: str, **fields: object) -> bytes:
        return msgspec.json.encode({"type": kind, "event_id": f"event_{self._tail}", **fields})

    def in_response(self, kind: str, **fields: object) -> bytes:
        return self.event(kind, response_id=self._response_id, output_index=0, **fields)

    def in_item(self, kind: str, **fields: object) -> bytes:
        return self.in_response(kind, item_id=self._item_id, content_index=0, **fields)

    def item(self, status: str, words: str) -> Event:
        content = [{"type": "output_audio", "transcript": words}] if words else []
        return {
            "id": self._item_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def response(self, metadata: object) -> Event:
        return {
            "object": "realtime.response",
            "id": self._response_id,
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": f"conv_{self._tail}",
            "output_modalities": ["audio"],
            "usage": None,
            "metadata": metadata,
        }


def _usage() -> Event:
    return {
        "total_tokens": 253,
        "input_tokens": 132,
        "output_tokens": 121,
        "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "cached_tokens": 64},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
    }
