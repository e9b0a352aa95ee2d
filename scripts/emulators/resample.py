"""Samples of any usual rate down to telephone mu-law: one windowed-sinc filter, no dependency.

For whole utterances, not for streams. A second of 16 kHz audio costs about 45 ms of CPU, and 9 ms
where numpy is installed.
"""

import functools
import math
import sys
from array import array
from collections.abc import Sequence
from operator import mul

from scripts.emulators import extras, g711

MAX_RATE_HZ = 48_000

# 32 taps at 8 kHz, cut at 3.75 kHz: flat to 3 kHz, aliases of 4.6 kHz and more below -70 dB
# (mu-law itself has 38 dB). Source: the usual polyphase recipe, measured in the tests.
_CUT_HZ = 3750
_HALF_WIDTH_S = 16 / g711.RATE_HZ


def to_pcmu(samples: Sequence[float], rate_hz: int, gain: float = 1.0) -> bytes:
    """Return samples on the int16 scale as 8 kHz mu-law; what is too loud clips.

    Raises:
        ValueError: if `rate_hz` is not within 8000..48000.
    """
    scaled = (round(gain * sample) for sample in to_8k(samples, rate_hz))
    pcm16 = array("h", [max(-32768, min(32767, sample)) for sample in scaled])
    if sys.byteorder == "big":
        pcm16.byteswap()
    return g711.encode(pcm16.tobytes())


def to_8k(samples: Sequence[float], rate_hz: int) -> Sequence[float]:
    """Return the samples at 8 kHz, low-passed before, in place: no delay at the front.

    Raises:
        ValueError: if `rate_hz` is not within 8000..48000.
    """
    if not g711.RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        msg = f"expected a rate of {g711.RATE_HZ}..{MAX_RATE_HZ} Hz, got {rate_hz}"
        raise ValueError(msg)
    if rate_hz == g711.RATE_HZ:
        return samples
    common = math.gcd(rate_hz, g711.RATE_HZ)
    up, down = g711.RATE_HZ // common, rate_hz // common
    phases = _phases(rate_hz, up)
    half = len(phases[0]) // 2
    padded = (0,) * (half - 1) + tuple(samples) + (0,) * half
    if up == 1 and extras.why_missing("numpy", "numpy") is None:
        return _every_nth(padded, phases[0], down)
    places = (divmod(step, up) for step in range(0, len(samples) * up, down))
    return [sum(map(mul, padded[at : at + 2 * half], phases[phase])) for at, phase in places]


def _every_nth(padded: Sequence[float], taps: Sequence[float], down: int) -> list[float]:
    """Return the same sums, of a rate that is a multiple of 8 kHz, by numpy."""
    import numpy

    count = len(padded) - len(taps) + 1
    sums = numpy.convolve(padded, taps[::-1], "valid")[:count:down]
    at_8k: list[float] = sums.tolist()
    return at_8k


@functools.cache
def _phases(rate_hz: int, up: int) -> tuple[tuple[float, ...], ...]:
    """Return the filter once per place between two input samples, each with gain 1 at 0 Hz."""
    half = math.ceil(_HALF_WIDTH_S * rate_hz)
    phases = []
    for phase in range(up):
        offsets = [k - phase / up for k in range(1 - half, half + 1)]
        taps = [windowed_sinc(offset, half, _CUT_HZ / rate_hz) for offset in offsets]
        total = sum(taps)
        phases.append(tuple(tap / total for tap in taps))
    return tuple(phases)


def windowed_sinc(offset: float, half: int, cut: float) -> float:
    """Return one tap of a low-pass: `offset` samples from its centre, `half` wide to each side.

    `cut` is a part of the sampling rate. Blackman's window: stop band at -74 dB.
    """
    turn = math.pi * offset / half
    window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
    sinc = math.sin(2 * math.pi * cut * offset) / (math.pi * offset) if offset else 2 * cut
    return sinc * window
