"""G.711 mu-law to and from 16-bit samples, by table.

Pure Python: a call's second costs less than a thousandth of a second of CPU (the tests print it),
so nothing need be installed or loaded for it.
Source: ITU-T G.711, table 2a (decision values and values at the decoder's output; here times 4,
since those have 14 bits).
"""

import sys
from array import array

_BIAS = 132
"""33 at 14 bits: it makes each segment begin at a power of two."""
_CLIP = 32_635
"""The largest magnitude whose biased value still lies in the last segment."""
_SIGN = 0x80


def decode(pcmu: bytes) -> bytes:
    """Return the samples: 16 bits each, signed, little-endian."""
    return b"".join(map(_PAIRS.__getitem__, pcmu))


def encode(pcm16: bytes) -> bytes:
    """Return PCMU, one byte a sample.

    Args:
        pcm16: 16 bits a sample, signed, little-endian.

    Raises:
        ValueError: half a sample is left over.
    """
    samples = array("H")
    samples.frombytes(pcm16)
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(_CODES.__getitem__, samples))


def value_of(code: int) -> int:
    """Return the sample that a code stands for."""
    bits = ~code & 0xFF
    magnitude = ((((bits & 0x0F) << 3) + _BIAS) << (bits >> 4 & 0x07)) - _BIAS
    return -magnitude if bits & _SIGN else magnitude


def code_of(sample: int) -> int:
    """Return the code of a sample; one that lies on a decision value goes to the louder side."""
    biased = min(abs(sample), _CLIP) + _BIAS
    segment = biased.bit_length() - 8
    bits = (segment << 4) | (biased >> (segment + 3) & 0x0F)
    return ~(bits | (_SIGN if sample < 0 else 0)) & 0xFF


_PAIRS = tuple(value_of(code).to_bytes(2, "little", signed=True) for code in range(256))
_CODES = bytes(code_of(word - 65_536 if word >= 32_768 else word) for word in range(65_536))
