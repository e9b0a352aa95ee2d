"""A voice over HTTP: an OpenAI-compatible `audio/speech` endpoint, streamed as PCM.

Source: OpenAI API reference, "Create speech" (`pcm`: 24 kHz, 16 bits, signed, little-endian, mono).
"""

from collections.abc import AsyncGenerator

import msgspec

from service.audio.g711 import encode
from service.audio.resample import PHONE_HZ, Resampler
from service.speech.web import Web

DEADLINE_S = 20.0
"""For one sentence."""
RATE_HZ = 24_000
MAX_SENTENCE_S = 60
"""A voice that does not find its end is stopped."""


class HttpSynthesizer:
    """Asks for one sentence at a time."""

    def __init__(self, web: Web, model: str) -> None:
        self._web = web
        self._model = model

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sentence as PCMU while it is made; see `Synthesizer`."""
        body = {
            "model": self._model,
            "voice": voice,
            "input": text,
            "response_format": "pcm",
        }
        to_phone = Resampler(RATE_HZ, PHONE_HZ)
        async with self._web.post(
            "/audio/speech",
            msgspec.json.encode(body),
            "application/json",
            deadline_s=DEADLINE_S,
            max_bytes=2 * RATE_HZ * MAX_SENTENCE_S,
        ) as pieces:
            async for piece in pieces:
                if pcm16 := to_phone.resample(piece):
                    yield encode(pcm16)
        yield encode(to_phone.flush())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.aclose()
