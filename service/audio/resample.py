"""Sample rates of telephony and of speech models: 8 kHz to and from 16 and 24 kHz, streamed.

A polyphase low-pass filter (Kaiser window) over 4 ms at the telephone's rate: half of that is its
delay. It keeps what it needs of the past, so that chunks of any size give the samples of one long
chunk. What would fold into the telephone's band is 80 dB down from 4.6 kHz on.

This file needs numpy and is imported only where sound really changes its rate.
Source: speech specification, 4.2 (taps, window and edge were measured there).
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

PHONE_HZ = 8_000
RATES_HZ = (16_000, 24_000)
"""Rates on the other side of the filter."""
DELAY_MS = 2.0
_TAPS = 32
"""At the telephone's rate: 4 ms."""
_EDGE_HZ = 3_750.0
"""Half the amplitude is left here; the band up to 3.4 kHz is kept within 0.6 dB."""
_KAISER = 8.0
_UNIT = float(1 << 20)
"""Of the filter's whole numbers. Their sums are exact in any order, so chunks cannot differ."""
_HIGHEST, _LOWEST = 32_767, -32_768


class Resampler:
    """One direction of one stream.

    Attributes:
        delay_ms: by how much the sound comes later.
    """

    delay_ms = DELAY_MS

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Begin with silence before the first sample.

        Raises:
            ValueError: neither rate is the telephone's, or the other is not of `RATES_HZ`.
        """
        other = to_hz if from_hz == PHONE_HZ else from_hz
        if PHONE_HZ not in (from_hz, to_hz) or other not in RATES_HZ:
            raise ValueError(f"expected 8000 Hz and one of {RATES_HZ}, got {from_hz} and {to_hz}")
        ratio = Fraction(to_hz, from_hz)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._phases = _phases(other, self._up)
        self._width = self._phases.shape[0]
        self._past = np.zeros(self._width - 1, np.float64)
        self._odd = b""
        self._skip = 0

    def resample(self, pcm16: bytes) -> bytes:
        """Return the samples that are complete with these: 16 bits, signed, little-endian.

        Half a sample at the end waits for its other half.
        """
        pcm16 = self._odd + pcm16
        even = len(pcm16) & ~1
        self._odd = pcm16[even:]
        fresh = np.frombuffer(pcm16[:even], "<i2").astype(np.float64)
        if not fresh.size:
            return b""
        return self._filtered(np.concatenate((self._past, fresh)))

    def flush(self) -> bytes:
        """Return the end of the stream, which still is in the filter; then begin anew."""
        self._odd = b""
        rest = self.resample(bytes(2 * (self._width // 2)))
        self._past = np.zeros(self._width - 1, np.float64)
        self._skip = 0
        return rest

    def _filtered(self, sound: NDArray[np.float64]) -> bytes:
        """Filter all windows that are complete; what the next one needs stays."""
        self._past = sound[-(self._width - 1) :].copy()
        count = len(sound) - self._width + 1
        # The views are made by hand: numpy's own function for them costs more than the filter.
        step = sound.itemsize
        rows = max(0, -(-(count - self._skip) // self._down))
        shape, strides = (rows, self._width), (self._down * step, step)
        windows = np.ndarray(shape, np.float64, sound, self._skip * step if rows else 0, strides)
        self._skip = (self._skip - count) % self._down
        # Copied: the product of overlapping rows is many times slower than that of rows in place.
        out = np.ascontiguousarray(windows) @ self._phases
        return np.rint(out / _UNIT).clip(_LOWEST, _HIGHEST).astype("<i2").tobytes()


def _phases(other_hz: int, up: int) -> NDArray[np.float64]:
    """Return the filter as a column for each output sample that falls to one input sample.

    Rows stand for input samples, the oldest first.
    """
    length = _TAPS * (other_hz // PHONE_HZ)
    middle = (length - 1) / 2
    at = np.arange(length) - middle
    low_pass = np.sinc(2 * _EDGE_HZ / other_hz * at) * np.kaiser(length, _KAISER)
    low_pass *= up / low_pass.sum()
    return np.ascontiguousarray(np.rint(low_pass * _UNIT).reshape(-1, up)[::-1])
