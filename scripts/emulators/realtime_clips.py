"""Spoken sentences, cut and encoded once: what a response sends as audio deltas.

A voice is asked once per sentence; all sessions share the result. `ToneVoice` is the voice of
tests and benchmarks: a tone per character, 65 ms each, without any model.
"""

import asyncio
import base64
import random
import zlib
from collections import OrderedDict
from dataclasses import dataclass

from scripts.emulators import g711, realtime_audio
from scripts.emulators.voice import Voice

_FIRST_CHUNK_BYTES = 803  # about 100 ms; deliberately no multiple of 160, as at the real server
_CHUNK_BYTES = (1601, 3199)  # 200 to 400 ms
_PACKET_BYTES = 160
_CLIPS_KEPT = 512
_TONE_MS = 65  # per character: about 2.6 words a second (spec 17.7)
_TONE_AMPLITUDE = 6000


class ToneVoice:
    """Deterministic: each character is a short tone of its own pitch, a space is silence."""

    def __init__(self) -> None:
        self._tones: dict[str, bytes] = {" ": g711.SILENCE * self._length}

    @property
    def _length(self) -> int:
        return _TONE_MS * realtime_audio.PCMU_BYTES_PER_MS

    def speak(self, text: str) -> bytes:
        """Returns 65 ms per character, 8 kHz mu-law."""
        return b"".join(map(self._tone, text))

    def _tone(self, character: str) -> bytes:
        tone = self._tones.get(character)
        if tone is None:
            half = 6 + ord(character) % 12  # samples: 222 to 667 Hz
            wave = [_TONE_AMPLITUDE] * half + [-_TONE_AMPLITUDE] * half
            pcm16 = b"".join(sample.to_bytes(2, "little", signed=True) for sample in wave)
            period = g711.encode(pcm16)
            tone = (period * (self._length // len(period) + 1))[: self._length]
            self._tones[character] = tone
        return tone


@dataclass(frozen=True, slots=True)
class Chunk:
    """One audio delta: mu-law for the record, base64 of the wire format for the frame."""

    pcmu: bytes
    delta: str

    @property
    def duration_ms(self) -> float:
        """How long the caller would hear it."""
        return realtime_audio.duration_ms(self.pcmu)


@dataclass(frozen=True, slots=True)
class Clip:
    """One spoken sentence, cut into deltas."""

    text: str
    chunks: tuple[Chunk, ...]

    @property
    def duration_ms(self) -> float:
        """The whole length."""
        return sum(chunk.duration_ms for chunk in self.chunks)


class ClipStore:
    """Speaks each sentence once per format and keeps the newest clips for all sessions."""

    def __init__(self, voice: Voice | None) -> None:
        """Takes a voice that may block, which then runs in a thread; None means tones, at once."""
        self._voice = voice
        self._tones = ToneVoice()
        self._clips: OrderedDict[tuple[str, str], Clip] = OrderedDict()

    async def clip(self, text: str, audio_format: str) -> Clip:
        """Returns the sentence in the wire format.

        Raises:
            VoiceError: The voice failed.
        """
        key = (text, audio_format)
        clip = self._clips.get(key)
        if clip is None:
            pcmu = await self._speak(text)
            clip = Clip(text, tuple(_cut(text, pcmu, audio_format)))
            self._clips[key] = clip
            if len(self._clips) > _CLIPS_KEPT:
                self._clips.popitem(last=False)
        return clip

    async def _speak(self, text: str) -> bytes:
        if self._voice is None:
            return self._tones.speak(text)
        return await asyncio.to_thread(self._voice.speak, text)


def _cut(text: str, pcmu: bytes, audio_format: str) -> list[Chunk]:
    """Cuts at odd sizes; the text seeds them, so equal texts make equal deltas."""
    sizes = random.Random(zlib.crc32(text.encode()))
    wire = realtime_audio.encode(pcmu, audio_format)
    chunks = []
    start = 0
    size = _FIRST_CHUNK_BYTES
    while start < len(pcmu):
        end = min(start + size, len(pcmu))
        first, last = (realtime_audio.encoded_bytes(at, audio_format) for at in (start, end))
        delta = base64.b64encode(wire[first:last]).decode()
        chunks.append(Chunk(pcmu[start:end], delta))
        start = end
        size = sizes.randint(*_CHUNK_BYTES)
        size += size % _PACKET_BYTES == 0
    return chunks
