"""Whether the caller speaks, by the loudness of the line.

For providers without an ear of their own. A frame of 20 ms is speech when it is louder, by a
margin, than the quietest moment of the last seconds; 60 ms of speech begin a turn, silence of the
bot's choice ends it. Steady noise is learnt within seconds; music, keys' tones and other voices
are taken for speech, as with every detector of this kind (speech specification, 3).

Pure: bytes in, moments of the stream out.
"""

import math
from collections import deque
from dataclasses import dataclass

from service.audio.g711 import value_of

FRAME_MS = 20
FRAME_BYTES = 160
ONSET_FRAMES = 3
"""60 ms: a click is shorter. Source: speech specification, 3 (turns)."""
MEMORY_FRAMES = 200
"""Four seconds: nobody speaks that long without a gap between words."""
FIRST_FLOOR_DB = -60.0
"""Of a quiet line, until it is known; the line is not made out to be quieter than that."""
MOST_FLOOR_DB = -30.0
"""Speech over louder noise cannot be told by loudness."""
LEAST_MARGIN_DB = 5.0
MARGIN_RANGE_DB = 14.0
"""A bot's `threshold` from 0 to 1 moves the margin over it: 12 dB at one half."""
_FULL_SCALE = 32_768.0**2
_SQUARES = tuple(float(value_of(code)) ** 2 for code in range(256))


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began `at_ms` of the stream."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech ended `at_ms` of the stream; the silence after it was long enough."""

    at_ms: int


class LoudnessVad:
    """Follows one caller.

    Attributes:
        is_speech: a turn has begun and has not ended.
    """

    def __init__(self, threshold: float, silence_ms: int) -> None:
        """Begin on a quiet line; see `follow` for the arguments."""
        self.is_speech = False
        self._rest = b""
        self._frames = 0
        self._loud = 0
        self._last_loud = 0
        self._levels: deque[float] = deque([FIRST_FLOOR_DB], maxlen=MEMORY_FRAMES)
        self._smooth_db = self._floor = FIRST_FLOOR_DB
        self.follow(threshold, silence_ms)

    def follow(self, threshold: float, silence_ms: int) -> None:
        """Go on with another bot's wishes.

        Args:
            threshold: 0 to 1, how much louder than the line speech has to be.
            silence_ms: that ends a turn.
        """
        self._margin_db = LEAST_MARGIN_DB + MARGIN_RANGE_DB * threshold
        self._silence_frames = max(1, math.ceil(silence_ms / FRAME_MS))

    def hear(self, pcmu: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Return what became clear with this audio."""
        pcmu = self._rest + pcmu
        whole = len(pcmu) - len(pcmu) % FRAME_BYTES
        self._rest = pcmu[whole:]
        found = (
            self._hear_frame(pcmu[begin : begin + FRAME_BYTES])
            for begin in range(0, whole, FRAME_BYTES)
        )
        return [moment for moment in found if moment]

    def forget(self) -> None:
        """End the turn that has begun, as if it had never been."""
        self.is_speech, self._loud = False, 0

    def _hear_frame(self, frame: bytes) -> SpeechStarted | SpeechStopped | None:
        level = _level_db(frame)
        is_loud = level > self._floor_db + self._margin_db
        self._remember(level)
        self._frames += 1
        if is_loud:
            self._loud += 1
            self._last_loud = self._frames
            return self._begin() if self._loud >= ONSET_FRAMES else None
        self._loud = 0
        if self.is_speech and self._frames - self._last_loud >= self._silence_frames:
            self.is_speech = False
            return SpeechStopped(self._last_loud * FRAME_MS)
        return None

    def _begin(self) -> SpeechStarted | None:
        if self.is_speech:
            return None
        self.is_speech = True
        return SpeechStarted((self._frames - ONSET_FRAMES) * FRAME_MS)

    @property
    def _floor_db(self) -> float:
        return min(MOST_FLOOR_DB, max(FIRST_FLOOR_DB, self._floor))

    def _remember(self, level: float) -> None:
        # Smoothed over about 60 ms, or a single quiet frame in noise would pass for the line.
        self._smooth_db += (max(level, FIRST_FLOOR_DB) - self._smooth_db) / 3
        is_oldest_least = len(self._levels) == MEMORY_FRAMES and self._levels[0] <= self._floor
        self._levels.append(self._smooth_db)
        # To look through all of them is dear, and needed only when the least has left.
        self._floor = min(self._levels) if is_oldest_least else min(self._floor, self._smooth_db)


def _level_db(frame: bytes) -> float:
    """Return the loudness below full scale; -100 for digital silence."""
    mean = sum(map(_SQUARES.__getitem__, frame)) / len(frame)
    return 10 * math.log10(mean / _FULL_SCALE + 1e-10)
