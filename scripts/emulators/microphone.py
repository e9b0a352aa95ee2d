"""The caller's microphone: speech laid on a running line of samples, silence elsewhere.

Pure: the time comes in as an argument. A sample's index is its place in time, so that speech
begins inside a frame where it really began, and positions never drift.
"""

from collections import deque
from dataclasses import dataclass

from scripts.emulators.playback import BYTES_PER_S

SILENT_BYTE = b"\xff"  # mu-law zero; 0x00 would be a loud DC level


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of caller speech, in samples since the stream began."""

    start: int
    end: int


class Microphone:
    """Hands out the caller's stream frame by frame.

    Args:
        started_s: Time of sample 0, on the clock of every `now_s`.
    """

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.samples_cut = 0
        self.utterances: list[Utterance] = []
        self._waiting: deque[tuple[int, bytes]] = deque()  # first sample, pcmu

    def time_of(self, sample: int) -> float:
        """When this sample is spoken."""
        return self.started_s + sample / BYTES_PER_S

    def speak(self, pcmu: bytes, now_s: float) -> Utterance:
        """Lay speech on the line: now, or after the speech which is still being spoken."""
        now = round((now_s - self.started_s) * BYTES_PER_S)
        last_end = self.utterances[-1].end if self.utterances else 0
        start = max(now, self.samples_cut, last_end)
        utterance = Utterance(start, start + len(pcmu))
        self.utterances.append(utterance)
        self._waiting.append((start, pcmu))
        return utterance

    def cut(self, samples: int) -> bytes:
        """Return the next *samples* bytes of the stream."""
        begin, end = self.samples_cut, self.samples_cut + samples
        frame = bytearray(SILENT_BYTE * samples)
        while self._waiting and self._waiting[0][0] < end:
            start, pcmu = self._waiting.popleft()
            used = end - start
            frame[start - begin : start - begin + min(used, len(pcmu))] = pcmu[:used]
            if used < len(pcmu):
                self._waiting.appendleft((end, pcmu[used:]))
                break
        self.samples_cut = end
        return bytes(frame)


def interleave(external: bytes, channels: tuple[str, ...]) -> bytes:
    """Return the frame for these channels: the caller on `external`, silence on the others."""
    frame = bytearray(SILENT_BYTE * (len(external) * len(channels)))
    for lane, channel in enumerate(channels):
        if channel == "external":
            frame[lane :: len(channels)] = external
    return bytes(frame)
