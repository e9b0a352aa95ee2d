"""Events on disk until they are delivered: our own folder, and those of processes that died.

Two threads share it: one writes, one reads and settles. Where the disk refuses, events wait in
bounded memory, which is said, and are delivered from there.
"""

import hashlib
import logging
import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from service.outbox.spool_folder import Place, SpoolFolder

MAX_BYTES = 256 * 1024 * 1024
"""On disk, of all folders: some 200,000 turns, while the smallest disks have a few GB."""
MAX_MEMORY_BYTES = 32 * 1024 * 1024
MAX_REJECTED = 1_000
REJECTED = "rejected"
CLOSE_WAIT_S = 1.0

_log = logging.getLogger(__name__)


class Spooled(NamedTuple):
    """An event that was read; `folder` and `place` are None for one that no disk took."""

    folder: SpoolFolder | None
    place: Place | None
    body: bytes


class Spool:
    """Keeps events in the order in which they came. No method raises for what a disk does.

    Attributes:
        lost: events since the start that neither disk nor memory had room for.
    """

    def __init__(self, root: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._own: SpoolFolder | None = None
        self._inherited: list[SpoolFolder] = []
        self._unwritten: deque[bytes] = deque()
        self._added = self._settled = 0
        self._is_failing = self._is_full = self._is_unreadable = self._is_closed = False
        self.lost = 0

    @property
    def depth(self) -> int:
        """Number of events that were not settled."""
        return self._added - self._settled

    @property
    def unwritten(self) -> int:
        """Number of events that wait in memory and belong on disk."""
        return len(self._unwritten)

    def inherit(self) -> None:
        """Take over what processes that died have left."""
        with self._lock:
            try:
                folders = SpoolFolder.of_the_dead(self._root) if self._root.is_dir() else []
            except OSError as error:
                _log.warning("the spool cannot be looked through", extra={"errno": error.errno})
                return
            for folder in folders:
                self._take_over(folder)

    def append(self, bodies: list[bytes]) -> None:
        """Keep events, after those that the disk refused before, if it takes them now."""
        with self._lock:
            room = self._room()
            for number, body in enumerate(bodies):
                room -= len(body)
                if room < 0:
                    self._lose(len(bodies) - number)
                    break
                self._unwritten.append(body)
                self._added += 1
            if self._unwritten:
                self._write()

    def read(self, *, at_least: int) -> list[Spooled]:
        """Return events that were not read, at least so many unless there are fewer."""
        found: list[Spooled] = []
        with self._lock:
            for folder in [*self._inherited, *([self._own] if self._own else [])]:
                while len(found) < at_least and not folder.is_read:
                    if (events := self._read_folder(folder)) is None:
                        return found
                    found += events
            # Those that no disk took are behind all that one did.
            while self._unwritten and len(found) < at_least:
                found.append(Spooled(None, None, self._unwritten.popleft()))
        return found

    def settle(self, events: list[Spooled]) -> None:
        """Forget events that were delivered or set aside."""
        with self._lock:
            if self._is_closed:  # too late: another process may have taken the folders over
                return
            by_folder: dict[SpoolFolder, list[Place]] = {}
            for event in events:
                if event.folder and event.place:
                    by_folder.setdefault(event.folder, []).append(event.place)
            for folder, places in by_folder.items():
                folder.settle(places)
            self._settled += len(events)
            for folder in [each for each in self._inherited if each.is_settled]:
                self._inherited.remove(folder)
                _remove(folder)

    def set_aside(self, body: bytes) -> bool:
        """Keep an event that nobody will take, and return whether that was possible."""
        folder = self._root / REJECTED
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(list(folder.iterdir())) >= MAX_REJECTED:
                return False
            (folder / f"{hashlib.sha256(body).hexdigest()[:32]}.json").write_bytes(body)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Remove our folder if nothing is left in it; release what others may take over."""
        if not self._lock.acquire(timeout=CLOSE_WAIT_S):
            return  # a disk hangs: the system releases the folders when the process ends
        try:
            folders = [*self._inherited, *([self._own] if self._own else [])]
            self._inherited, self._own, self._is_closed = [], None, True
            for folder in folders:
                if folder.is_settled:
                    _remove(folder)
                else:
                    folder.release()
        finally:
            self._lock.release()

    def _take_over(self, folder: SpoolFolder) -> None:
        try:
            count = folder.count()
        except OSError as error:
            _log.warning("a spool cannot be taken over", extra={"errno": error.errno})
            folder.release()  # for another try, by us or a neighbour
            return
        if count:
            _log.warning("events of an earlier process are delivered now", extra={"events": count})
        self._added += count
        self._inherited.append(folder)

    def _room(self) -> int:
        on_disk = sum(folder.size for folder in self._inherited)
        on_disk += self._own.size if self._own else 0
        in_memory = sum(map(len, self._unwritten))
        return min(self._max_bytes - on_disk, MAX_MEMORY_BYTES) - in_memory

    def _lose(self, count: int) -> None:
        self.lost += count
        if not self._is_full:
            _log.error("events are lost: the spool is full", extra={"max_bytes": self._max_bytes})
        self._is_full = True

    def _write(self) -> None:
        try:
            self._own = self._own or SpoolFolder.made(self._root)
            self._own.append(list(self._unwritten))
        except OSError as error:
            if not self._is_failing:
                _log.error(
                    "events cannot be spooled: they are kept in memory alone",
                    extra={"errno": error.errno},
                )
            self._is_failing = True
            return
        self._unwritten.clear()
        if self._is_failing:
            _log.warning("events are spooled again")
        self._is_failing = self._is_full = False

    def _read_folder(self, folder: SpoolFolder) -> list[Spooled] | None:
        try:
            events = [Spooled(folder, place, body) for place, body in folder.read()]
        except OSError as error:
            if not self._is_unreadable:
                _log.error("the spool cannot be read", extra={"errno": error.errno})
            self._is_unreadable = True
            return None
        self._is_unreadable = False
        return events


def _remove(folder: SpoolFolder) -> None:
    try:
        folder.remove()
    except OSError as error:
        _log.warning("a spool that is empty cannot be removed", extra={"errno": error.errno})
