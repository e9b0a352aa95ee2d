"""The caller's loudspeaker: a queue of agent audio, played at 8,000 bytes a second.

Pure: the time comes in as an argument, in seconds of any monotonic clock. Source: AudioHook
specification sections 6.3, 6.4 and 15.
"""

from dataclasses import dataclass, field
from typing import Literal

BYTES_PER_S = 8000
SILENCE = b"\xff\x7f"  # both mu-law zeros
# An under-run up to this long is not noticed as a pause; it does not end an episode.
AUDIBLE_GAP_S = 0.1

PlaybackEvent = Literal["playback_started", "playback_completed"]


@dataclass(slots=True)
class Run:
    """Audio played without a break; after `clear`, only what was heard of it."""

    start_s: float
    pcmu: bytearray = field(default_factory=bytearray)
    was_cut: bool = False

    @property
    def end_s(self) -> float:
        """When its last byte is (or was) played."""
        return self.start_s + len(self.pcmu) / BYTES_PER_S

    @property
    def first_sound_s(self) -> float | None:
        """When its first byte other than digital silence is played; None: all silence."""
        sound = len(self.pcmu.lstrip(SILENCE))
        return self.end_s - sound / BYTES_PER_S if sound else None


class Playback:
    """Plays what is pushed; says when playing started and completed.

    Args:
        hangover_s: How long the queue must stay empty before `playback_completed`.
    """

    def __init__(self, *, hangover_s: float = 0.0) -> None:
        self._hangover_s = hangover_s
        self._is_reported = False  # started was emitted, completed not yet
        self.runs: list[Run] = []
        self.episode_start_s: float | None = None
        self.last_push_s: float | None = None  # of audio not cleared since
        self.max_queued_s = 0.0
        self.unplayed_s = 0.0  # still queued when the call ended

    def end_s(self) -> float | None:
        """When the queue runs (or ran) empty; None before any audio."""
        return self.runs[-1].end_s if self.runs else None

    def is_audible(self, now_s: float) -> bool:
        """True while a byte is being played."""
        return bool(self.runs) and now_s < self.runs[-1].end_s

    def next_event_s(self) -> float | None:
        """When `advance` will have something to say, if nothing is pushed; None: never."""
        return self.runs[-1].end_s + self._hangover_s if self._is_reported else None

    def push(self, pcmu: bytes, now_s: float) -> list[PlaybackEvent]:
        """Append audio to the queue; return the events up to now."""
        events = self.advance(now_s)
        if not pcmu:
            return events
        if not self.is_audible(now_s):
            self._begin_run(now_s)
        self.runs[-1].pcmu += pcmu
        self.last_push_s = now_s
        self.max_queued_s = max(self.max_queued_s, self.runs[-1].end_s - now_s)
        if not self._is_reported:
            self._is_reported = True
            events.append("playback_started")
        return events

    def advance(self, now_s: float) -> list[PlaybackEvent]:
        """Return the events that became due."""
        due_s = self.next_event_s()
        if due_s is None or now_s < due_s:
            return []
        self._is_reported = False
        return ["playback_completed"]

    def clear(self, now_s: float) -> list[PlaybackEvent]:
        """Drop what has not been played; return `playback_completed` if it was playing."""
        self._cut(now_s)
        self.last_push_s = None
        self.episode_start_s = None
        if not self._is_reported:
            return []
        self._is_reported = False
        return ["playback_completed"]

    def stop(self, now_s: float) -> None:
        """Fall silent because the call is over; nobody is told."""
        self.unplayed_s += self._cut(now_s)

    def _cut(self, now_s: float) -> float:
        """Drop what is queued; return how many seconds of it."""
        if not self.is_audible(now_s):
            return 0.0
        run = self.runs[-1]
        queued_s = run.end_s - now_s
        del run.pcmu[int((now_s - run.start_s) * BYTES_PER_S) :]
        run.was_cut = True
        return queued_s

    def _begin_run(self, now_s: float) -> None:
        end_s = self.end_s()
        goes_on = (
            self.episode_start_s is not None
            and end_s is not None
            and now_s - end_s <= AUDIBLE_GAP_S
        )
        if not goes_on:
            self.episode_start_s = now_s
        self.runs.append(Run(now_s))
