"""Call events as lines of JSON in files: `DIR/dt=YYYY-MM-DD/<session>.ndjson`.

The file is the delivery: there is nothing to spool. A line is there whole or not at all, also when
the disk was full or the process was killed in the middle of it.
"""

import logging
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from service.call_events import CallEvent
from service.outbox.intake import Entry, Intake
from service.outbox.port import OutboxState
from service.outbox.worker import Worker

CLOSE_DEADLINE_S = 5.0
RETRY_S = 1.0
"""Between two tries while something cannot be written."""
MAX_NAME = 200
"""Characters of a file's name; file systems take 255."""

_UNSAFE = re.compile(r"[^0-9A-Za-z-]")
_log = logging.getLogger(__name__)


class JsonLinesSink:
    """Appends each event to the file of its call, in the order of `emit`.

    What cannot be written is kept in memory and tried again, up to the bounds of the intake.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._intake = Intake()
        self._worker: Worker | None = None
        self._pending: dict[Path, list[Entry]] = {}
        self._oldest_held: datetime | None = None
        self._is_failing = False

    def emit(self, event: CallEvent) -> None:
        """Take an event; beyond the bounds of the intake it is lost, and that is logged."""
        self._intake.put(event)

    def waiting(self) -> OutboxState:
        """Return what is not in a file yet."""
        return OutboxState(
            self._intake.depth, self._oldest_held or self._intake.oldest_at, self._intake.lost
        )

    async def start(self) -> None:
        """Begin writing in the background; warns when nothing can be written there."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            _log.warning(
                "the events directory cannot be made: events cannot be written",
                extra={"errno": error.errno},
            )
        self._worker = Worker("events", self._write_forever)
        self._worker.start()

    async def aclose(self) -> None:
        """Write what is waiting, within `CLOSE_DEADLINE_S`, and stop; says what was lost."""
        if self._worker is None:
            return
        self._intake.close()
        is_done = await self._worker.ended(CLOSE_DEADLINE_S)
        self._worker = None
        if lost := self._intake.depth:
            why = "they cannot be written" if is_done else "not written in time"
            _log.error("events were lost: %s", why, extra={"lost": lost})

    def _write_forever(self) -> None:
        while True:
            is_last = self._intake.is_closed
            for entry in self._intake.take(RETRY_S if self._pending else None):
                self._pending.setdefault(_path(self._directory, entry), []).append(entry)
            self._write()
            if is_last:
                return

    def _write(self) -> None:
        errors = [error for path in list(self._pending) if (error := self._write_file(path))]
        self._oldest_held = min(
            (entries[0].time for entries in self._pending.values()), default=None
        )
        if errors and not self._is_failing:
            _log.error(
                "events cannot be written: they are kept in memory and tried again",
                extra={"events": _count(self._pending), "errno": errors[0].errno},
            )
        elif self._is_failing and not errors:
            _log.warning("events are written again")
        self._is_failing = bool(errors)

    def _write_file(self, path: Path) -> OSError | None:
        try:
            append(path, b"".join(entry.body + b"\n" for entry in self._pending[path]))
        except OSError as error:
            return error
        self._intake.settle(self._pending.pop(path))
        return None


def append(path: Path, lines: bytes) -> None:
    """Append whole lines, or nothing.

    Raises:
        OSError: nothing was written, and nothing of it is left in the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size and not _ends_a_line(path, size):
            lines = b"\n" + lines  # a process was killed in the middle of its last line
        written = 0
        try:
            while written < len(lines):  # a disk that is nearly full takes a part
                written += file.write(lines[written:])
        except OSError:
            file.truncate(size)
            raise


def _ends_a_line(path: Path, size: int) -> bool:
    with path.open("rb", buffering=0) as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _path(directory: Path, entry: Entry) -> Path:
    name = _UNSAFE.sub("_", entry.session_id)[:MAX_NAME]
    return directory / f"dt={entry.time:%Y-%m-%d}" / f"{name}.ndjson"


def _count(pending: Mapping[Path, list[Entry]]) -> int:
    return sum(map(len, pending.values()))


class NoSink:
    """Forgets every event: `EVENTS_URL=off:`."""

    def emit(self, event: CallEvent) -> None:
        """Forget the event."""

    def waiting(self) -> OutboxState:
        """Return that nothing waits."""
        return OutboxState()

    async def start(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""
