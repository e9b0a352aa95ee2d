"""The input audio buffer and the turns that a voice detector finds in it.

Sans-I/O: mu-law goes in, speech events come out; time is the audio clock, which counts every
appended millisecond since connect and nothing else. Source: openai_realtime spec 6.2, 12, 17.5.
"""

from dataclasses import dataclass

from scripts.emulators.realtime_audio import PCMU_BYTES_PER_MS
from scripts.emulators.realtime_wire import ApiError, Json
from scripts.emulators.vad import VoiceDetector

_ONSET_MS = 80  # so much speech in a row begins a turn
_HYSTERESIS = 0.15  # speech goes on down to this much below the threshold, as Silero advises
_MIN_COMMIT_MS = 100
_SEMANTIC_SILENCE_MS = {"low": 1600, "medium": 1000, "auto": 1000, "high": 600}
_SEMANTIC_PREFIX_MS = 300
_SEMANTIC_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller speaks; `audio_start_ms` already lies before the speech by the padding."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller's turn is over; `pcmu` is what gets committed."""

    audio_end_ms: int
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class TurnRules:
    """The numbers of a `turn_detection` object."""

    threshold: float
    prefix_ms: int
    silence_ms: int

    @classmethod
    def of(cls, detection: Json) -> "TurnRules":
        """Reads a server_vad object, or fits numbers to a semantic_vad's eagerness."""
        if detection["type"] == "semantic_vad":
            silence_ms = _SEMANTIC_SILENCE_MS[detection["eagerness"]]
            return cls(_SEMANTIC_THRESHOLD, _SEMANTIC_PREFIX_MS, silence_ms)
        return cls(
            detection["threshold"], detection["prefix_padding_ms"], detection["silence_duration_ms"]
        )


class InputBuffer:
    """Uncommitted caller audio with its place on the audio clock."""

    def __init__(self, detector: VoiceDetector) -> None:
        """Takes a detector of its own, since detectors keep state."""
        self._detector = detector
        self._window_ms = detector.window_bytes // PCMU_BYTES_PER_MS
        self._rules: TurnRules | None = None
        self._buffer = bytearray()
        self._buffer_start = 0  # bytes on the audio clock
        self._heard = 0  # bytes on the audio clock up to which windows were judged
        self._reset_detection()

    def _reset_detection(self) -> None:
        self._is_speaking = False
        self._speech_ms = 0
        self._silence_ms = 0

    @property
    def clock_ms(self) -> int:
        """All audio appended since connect; no commit and no clear resets it."""
        return (self._buffer_start + len(self._buffer)) // PCMU_BYTES_PER_MS

    @property
    def is_speaking(self) -> bool:
        """Whether a turn has begun and not ended."""
        return self._is_speaking

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a commit."""
        return not self._buffer

    def use(self, detection: Json | None) -> None:
        """Changes the turn rules; None means that the client makes the turns."""
        rules = TurnRules.of(detection) if detection is not None else None
        if rules != self._rules:
            self._rules = rules
            self._reset_detection()
            self._heard = self._buffer_start + len(self._buffer)

    def append(self, pcmu: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Takes caller audio and returns what the detector found in it, in order."""
        self._buffer += pcmu
        if self._rules is None:
            return []
        found: list[SpeechStarted | SpeechStopped] = []
        size = self._detector.window_bytes
        while self._heard + size <= self._buffer_start + len(self._buffer):
            at = self._heard - self._buffer_start
            window = bytes(self._buffer[at : at + size])
            self._heard += size
            event = self._judge(window, self._rules)
            if event is not None:
                found.append(event)
        return found

    def _judge(self, window: bytes, rules: TurnRules) -> SpeechStarted | SpeechStopped | None:
        probability = self._detector.probability(window)
        if self._is_speaking:
            is_speech = probability >= max(rules.threshold - _HYSTERESIS, 0.01)
            self._silence_ms = 0 if is_speech else self._silence_ms + self._window_ms
            return self._stop() if self._silence_ms >= max(rules.silence_ms, 1) else None
        self._speech_ms = self._speech_ms + self._window_ms if probability >= rules.threshold else 0
        if self._speech_ms >= _ONSET_MS:
            return self._start(rules)
        self._drop_old_silence(rules)
        return None

    def _start(self, rules: TurnRules) -> SpeechStarted:
        onset = self._heard - self._speech_ms * PCMU_BYTES_PER_MS
        start = max(self._buffer_start, onset - rules.prefix_ms * PCMU_BYTES_PER_MS)
        self._drop_until(start)
        self._is_speaking = True
        self._silence_ms = 0
        return SpeechStarted(start // PCMU_BYTES_PER_MS)

    def _stop(self) -> SpeechStopped:
        pcmu = bytes(self._buffer[: self._heard - self._buffer_start])
        self._drop_until(self._heard)
        self._reset_detection()
        return SpeechStopped(self._heard // PCMU_BYTES_PER_MS, pcmu)

    def _drop_old_silence(self, rules: TurnRules) -> None:
        """Keeps only what could become the padding of the next turn."""
        kept = rules.prefix_ms * PCMU_BYTES_PER_MS + self._speech_ms * PCMU_BYTES_PER_MS
        self._drop_until(max(self._buffer_start, self._heard - kept))

    def _drop_until(self, position: int) -> None:
        del self._buffer[: position - self._buffer_start]
        self._buffer_start = position

    def commit(self) -> bytes:
        """Empties the buffer for a client's commit and returns what was in it.

        Raises:
            ApiError: Less than 100 ms; the buffer stays.
        """
        has_ms = len(self._buffer) / PCMU_BYTES_PER_MS
        if has_ms < _MIN_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_MIN_COMMIT_MS}ms of audio, but buffer only has {has_ms:.2f}ms of audio."
            )
            raise ApiError(message, code="input_audio_buffer_commit_empty")
        return self.take()

    def take(self) -> bytes:
        """Empties the buffer, whatever is in it, and forgets a begun turn."""
        pcmu = bytes(self._buffer)
        self._drop_until(self._buffer_start + len(self._buffer))
        self._heard = self._buffer_start
        self._reset_detection()
        return pcmu
