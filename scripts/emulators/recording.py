"""Both sides of a call on one clock, as a stereo WAV: left the caller, right the agent.

The caller's track is what was sent, the agent's what was heard (played, not merely received).
"""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.emulators.g711 import decode
from scripts.emulators.playback import BYTES_PER_S

Side = Literal["caller", "agent"]


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of one track."""

    start_s: float  # on the clock of the call
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """The two tracks of a finished call; time 0 is when `open` was sent."""

    caller: tuple[Clip, ...]
    agent: tuple[Clip, ...]

    @property
    def samples(self) -> int:
        """Length of the recording, in samples."""
        return max((_end(clip) for clip in (*self.caller, *self.agent)), default=0)

    def pcmu(self, side: Side, start_ms: float = 0, end_ms: float | None = None) -> bytes:
        """Return one track, or a part of it, as mu-law bytes; silence where nothing was."""
        track = bytearray(b"\xff" * self.samples)
        for clip in self.caller if side == "caller" else self.agent:
            first = _first(clip)
            track[first : first + len(clip.pcmu)] = clip.pcmu
        end = None if end_ms is None else round(end_ms * BYTES_PER_S / 1000)
        return bytes(track[round(start_ms * BYTES_PER_S / 1000) : end])

    def write_wav(self, path: Path | str) -> None:
        """Write 16-bit stereo at 8 kHz to *path*; its folder must exist."""
        left, right = decode(self.pcmu("caller")), decode(self.pcmu("agent"))
        frames = bytearray(len(left) + len(right))
        for byte, (track, offset) in enumerate(((left, 0), (left, 1), (right, 0), (right, 1))):
            frames[byte::4] = track[offset::2]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(BYTES_PER_S)
            file.writeframes(bytes(frames))


def _first(clip: Clip) -> int:
    return round(clip.start_s * BYTES_PER_S)


def _end(clip: Clip) -> int:
    return _first(clip) + len(clip.pcmu)
