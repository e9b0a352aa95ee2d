"""Counts of one session, for the receipt of the call. Numbers and fixed words, never content."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """What came in, and what of it was odd.

    Attributes:
        texts_in: text frames of any kind.
        audio_frames_in: binary frames of any kind.
        audio_bytes_in: bytes of these.
        dropped_frames: binary frames that were not forwarded, empty ones aside.
        odd_bytes: bytes after the last whole sample of a stereo frame.
        ignored_messages: known messages that the state does not take, by `type`.
        unknown_types: messages of a `type` that no client sends.
        late_failures: breaches after the session was already ending.
        warnings: repaired oddities by kind, such as `serverseq` or `language`.
    """

    texts_in: int = 0
    audio_frames_in: int = 0
    audio_bytes_in: int = 0
    dropped_frames: int = 0
    odd_bytes: int = 0
    ignored_messages: Counter[str] = field(default_factory=Counter)
    unknown_types: int = 0
    late_failures: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def warn(self, kind: str) -> None:
        """Count one oddity. `kind` is one of our own words."""
        self.warnings[kind] += 1
