"""The Realtime wire: the server events that we act on, and the frames that we send.

Decoding is tolerant and in two steps: only what an event cannot do without is typed, the rest is
read piece by piece (`read_…`), and whatever else a server sends is ignored.
Source: Realtime specification, sections 4 to 6.
"""

import json
import re
from binascii import b2a_base64
from typing import Any

import msgspec

_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'
_TRY_AGAIN_IN = re.compile(r"try again in (\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}


class Format(msgspec.Struct):
    """An audio format as the session echoes it."""

    type: str = ""


class AudioSide(msgspec.Struct):
    """One direction of the session's audio."""

    format: Format | None = None


class SessionAudio(msgspec.Struct):
    """Both directions of the session's audio."""

    input: AudioSide | None = None
    output: AudioSide | None = None


class Session(msgspec.Struct):
    """The effective session."""

    audio: SessionAudio | None = None

    @property
    def speaks_pcmu(self) -> bool:
        """True when both directions really are PCMU: on anything else the caller hears static."""
        sides = (self.audio.input, self.audio.output) if self.audio else (None,)
        return all(side and side.format and side.format.type == "audio/pcmu" for side in sides)


class SessionCreated(msgspec.Struct, tag="session.created"):
    """First frame after the upgrade."""


class SessionUpdated(msgspec.Struct, tag="session.updated"):
    """Our `session.update` was accepted as a whole."""

    session: Session


class ErrorDetail(msgspec.Struct, kw_only=True):
    """What was refused. Its message may quote us or the caller and stays here."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    event_id: str | None = None

    @property
    def wait_s(self) -> float | None:
        """Seconds that a rate-limit message asks for (7.8); of `1m12s` the minute is enough."""
        found = _TRY_AGAIN_IN.search(self.message or "")
        return float(found[1]) * _UNIT_S[found[2]] if found else None


class ServerError(msgspec.Struct, tag="error"):
    """A client event was refused, or the session is over; `read_error` reads it."""

    error: Any = None


class SpeechStarted(msgspec.Struct, tag="input_audio_buffer.speech_started"):
    """The caller began to speak."""

    item_id: str
    audio_start_ms: float | None = None


class SpeechStopped(msgspec.Struct, tag="input_audio_buffer.speech_stopped"):
    """The caller's turn ended."""

    item_id: str
    audio_end_ms: float | None = None


class TranscriptionCompleted(
    msgspec.Struct, tag="conversation.item.input_audio_transcription.completed"
):
    """The words of a caller turn."""

    item_id: str
    transcript: str | None = None
    usage: Any = None


class TranscriptionFailed(msgspec.Struct, tag="conversation.item.input_audio_transcription.failed"):
    """The words of a caller turn will not come."""

    item_id: str


class ResponseHead(msgspec.Struct):
    """The part of a new response that matters; `metadata` is what its creator gave it."""

    id: str
    metadata: Any = None


class ResponseCreated(msgspec.Struct, tag="response.created"):
    """The model begins to answer."""

    response: ResponseHead


class AudioDelta(msgspec.Struct, tag="response.output_audio.delta"):
    """A piece of agent speech; `delta` is base64 on the wire."""

    response_id: str
    item_id: str
    delta: bytes


class AudioDone(msgspec.Struct, tag="response.output_audio.done"):
    """All speech of the item was sent."""

    response_id: str
    item_id: str


class TranscriptDelta(msgspec.Struct, tag="response.output_audio_transcript.delta"):
    """A piece of the words of agent speech."""

    response_id: str
    item_id: str
    delta: str


class TranscriptDone(msgspec.Struct, tag="response.output_audio_transcript.done"):
    """All words that were generated for the item."""

    response_id: str
    item_id: str
    transcript: str


class OutputItem(msgspec.Struct, kw_only=True):
    """An item of a response; all but the first three fields belong to calls of functions."""

    type: str = ""
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    server_label: str | None = None
    has_error: bool = False


class OutputItemDone(msgspec.Struct, tag="response.output_item.done"):
    """An item of a response is final; `read_item` reads it."""

    response_id: str
    item: Any = None


class ItemAdded(msgspec.Struct, tag="conversation.item.added"):
    """The conversation has an item more, perhaps unfinished; `read_item` reads it."""

    item: Any = None


class ItemDone(msgspec.Struct, tag="conversation.item.done"):
    """An item of the conversation is final, whoever made it; `read_item` reads it."""

    item: Any = None


class RemoteCallBegun(msgspec.Struct, tag="response.mcp_call.in_progress"):
    """A remote server works on a call of the response that is alive."""

    item_id: str


class RemoteCallCompleted(msgspec.Struct, tag="response.mcp_call.completed"):
    """A remote server has given its result."""

    item_id: str


class RemoteCallFailed(msgspec.Struct, tag="response.mcp_call.failed"):
    """A remote server will give no result."""

    item_id: str


RemoteCallEnded = RemoteCallCompleted | RemoteCallFailed


class ListingFailed(msgspec.Struct, tag="mcp_list_tools.failed"):
    """The provider could not learn which functions a remote server has."""

    item_id: str


class ResponseTail(msgspec.Struct):
    """The part of a finished response that matters; `read_failure` reads the details."""

    id: str
    status: Any = None
    status_details: Any = None
    usage: Any = None


class ResponseDone(msgspec.Struct, tag="response.done"):
    """The response is over, whatever its outcome."""

    response: ResponseTail


ItemEvent = (
    OutputItemDone | ItemAdded | ItemDone | RemoteCallBegun | RemoteCallEnded | ListingFailed
)
"""What is told of items that are no speech."""

ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ServerError
    | SpeechStarted
    | SpeechStopped
    | TranscriptionCompleted
    | TranscriptionFailed
    | ResponseCreated
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | ItemEvent
    | ResponseDone
)


_decoder: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)


def decode(frame: bytes) -> ServerEvent | None:
    """Return the event in a text frame; None when it is of no concern or cannot be read."""
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def read_error(value: object) -> ErrorDetail:
    """Return what an error says, as far as it can be read."""
    return ErrorDetail(**_texts(value, ErrorDetail))


def read_failure(status_details: object) -> ErrorDetail:
    """Return why a response failed, from its `status_details`."""
    return read_error(status_details.get("error") if isinstance(status_details, dict) else None)


def reason_of(status_details: object) -> object:
    """Return why a response is incomplete or was cancelled, from its `status_details`."""
    return status_details.get("reason") if isinstance(status_details, dict) else None


def read_item(value: object) -> OutputItem:
    """Return an item of a response, as far as it can be read."""
    has_error = isinstance(value, dict) and value.get("error") is not None
    texts: dict[str, Any] = _texts(value, OutputItem)
    return OutputItem(**texts | {"has_error": has_error})


def ask_of(head: ResponseHead) -> str | None:
    """Return the mark that we gave the response when we asked for it."""
    mark = head.metadata.get("ask") if isinstance(head.metadata, dict) else None
    return mark if isinstance(mark, str) else None


def _texts(value: object, kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the fields of a struct of texts that a JSON value really holds as text or number."""
    fields = value if isinstance(value, dict) else {}
    return {
        name: str(found)
        for name in kind.__struct_fields__
        if isinstance(found := fields.get(name), str | int | float)
    }


def flatten(name: str, report: object) -> dict[str, float]:
    """Return the numbers of a usage report by dotted name, however deep they stand."""
    counts: dict[str, float] = {}
    waiting = [(name, report)]
    while waiting:
        prefix, value = waiting.pop()
        if isinstance(value, int | float):
            counts[prefix] = value
        elif isinstance(value, dict):
            waiting.extend((f"{prefix}.{key}", part) for key, part in value.items())
    return counts


def encode(event: dict[str, Any]) -> bytes:
    """Return a client event as the text of a frame; what UTF-8 cannot say becomes `?`."""
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:
        return json.dumps(event, ensure_ascii=False).encode(errors="replace")


def append_audio(pcmu: bytes) -> bytes:
    """Return the frame that carries caller audio: the one message of the hot path."""
    return _APPEND_HEAD + b2a_base64(pcmu, newline=False) + _APPEND_TAIL
