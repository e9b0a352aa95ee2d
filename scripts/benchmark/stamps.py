"""Marks in the audio by which a piece of it is known again at the other end, and how long it took.

Any byte is a PCMU sample, so a mark is audio like any other to what lies between the two ends.
"""

import struct
from binascii import Error, a2b_base64
from dataclasses import dataclass, field

_STAMP = struct.Struct(">4sII")
_MAGIC = b"\x15\xea\x51\xae"
_SILENCE = b"\xff"
STAMP_BYTES = _STAMP.size
_STAMP_CHARS = STAMP_BYTES * 4 // 3  # in base64; the size divides by three, so nothing else is in

Stamp = tuple[int, int]
"""Who sent it, and which of theirs it is."""


def stamped(stamp: Stamp, size: int) -> bytes:
    """Return `size` bytes of PCMU (at least `STAMP_BYTES`): the stamp, then silence."""
    return _STAMP.pack(_MAGIC, *stamp).ljust(size, _SILENCE)


def read_stamp(pcmu: bytes) -> Stamp | None:
    """Return the stamp at the beginning of the audio, None where there is none."""
    if not pcmu.startswith(_MAGIC) or len(pcmu) < STAMP_BYTES:
        return None
    _, sender, number = _STAMP.unpack_from(pcmu)
    return sender, number


def read_base64_stamp(text: bytes, start: int) -> Stamp | None:
    """Return the stamp of base64 audio that begins at `start`, without decoding all of it."""
    try:
        return read_stamp(a2b_base64(text[start : start + _STAMP_CHARS]))
    except Error:
        return None


@dataclass(slots=True)
class Crossings:
    """Pieces of audio on their way through the target; times are monotonic seconds.

    Attributes:
        is_counting: pieces that leave now count.
        took_ms: of each that counted and has arrived.
    """

    is_counting: bool = False
    took_ms: list[float] = field(default_factory=list)
    _left_at: dict[Stamp, float] = field(default_factory=dict)

    @property
    def under_way(self) -> int:
        """How many counted and have not arrived; lost, when enough time has passed."""
        return len(self._left_at)

    def leave(self, stamp: Stamp, now: float) -> None:
        """Note that a piece is being written."""
        if self.is_counting:
            self._left_at[stamp] = now

    def arrive(self, stamp: Stamp, now: float) -> None:
        """Note that a piece was read; those that never counted are ignored."""
        if (left_at := self._left_at.pop(stamp, None)) is not None:
            self.took_ms.append((now - left_at) * 1_000)
