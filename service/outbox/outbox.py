"""The sink that loses nothing: events go to a spool on disk, and from there to a queue.

Two threads, so that neither a call nor the disk ever waits for the queue: one writes down what the
calls tell, the other sends it. Both are daemons; what they leave undone lies in the spool.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime

from service.call_events import CallEvent
from service.outbox.dispatch import Dispatch
from service.outbox.intake import Intake
from service.outbox.port import EventPublisher, OutboxState
from service.outbox.spool import Spool
from service.outbox.worker import Worker

CLOSE_DEADLINE_S = 5.0
"""For the queue, at the end of the process. Source: deployment facts, 4.2."""
START_DELAY_S = 1.0
"""Until the queue's SDK is loaded, which takes half a second of CPU: the port is open by then."""
DISK_RETRY_S = 1.0
INHERIT_EVERY_S = 60.0
"""Between two looks for what neighbours on the same disk left behind."""

_log = logging.getLogger(__name__)


class Outbox:
    """Spools each event, then delivers it at least once, in the order of its call."""

    def __init__(
        self,
        spool: Spool,
        make_publisher: Callable[[], EventPublisher],
        *,
        start_delay_s: float = START_DELAY_S,
        close_deadline_s: float = CLOSE_DEADLINE_S,
    ) -> None:
        """`make_publisher` is called in a thread of the outbox, so late that it may be slow."""
        self._intake = Intake()
        self._spool = spool
        self._dispatch = Dispatch(spool, make_publisher, random.random)
        self._start_delay_s = start_delay_s
        self._close_deadline_s = close_deadline_s
        self._news = threading.Event()
        self._is_all_written = False
        self._is_stopped = False
        self._writer = Worker("events-spool", self._write_forever)
        self._sender = Worker("events-queue", self._send_forever)
        self._is_running = False

    def emit(self, event: CallEvent) -> None:
        """Take an event; beyond the bounds of the intake it is lost, and that is logged."""
        self._intake.put(event)

    def waiting(self) -> OutboxState:
        """Return what the queue does not have yet."""
        return OutboxState(
            self._intake.depth + self._spool.depth,
            self._oldest_at(),
            self._intake.lost + self._spool.lost + self._dispatch.refused,
        )

    async def start(self) -> None:
        """Begin spooling at once, and delivering soon, with what earlier processes left."""
        self._is_running = True
        self._writer.start()
        self._sender.start()

    async def aclose(self) -> None:
        """Deliver what is waiting, within the deadline; says what is kept and what is lost."""
        if not self._is_running:
            return
        self._is_running = False
        self._intake.close()
        self._news.set()
        await self._sender.ended(self._close_deadline_s)
        self._is_stopped = True
        self._news.set()
        lost = self._intake.depth + self._spool.unwritten + self._dispatch.in_memory
        if kept := self._spool.depth - self._spool.unwritten - self._dispatch.in_memory:
            _log.warning(
                "events were not sent in time: the spool keeps them for the next process on this "
                "disk",
                extra={"events": kept},
            )
        if lost:
            _log.error(
                "events were lost: neither the queue nor the disk took them", extra={"lost": lost}
            )
        self._spool.close()

    def _oldest_at(self) -> datetime | None:
        times = (self._dispatch.oldest_at, self._intake.oldest_at)
        return min((time for time in times if time), default=None)

    def _write_forever(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._intake.is_closed
            entries = self._intake.take(DISK_RETRY_S if self._spool.unwritten else None)
            self._spool.append([entry.body for entry in entries])
            self._intake.settle(entries)
            self._is_all_written = is_last
            self._news.set()

    def _send_forever(self) -> None:
        self._sleep(self._start_delay_s)
        inherited_at = float("-inf")
        while not self._is_stopped:
            now = time.monotonic()
            if now >= inherited_at + INHERIT_EVERY_S:
                self._spool.inherit()
                inherited_at = now
            is_all_written = self._is_all_written  # before the look at the spool
            wait_s = self._dispatch.step(now, hurry=self._intake.is_closed)
            if wait_s is None and is_all_written:
                return
            if wait_s != 0:
                self._news.wait(INHERIT_EVERY_S if wait_s is None else wait_s)
                self._news.clear()

    def _sleep(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while not self._intake.is_closed and (left_s := until - time.monotonic()) > 0:
            self._news.wait(left_s)
            self._news.clear()
