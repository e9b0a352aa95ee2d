"""Hears whether a key's two tones are in the caller's audio, without keeping any of it.

Pure. Goertzel's algorithm at the eight frequencies of ITU-T Q.23; which key it was is not told.
"""

import math
from collections.abc import Sequence

from scripts.emulators.g711 import to_floats

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
BLOCK = 400  # samples, 50 ms: a key's tone lasts at least 40 ms, usually 100
RATE_HZ = 8000
MIN_POWER = 1e-4  # mean square, -40 dB of full scale: below it nothing is looked at
MIN_SHARE = 0.6  # of a block's energy that the two tones must have together
MIN_TONE_SHARE = 0.1  # and each of them


def has_dual_tone(pcmu: bytes) -> bool:
    """Whether any block of these samples consists of one low and one high tone."""
    samples = to_floats(pcmu)
    blocks = (samples[at : at + BLOCK] for at in range(0, len(samples) - BLOCK + 1, BLOCK))
    return any(_is_dual_tone(block) for block in blocks)


def _is_dual_tone(block: Sequence[float]) -> bool:
    power = sum(sample * sample for sample in block) / len(block)
    if power < MIN_POWER:
        return False
    low, high = (max(_share(block, hz, power) for hz in row) for row in (LOW_HZ, HIGH_HZ))
    return min(low, high) >= MIN_TONE_SHARE and low + high >= MIN_SHARE


def _share(block: Sequence[float], hz: int, power: float) -> float:
    """The share of the block's energy at this frequency; 1 for a pure tone."""
    factor = 2 * math.cos(2 * math.pi * hz / RATE_HZ)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + factor * last - before
    size = last * last + before * before - factor * last * before
    return 2 * size / (len(block) ** 2 * power)
