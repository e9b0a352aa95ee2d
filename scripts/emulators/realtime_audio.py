"""The three audio formats of the Realtime API, to and from the mu-law that the emulator works in.

Inside, everything is 8 kHz mu-law (8 bytes per millisecond). 24 kHz PCM is averaged down three
to one on the way in and linearly interpolated on the way out; A-law goes through a table.
"""

import functools
import sys
from array import array

from scripts.emulators import g711

PCMU_BYTES_PER_MS = 8
_PCM_BYTES_PER_PCMU = 6  # three 16-bit samples at 24 kHz for one at 8 kHz


def duration_ms(pcmu: bytes | bytearray) -> float:
    """How long these mu-law bytes last."""
    return len(pcmu) / PCMU_BYTES_PER_MS


class InputDecoder:
    """Turns appended audio of one format into mu-law, across any chunk borders."""

    def __init__(self, audio_format: str) -> None:
        """Starts a stream of `audio/pcm`, `audio/pcmu` or `audio/pcma`."""
        self.audio_format = audio_format
        self._rest = b""

    def decode(self, audio: bytes) -> bytes:
        """Returns the mu-law bytes that are complete; keeps up to two PCM samples for later."""
        if self.audio_format == "audio/pcmu":
            return audio
        if self.audio_format == "audio/pcma":
            return audio.translate(_pcma_to_pcmu())
        whole = self._rest + audio
        end = len(whole) - len(whole) % _PCM_BYTES_PER_PCMU
        self._rest = whole[end:]
        return _narrow(whole[:end])


def encode(pcmu: bytes, audio_format: str) -> bytes:
    """Returns mu-law audio in another format; lengths stay proportional (1 to 1, or 1 to 6)."""
    if audio_format == "audio/pcmu":
        return pcmu
    if audio_format == "audio/pcma":
        return pcmu.translate(_pcmu_to_pcma())
    return _widen(pcmu)


def encoded_bytes(pcmu_bytes: int, audio_format: str) -> int:
    """How many bytes of `audio_format` stand for that many mu-law bytes."""
    return pcmu_bytes * (_PCM_BYTES_PER_PCMU if audio_format == "audio/pcm" else 1)


def _samples(pcm16: bytes) -> "array[int]":
    samples = array("h", pcm16)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _to_bytes(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _narrow(pcm24: bytes) -> bytes:
    wide = _samples(pcm24)
    triples = zip(wide[0::3], wide[1::3], wide[2::3], strict=True)
    return g711.encode(_to_bytes(array("h", [sum(triple) // 3 for triple in triples])))


def _widen(pcmu: bytes) -> bytes:
    narrow = _samples(g711.decode(pcmu))
    wide = array("h")
    previous = 0
    for sample in narrow:
        step = sample - previous
        wide.extend((previous + step // 3, previous + 2 * step // 3, sample))
        previous = sample
    return _to_bytes(wide)


def _pcma_value(code: int) -> int:
    """The 16-bit sample of an A-law code. Source: ITU-T G.711, table 1."""
    bits = code ^ 0x55
    mantissa = (bits & 0x0F) * 16
    exponent = (bits & 0x70) >> 4
    magnitude = mantissa + 8 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return magnitude if bits & 0x80 else -magnitude


@functools.cache
def _pcma_to_pcmu() -> bytes:
    return g711.encode(_to_bytes(array("h", [_pcma_value(code) for code in range(256)])))


@functools.cache
def _pcmu_to_pcma() -> bytes:
    return bytes(map(_nearest_pcma, _samples(g711.decode(bytes(range(256))))))


def _nearest_pcma(sample: int) -> int:
    return min(range(256), key=lambda code: abs(_pcma_value(code) - sample))
