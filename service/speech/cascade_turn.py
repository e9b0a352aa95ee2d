"""The caller's side of a cascade: where turns begin and end, and their sound.

Pure: caller audio in, turns out. What was said a moment before a turn was noticed belongs to it.
"""

from dataclasses import dataclass, field

from service.audio import vad
from service.bots.port import VoiceActivity

BYTES_PER_MS = 8
MAX_TURN_MS = 60_000
"""A longer turn ends by itself: the words of a minute are enough for one answer."""


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The caller speaks. `at_ms` of the audio, with what is kept from before the speech."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller is done. `at_ms` includes the silence that ended it, `spoken_ms` does not."""

    at_ms: int
    spoken_ms: int
    pcmu: bytes = field(repr=False)


class CallerTurns:
    """Cuts the caller's audio into turns.

    Attributes:
        is_speaking: a turn has begun and has not ended.
    """

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._vad = vad.LoudnessVad(activity.threshold, activity.silence_duration_ms)
        self._kept = bytearray()
        self._kept_from_ms = 0
        self._began_ms = 0

    @property
    def is_speaking(self) -> bool:
        """True while a turn goes on."""
        return self._vad.is_speech

    def follow(self, activity: VoiceActivity) -> None:
        """Go on with another bot's wishes."""
        self._activity = activity
        self._vad.follow(activity.threshold, activity.silence_duration_ms)

    def hear(self, pcmu: bytes) -> list[TurnBegan | TurnEnded]:
        """Return what became clear with this audio."""
        self._kept += pcmu
        found: list[TurnBegan | TurnEnded] = []
        for moment in self._vad.hear(pcmu):
            match moment:
                case vad.SpeechStarted():
                    self._began_ms = moment.at_ms
                    begin = moment.at_ms - self._activity.prefix_padding_ms
                    found.append(TurnBegan(max(0, begin)))
                case vad.SpeechStopped():
                    found.append(self._end(moment.at_ms))
        if self.is_speaking and self._heard_ms - self._began_ms > MAX_TURN_MS:
            self._vad.forget()
            found.append(self._end(self._heard_ms))
        self._trim()
        return found

    def forget(self) -> None:
        """Drop the turn that goes on, and what may belong to the next one."""
        self._vad.forget()
        self._kept_from_ms = self._heard_ms
        self._kept.clear()

    @property
    def _heard_ms(self) -> int:
        return self._kept_from_ms + len(self._kept) // BYTES_PER_MS

    def _end(self, at_ms: int) -> TurnEnded:
        """Return the turn that ended: with the padding before it, and as much after it."""
        padding = self._activity.prefix_padding_ms
        begin = max(0, self._began_ms - padding - self._kept_from_ms) * BYTES_PER_MS
        end = (at_ms + padding - self._kept_from_ms) * BYTES_PER_MS
        return TurnEnded(
            at_ms + self._activity.silence_duration_ms,
            at_ms - self._began_ms,
            bytes(self._kept[begin:end]),
        )

    def _trim(self) -> None:
        """Keep the turn that goes on; without one, what the next may need from before it."""
        if self.is_speaking:
            return
        # The turn is noticed some frames after it began.
        keep_ms = self._activity.prefix_padding_ms + vad.FRAME_MS * (vad.ONSET_FRAMES + 1)
        spare_ms = len(self._kept) // BYTES_PER_MS - keep_ms
        if spare_ms > 0:
            del self._kept[: spare_ms * BYTES_PER_MS]
            self._kept_from_ms += spare_ms
