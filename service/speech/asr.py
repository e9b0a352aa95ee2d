"""Ears over HTTP: an OpenAI-compatible `audio/transcriptions` endpoint.

Source: OpenAI API reference, "Create transcription" (multipart form: file, model, language).
"""

import secrets
from collections.abc import Sequence

import msgspec

from service.audio.g711 import decode
from service.speech.port import SpeechError
from service.speech.web import Web

DEADLINE_S = 8.0
"""For an utterance; a caller waits for the answer to it."""
MAX_ANSWER_BYTES = 262_144
MAX_WORDS_CHARS = 8_000
LEAST_BYTES = 4_000
"""Half a second: services refuse sound that is too short, so a short word gets silence behind."""
_RATE_HZ = 8_000
_SILENCE = b"\xff"


class _Answer(msgspec.Struct):
    text: str


class HttpTranscriber:
    """Sends each utterance as a WAV file of 8 kHz, which is all that a telephone line carries."""

    def __init__(self, web: Web, model: str) -> None:
        self._web = web
        self._model = model

    async def transcribe(self, pcmu: bytes, languages: Sequence[str]) -> str:
        """Return the words; see `Transcriber`."""
        fields = {"model": self._model, "response_format": "json"}
        spoken = list(dict.fromkeys(tag.split("-")[0].lower() for tag in languages))
        if len(spoken) == 1:
            fields["language"] = spoken[0]
        body, content_type = form(fields, wav(decode(pcmu.ljust(LEAST_BYTES, _SILENCE))))
        async with self._web.post(
            "/audio/transcriptions",
            body,
            content_type,
            deadline_s=DEADLINE_S,
            max_bytes=MAX_ANSWER_BYTES,
        ) as pieces:
            answer = b"".join([piece async for piece in pieces])
        try:
            return msgspec.json.decode(answer, type=_Answer).text.strip()[:MAX_WORDS_CHARS]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SpeechError("asr_bad_answer", retryable=True) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.aclose()


def wav(pcm16: bytes) -> bytes:
    """Return a WAV file of 8 kHz mono samples."""
    size, rate = len(pcm16), _RATE_HZ
    head = (
        b"RIFF", (size + 36).to_bytes(4, "little"), b"WAVE",
        b"fmt ", (16).to_bytes(4, "little"),
        (1).to_bytes(2, "little"), (1).to_bytes(2, "little"),
        rate.to_bytes(4, "little"), (2 * rate).to_bytes(4, "little"),
        (2).to_bytes(2, "little"), (16).to_bytes(2, "little"),
        b"data", size.to_bytes(4, "little"),
    )  # fmt: skip
    return b"".join(head) + pcm16


def form(fields: dict[str, str], sound: bytes) -> tuple[bytes, str]:
    """Return a multipart form with a WAV file, and its content type. Source: RFC 7578, 4."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="turn.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    body = b"".join((*parts, head.encode(), sound, f"\r\n--{boundary}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={boundary}"
