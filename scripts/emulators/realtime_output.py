"""The output items of a response while they grow: a message (spoken or written), or a call.

Each knows the events that open it, feed it and close it, in the server's order and with the
server's odd part names. Source: openai_realtime spec 6.4, 6.5, 7.1, 7.3 and 7.4.
"""

import random
import string
from collections.abc import Sequence
from typing import Literal

from scripts.emulators.realtime_clips import Chunk
from scripts.emulators.realtime_conversation import Item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_wire import Json, new_id

Modality = Literal["audio", "text"]
ItemStatus = Literal["completed", "incomplete"]
_MAX_OBFUSCATION_CHARS = 16


def obfuscation() -> str:
    """The random string with which the server pads text deltas."""
    return "".join(
        random.choices(string.ascii_letters, k=random.randint(1, _MAX_OBFUSCATION_CHARS))
    )


class OutputItem:
    """The part that all kinds share: announcing the item, and finishing it."""

    def __init__(self, core: SessionCore, response_id: str, index: int, item: Item) -> None:
        self._core = core
        self._index = index
        self._response_id = response_id
        self.item = item
        self.audio_ms = 0.0
        self.text = ""  # transcript, text or arguments so far

    def announce(self, *, is_out_of_band: bool) -> None:
        """Sends the `added` events; an out-of-band item never enters the conversation."""
        self._is_out_of_band = is_out_of_band
        view = self.item.view()
        self._emit("response.output_item.added", item=view, output_index=self._index)
        if not is_out_of_band:
            previous_id = self._core.conversation.append(self.item)
            self._core.emit("conversation.item.added", previous_item_id=previous_id, item=view)

    def close(self, status: ItemStatus) -> Json:
        """Sends the chain of `done` events and returns the final item for `response.done`."""
        raise NotImplementedError

    def _finish(self, view: Json) -> Json:
        self._emit("response.output_item.done", item=view, output_index=self._index)
        if not self._is_out_of_band:
            previous_id = self._core.conversation.previous_id(self.item)
            self._core.emit("conversation.item.done", previous_item_id=previous_id, item=view)
        return view

    def _emit(self, kind: str, **fields: object) -> None:
        self._core.emit(kind, response_id=self._response_id, **fields)

    def _emit_in(self, kind: str, **fields: object) -> None:
        self._emit(kind, item_id=self.item.id, output_index=self._index, **fields)


class MessageOutput(OutputItem):
    """An assistant message with one content part."""

    def __init__(
        self,
        core: SessionCore,
        response_id: str,
        index: int,
        *,
        modality: Modality,
        audio_format: str,
        phase: str | None,
    ) -> None:
        """Makes an empty message; `phase` is Azure's extra field."""
        body: Json = {
            "id": new_id("item_"),
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        if phase is not None:
            body["phase"] = phase
        super().__init__(core, response_id, index, Item(body, audio_format=audio_format))
        self._is_spoken = modality == "audio"

    def open(self, *, is_out_of_band: bool) -> None:
        """Announces the item, then its part."""
        self.announce(is_out_of_band=is_out_of_band)
        self.item.body["content"].append(self._item_part())
        self._emit_in("response.content_part.added", content_index=0, part=self._event_part())

    def say(self, words: str) -> None:
        """Sends the next words of the transcript or text."""
        self.text += words
        kind = "output_audio_transcript" if self._is_spoken else "output_text"
        self._emit_in(
            f"response.{kind}.delta", content_index=0, delta=words, obfuscation=obfuscation()
        )

    def play(self, chunk: Chunk) -> None:
        """Sends the next audio; after a truncation the item does not grow any more."""
        self.audio_ms += chunk.duration_ms
        if not self.item.is_truncated:
            self.item.pcmu += chunk.pcmu
        self._emit_in("response.output_audio.delta", content_index=0, delta=chunk.delta)

    def close(self, status: ItemStatus) -> Json:
        """See `OutputItem.close`."""
        if self._is_spoken:
            self._emit_in("response.output_audio.done", content_index=0)
            self._emit_in(
                "response.output_audio_transcript.done", content_index=0, transcript=self.text
            )
        else:
            self._emit_in("response.output_text.done", content_index=0, text=self.text)
        self._emit_in("response.content_part.done", content_index=0, part=self._event_part())
        self.item.body["status"] = status
        if not self.item.is_truncated:
            self.item.body["content"] = [self._item_part()]
        return self._finish({**self.item.view(), "content": [self._item_part()]})

    def _item_part(self) -> Json:
        if self._is_spoken:
            return {"type": "output_audio", "transcript": self.text}
        return {"type": "output_text", "text": self.text}

    def _event_part(self) -> Json:
        """The same part in the words of `content_part.*` (spec 6.5)."""
        if self._is_spoken:
            return {"type": "audio", "transcript": self.text}
        return {"type": "text", "text": self.text}


class CallOutput(OutputItem):
    """A function call whose arguments come in pieces."""

    def __init__(self, core: SessionCore, response_id: str, index: int, name: str) -> None:
        body: Json = {
            "id": new_id("item_"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": new_id("call_"),
            "arguments": "",
        }
        super().__init__(core, response_id, index, Item(body))

    def feed(self, piece: str) -> None:
        """Sends the next piece of the arguments."""
        self.text += piece
        self._emit_in(
            "response.function_call_arguments.delta",
            call_id=self.item.body["call_id"],
            delta=piece,
            obfuscation=obfuscation(),
        )

    def close(self, status: ItemStatus) -> Json:
        """See `OutputItem.close`; cut arguments are told as they are."""
        body = self.item.body
        self._emit_in(
            "response.function_call_arguments.done",
            call_id=body["call_id"],
            name=body["name"],
            arguments=self.text,
        )
        body.update(status=status, arguments=self.text)
        return self._finish(self.item.view())


def pieces_of(arguments: str) -> Sequence[str]:
    """Cuts arguments into at least two deltas, as a model streams them."""
    size = max(1, min(12, len(arguments) // 2))
    return [arguments[at : at + size] for at in range(0, len(arguments), size)]
