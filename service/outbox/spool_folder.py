"""The spool of one process: a folder with a lock, numbered segments, and how far it was delivered.

The lock is the operating system's: it goes with the process, however that ends. A process that
finds a folder whose lock is free may take it over. Not safe for threads by itself: `spool` is.
"""

import fcntl
import logging
import os
import secrets
from collections import deque
from pathlib import Path
from typing import NamedTuple, Self

from service.outbox.records import packed, unpacked

SEGMENT_BYTES = 4 * 1024 * 1024
"""Then the next one is begun; a segment is deleted when all of it was delivered."""
READ_BYTES = 256 * 1024
_UNBORN = ".new-"
_ACK = "delivered"

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a record ends. Places of a folder are in the order in which it was written."""

    segment: int
    end: int


class SpoolFolder:
    """What one process wrote down and nobody has delivered yet; holds the folder's lock.

    Attributes:
        size: bytes of the segments.
    """

    def __init__(self, path: Path, lock: int) -> None:
        """`lock`: descriptor of the locked file; ours from now on."""
        self.path = path
        self._lock = lock
        self._sizes = {int(each.stem): each.stat().st_size for each in path.glob("*.seg")}
        self._begin = self._read_to = self._first_place()
        self._unsettled: deque[Place] = deque()
        self._settled: set[Place] = set()

    @classmethod
    def made(cls, root: Path) -> Self:
        """Make a new folder of ours.

        Raises:
            OSError: it cannot be made.
        """
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        unborn = root / (_UNBORN + name)
        unborn.mkdir(mode=0o700, parents=True)
        lock = _locked(unborn, os.O_CREAT)
        # Nobody looks at it before it has its name: by then it is locked.
        return cls(unborn.rename(root / name), lock)

    @classmethod
    def of_the_dead(cls, root: Path) -> list[Self]:
        """Take over every folder whose process is gone."""
        taken = []
        for path in sorted(root.iterdir()):
            if not (path / "lock").is_file() or path.name.startswith(_UNBORN):
                continue
            try:
                taken.append(cls(path, _locked(path)))
            except OSError:
                continue  # its process lives, perhaps as we; or another one was quicker
        return taken

    @property
    def size(self) -> int:
        """Return the bytes that the segments take."""
        return sum(self._sizes.values())

    @property
    def is_read(self) -> bool:
        """True when every record was read."""
        return self._next_to_read() is None

    @property
    def is_settled(self) -> bool:
        """True when every record was read and settled."""
        return self.is_read and not self._unsettled

    def append(self, bodies: list[bytes]) -> None:
        """Write records behind the last one, all or none.

        Raises:
            OSError: none was written, and nothing of them is left.
        """
        number = max(self._sizes, default=0) or 1
        if self._sizes.get(number, 0) >= SEGMENT_BYTES:
            number += 1
        self._sizes.setdefault(number, 0)
        _append(self._segment(number), self._sizes[number], b"".join(map(packed, bodies)))
        self._sizes[number] += sum(len(packed(body)) for body in bodies)

    def count(self) -> int:
        """Return how many whole records were not delivered, by looking at all of them."""
        total = 0
        for number in sorted(self._sizes):
            skip = self._begin.end if number == self._begin.segment else 0
            data = self._segment(number).read_bytes()[skip:]
            total += len(unpacked(data).bodies)
        return total

    def read(self) -> list[tuple[Place, bytes]]:
        """Return some of the records that were not read yet, in their order.

        What is spoilt is skipped to the end of its segment, and that is logged.

        Raises:
            OSError: they cannot be read.
        """
        place = self._next_to_read()
        if place is None:
            return []
        found = unpacked(self._bytes_at(place, READ_BYTES), place.end)
        if not found.bodies:  # longer than what was looked at, or spoilt
            rest = self._sizes[place.segment] - place.end
            found = unpacked(self._bytes_at(place, rest), place.end)
            if not found.bodies:
                self._skip(place)
                return []
        self._read_to = Place(place.segment, found.end)
        records = [(Place(place.segment, end), body) for end, body in found.bodies]
        self._unsettled.extend(at for at, _ in records)
        return records

    def settle(self, places: list[Place]) -> None:
        """Remember that records that were read need no delivery any more."""
        self._settled.update(places)
        reached = None
        while self._unsettled and self._unsettled[0] in self._settled:
            reached = self._unsettled.popleft()
            self._settled.remove(reached)
        if reached:
            self._write_down(reached)
            for number in [each for each in self._sizes if each < reached.segment]:
                self._segment(number).unlink(missing_ok=True)
                del self._sizes[number]

    def remove(self) -> None:
        """Delete the folder; nothing of it is needed any more."""
        for path in self.path.iterdir():
            path.unlink(missing_ok=True)
        self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let another process take it over."""
        os.close(self._lock)

    def _first_place(self) -> Place:
        first = Place(min(self._sizes, default=1), 0)
        try:
            segment, end = (self.path / _ACK).read_text().split()
            return max(first, Place(int(segment), int(end)))
        except (OSError, ValueError):  # none was written, or a power cut emptied it
            return first

    def _next_to_read(self) -> Place | None:
        if self._sizes.get(self._read_to.segment, 0) > self._read_to.end:
            return self._read_to
        later = [n for n in self._sizes if n > self._read_to.segment and self._sizes[n]]
        return Place(min(later), 0) if later else None

    def _bytes_at(self, place: Place, count: int) -> bytes:
        count = min(count, self._sizes[place.segment] - place.end)
        with self._segment(place.segment).open("rb") as file:
            file.seek(place.end)
            return file.read(count)

    def _skip(self, place: Place) -> None:
        size = self._sizes[place.segment]
        self._read_to = Place(place.segment, size)
        _log.warning(
            "the end of a spool's segment cannot be read: its process was killed while it wrote, "
            "or the disk spoilt it",
            extra={"bytes": size - place.end},
        )

    def _write_down(self, place: Place) -> None:
        new = self.path / f"{_ACK}.new"
        try:
            new.write_text(f"{place.segment} {place.end}\n")
            new.replace(self.path / _ACK)
        except OSError:  # then some events are sent twice after a crash, which harms nobody
            _log.debug("what was delivered could not be written down")

    def _segment(self, number: int) -> Path:
        return self.path / f"{number:08}.seg"


def _append(path: Path, size: int, data: bytes) -> None:
    """Write behind the `size` bytes that are known to be good, and have the disk take it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], size + written)
            os.fdatasync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _locked(path: Path, flags: int = 0) -> int:
    descriptor = os.open(path / "lock", os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
