"""Call events as lines of JSON in files: `DIR/dt=YYYY-MM-DD/<session>.ndjson`."""

import asyncio
import contextlib
import logging
import re
from pathlib import Path

from service.call_events import CallEvent, to_json

MAX_WAITING = 10_000
"""Events kept while the disk is slow: about 10 MB."""
CLOSE_DEADLINE_S = 5.0

_UNSAFE = re.compile(r"[^0-9A-Za-z-]")
_log = logging.getLogger(__name__)


class JsonLinesSink:
    """Appends each event to the file of its call, in the order of `emit`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting: asyncio.Queue[CallEvent] = asyncio.Queue(MAX_WAITING)
        self._writer: asyncio.Task[None] | None = None

    def emit(self, event: CallEvent) -> None:
        """Take an event; while `MAX_WAITING` are waiting it is lost, and that is logged."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            _log.error("an event was lost: the events directory is too slow")

    async def start(self) -> None:
        """Begin writing in the background; warns when nothing can be written there."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            _log.warning(
                "the events directory cannot be made: events will be lost",
                extra={"errno": error.errno},
            )
        self._writer = asyncio.create_task(self._write_forever())

    async def aclose(self) -> None:
        """Write what is waiting, within `CLOSE_DEADLINE_S`, and stop."""
        if self._writer is None:
            return
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._waiting.join()
        except TimeoutError:
            lost = self._waiting.qsize()
            _log.error("events were lost: not written in time", extra={"lost": lost})
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._writer

    async def _write_forever(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._write(batch)
            for _ in batch:
                self._waiting.task_done()

    async def _write(self, batch: list[CallEvent]) -> None:
        for path, events in _by_file(self._directory, batch).items():
            try:
                await asyncio.to_thread(_append, path, events)
            except Exception as error:
                # The disk is full or gone. Waiting would fill the memory; the calls must go on.
                _log.exception(
                    "events were lost: they cannot be written",
                    extra={"lost": len(events), "errno": getattr(error, "errno", None)},
                )


def _by_file(directory: Path, events: list[CallEvent]) -> dict[Path, list[CallEvent]]:
    files: dict[Path, list[CallEvent]] = {}
    for event in events:
        day = directory / f"dt={event.time:%Y-%m-%d}"
        path = day / f"{_UNSAFE.sub('_', event.sessionid)}.ndjson"
        files.setdefault(path, []).append(event)
    return files


def _append(path: Path, events: list[CallEvent]) -> None:
    lines = b"".join(to_json(event) + b"\n" for event in events)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(lines)


class NoSink:
    """Forgets every event: `EVENTS_URL=off:`."""

    def emit(self, event: CallEvent) -> None:
        """Forget the event."""

    async def start(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""
