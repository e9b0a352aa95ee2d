"""G.711 mu-law: telephone bytes to 16-bit samples and back, with the standard library alone.

The emulators keep their own codec: one shared with the service would hide the service's mistakes.
Source: ITU-T G.711 table 2 (decision and output values); at the decision values themselves, which
the table leaves open, the rule of ITU's own software library (G.191, `ulaw_compress`).
"""

import functools
import sys
from array import array

RATE_HZ = 8000
SILENCE = b"\xff"  # code of +0; the code of -0 (0x7F) also decodes to 0

_BIAS = 33  # makes every segment begin at a power of two, on the 14-bit scale
_MAX_MAGNITUDE = 0x1FFF  # 14-bit scale, bias included; louder samples clip


def decode(pcmu: bytes) -> bytes:
    """Return the little-endian int16 samples of mu-law bytes, two bytes for each."""
    low, high = _decode_tables()
    pcm16 = bytearray(2 * len(pcmu))
    pcm16[0::2] = pcmu.translate(low)
    pcm16[1::2] = pcmu.translate(high)
    return bytes(pcm16)


def encode(pcm16: bytes) -> bytes:
    """Return the mu-law bytes of little-endian int16 samples, one byte for each.

    Raises:
        ValueError: if `pcm16` ends in the middle of a sample.
    """
    samples = array("H")
    samples.frombytes(pcm16)
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(_encode_table().__getitem__, samples))


def duration_ms(pcmu: bytes) -> int:
    """Return how long these bytes play, in whole milliseconds (a begun one does not count)."""
    return len(pcmu) * 1000 // RATE_HZ


def to_floats(pcmu: bytes) -> list[float]:
    """Return the samples of mu-law bytes within -1..1, as speech models take them."""
    return list(map(_float_table().__getitem__, pcmu))


@functools.cache
def _float_table() -> tuple[float, ...]:
    """Return the output value of every code, as a part of int16's full scale."""
    return tuple(_output_value(code) / 0x8000 for code in range(256))


@functools.cache
def _decode_tables() -> tuple[bytes, bytes]:
    """Return the low and the high byte of all 256 output values, as `bytes.translate` tables."""
    values = [_output_value(code) & 0xFFFF for code in range(256)]
    return bytes(v & 0xFF for v in values), bytes(v >> 8 for v in values)


def _output_value(code: int) -> int:
    """Return the 16-bit sample of one code; bits are sent inverted, so they are turned first."""
    inverted = code ^ 0xFF
    segment, step = inverted >> 4 & 7, inverted & 0xF
    magnitude = ((2 * step + _BIAS << segment) - _BIAS) << 2
    return -magnitude if inverted & 0x80 else magnitude


@functools.cache
def _encode_table() -> bytes:
    """Return the code of each 16-bit sample, indexed by the sample's unsigned bit pattern."""
    positive = bytes(_code(sample >> 2) for sample in range(0x8000))
    # One's complement mirrors the negative half: -1 is the twin of 0, -32768 that of 32767.
    return positive + bytes(code ^ 0x80 for code in reversed(positive))


def _code(magnitude: int) -> int:
    """Return the code of a positive sample on the 14-bit scale."""
    biased = min(magnitude + _BIAS, _MAX_MAGNITUDE)
    segment = biased.bit_length() - 6
    step = biased >> segment + 1 & 0xF
    return (segment << 4 | step) ^ 0xFF
