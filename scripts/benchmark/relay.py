"""What both bare relays say: the least of AudioHook, and audio in and out of Realtime frames."""

from binascii import b2a_base64
from collections.abc import Callable

import msgspec

_APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL = b'"}'
_DELTA = b'"response.output_audio.delta"'
_DELTA_SEEN_WITHIN = 60  # bytes from the beginning of the frame


class _Delta(msgspec.Struct):
    delta: bytes


class _Open(msgspec.Struct):
    media: list[msgspec.Raw] = []


class _Message(msgspec.Struct):
    id: str
    type: str
    seq: int
    parameters: msgspec.Raw


_decode_delta = msgspec.json.Decoder(_Delta).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_ANSWERS = {"open": "opened", "ping": "pong", "close": "closed"}


def append(pcmu: bytes | memoryview) -> bytes:
    """Return the frame that carries caller audio to the model."""
    return _APPEND_HEAD + b2a_base64(pcmu, newline=False) + _APPEND_TAIL


def audio_of(frame: bytes) -> bytes | None:
    """Return the agent's audio in a frame of the model; None when it has none."""
    if frame.find(_DELTA, 0, _DELTA_SEEN_WITHIN) < 0:
        return None
    return _decode_delta(frame).delta


def make_answering() -> Callable[[bytes | str], bytes | None]:
    """Return what answers the texts of one caller: with a text, or None for no answer."""
    seq = 0

    def answer(text: bytes | str) -> bytes | None:
        nonlocal seq
        message = _decode_message(text)
        kind = _ANSWERS.get(message.type)
        if kind is None:
            return None
        seq += 1
        parameters: dict[str, object] = {}
        if kind == "opened":
            parameters["media"] = msgspec.json.decode(message.parameters, type=_Open).media[:1]
        return msgspec.json.encode(
            {
                "version": "2",
                "id": message.id,
                "type": kind,
                "seq": seq,
                "clientseq": message.seq,
                "parameters": parameters,
            }
        )

    return answer
