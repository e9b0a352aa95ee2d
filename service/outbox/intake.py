"""The bounded queue between the calls and the thread that writes their events down.

The calls' event loop puts in, one thread takes out. Events become JSON here: what waits then has a
size, and one without a JSON form hurts no other.
"""

import logging
import threading
from collections import deque
from datetime import datetime
from typing import NamedTuple

from service.call_events import CallEvent, to_json

MAX_EVENTS = 10_000
MAX_BYTES = 32 * 1024 * 1024
"""Kept in memory while a disk is slow or full: a quarter of an hour of a hundred busy calls."""

_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """An event that waits: its call, its `time`, and its JSON without the line's end."""

    session_id: str
    time: datetime
    body: bytes


class Intake:
    """Takes events without waiting, and loses what is beyond its bounds, which is logged.

    Attributes:
        lost: events since the start that could not be taken.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()
        self._news = threading.Event()
        self._is_closed = False
        self._is_full = False
        self.lost = 0
        # Each pair has one writer, so that no lock is needed: the loop, and the thread.
        self._put_events = self._put_bytes = 0
        self._settled_events = self._settled_bytes = 0

    def put(self, event: CallEvent) -> None:
        """Keep the event. Never waits, never raises."""
        try:
            body = to_json(event)
        except (TypeError, ValueError):  # such as a lone surrogate, which has no UTF-8 form
            self.lost += 1
            _log.error("an event was lost: it has no JSON form", extra={"type": event.type})
            return
        if not self._has_room(len(body)):
            self._lose()
            return
        self._is_full = False
        self._put_events += 1
        self._put_bytes += len(body)
        self._entries.append(Entry(event.sessionid, event.time, body))
        if not self._news.is_set():
            self._news.set()

    def take(self, timeout_s: float | None) -> list[Entry]:
        """Return what has come, after waiting for it for so long; call in the thread alone.

        What is taken counts as waiting until it is `settle`d.
        """
        self._news.wait(timeout_s)
        self._news.clear()
        if self._is_closed:  # looked at after clearing: `close` may come in between
            self._news.set()
        return [self._entries.popleft() for _ in range(len(self._entries))]

    def settle(self, entries: list[Entry]) -> None:
        """Forget entries that were taken: they are somewhere else, or given up."""
        self._settled_events += len(entries)
        self._settled_bytes += sum(len(entry.body) for entry in entries)

    def close(self) -> None:
        """Let `take` return at once from now on."""
        self._is_closed = True
        self._news.set()

    @property
    def is_closed(self) -> bool:
        """True when nothing more will come."""
        return self._is_closed

    @property
    def depth(self) -> int:
        """Number of events that are not settled."""
        return self._put_events - self._settled_events

    @property
    def oldest_at(self) -> datetime | None:
        """Time of the oldest event that was not taken."""
        try:
            return self._entries[0].time
        except IndexError:
            return None

    def _has_room(self, size: int) -> bool:
        waiting_bytes = self._put_bytes - self._settled_bytes
        return self.depth < self._max_events and waiting_bytes + size <= self._max_bytes

    def _lose(self) -> None:
        self.lost += 1
        if not self._is_full:  # said once for each time that it is full
            _log.error("events are lost: too many wait to be written")
        self._is_full = True
