"""Brings events from the spool to the queue, step by step.

It waits for nothing but the queue itself and reads no clock: whoever calls `step` says what time it
is, and gets told when to come again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.outbox.letter import Letter, letter_of
from service.outbox.port import Answer, EventPublisher, PublishError
from service.outbox.schedule import Schedule
from service.outbox.spool import Spool, Spooled

WINDOW = 500
"""Events that are looked at at once: enough for full batches, little memory."""
NO_PUBLISHER_S = 5.0
"""Between two tries to make a publisher: its settings are wrong, or a package is missing."""
UNREADABLE = "not_an_event"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    """A letter and where it lies in the spool."""

    letter: Letter
    spooled: Spooled

    @property
    def call(self) -> str:
        return self.letter.call


class Dispatch:
    """Delivers each event at least once, in the order of its call.

    Attributes:
        refused: events since the start that the queue will never take.
        in_memory: events that are being delivered and lie on no disk.
        oldest_at: time of the oldest event that is being delivered; None when there is none.
    """

    def __init__(
        self,
        spool: Spool,
        make_publisher: Callable[[], EventPublisher],
        jitter: Callable[[], float],
    ) -> None:
        """`make_publisher` is called with the first step, and again while it fails."""
        self._spool = spool
        self._make_publisher = make_publisher
        self._publisher: EventPublisher | None = None
        self._schedule: Schedule[_Parcel] = Schedule(jitter)
        self._is_failing = self._is_failing_in_part = False
        self.refused = 0
        self.in_memory = 0
        self.oldest_at: datetime | None = None

    def step(self, now: float, *, hurry: bool = False) -> float | None:
        """Send one batch, if there is one.

        Args:
            now: monotonic seconds.
            hurry: the process ends; wait for no larger batch.

        Returns:
            Seconds until there is more to do; None: not without new events.
        """
        try:
            publisher = self._publisher = self._publisher or self._make_publisher()
        except Exception as error:  # such as an address without a region
            self._fail(type(error).__name__)
            return NO_PUBLISHER_S if self._spool.depth else None
        self._fill(publisher, now)
        batch = self._schedule.next_batch(now, hurry=hurry)
        self._look()
        if batch:
            self._publish(publisher, batch, now)
            self._look()
        return 0.0 if batch else self._schedule.wait_s(now, hurry=hurry)

    def _look(self) -> None:
        """Note down what other threads may ask for."""
        self.oldest_at = min((each.letter.time for each in self._schedule), default=None)
        self.in_memory = sum(each.spooled.folder is None for each in self._schedule)

    def _fill(self, publisher: EventPublisher, now: float) -> None:
        if len(self._schedule) >= WINDOW:
            return
        for spooled in self._spool.read(at_least=WINDOW - len(self._schedule)):
            try:
                letter = letter_of(spooled.body)
            except ValueError:
                self._refuse(spooled, UNREADABLE)
                continue
            self._schedule.add(_Parcel(letter, spooled), publisher.size_of(letter), now)

    def _publish(self, publisher: EventPublisher, batch: list[_Parcel], now: float) -> None:
        try:
            answers = publisher.publish([parcel.letter for parcel in batch])
        except PublishError as error:
            self._take_failure(error, batch, now)
            return
        except Exception:  # a bug of ours; nothing is lost by waiting for somebody to see it
            _log.exception("a publisher of events failed")
            self._schedule.pause(now)
            return
        self._schedule.reached()
        if self._is_failing:
            _log.warning("the queue takes events again")
        self._is_failing = False
        self._say_what_failed(answers)
        for parcel, answer in zip(batch, answers, strict=True):
            self._take_answer(parcel, answer, now)

    def _say_what_failed(self, answers: list[Answer]) -> None:
        codes = sorted({answer.code for answer in answers if answer.fate == "again"})
        if codes and not self._is_failing_in_part:
            _log.warning(
                "the queue takes some events not yet: they are sent again", extra={"codes": codes}
            )
        self._is_failing_in_part = bool(codes)

    def _take_answer(self, parcel: _Parcel, answer: Answer, now: float) -> None:
        if answer.fate == "again":
            self._schedule.retry(parcel, now)
            return
        self._schedule.settle(parcel)
        if answer.fate == "refused":
            self._refuse(parcel.spooled, answer.code)
        else:
            self._spool.settle([parcel.spooled])

    def _take_failure(self, error: PublishError, batch: list[_Parcel], now: float) -> None:
        if not error.is_about_content:
            self._fail(error.code)
            self._schedule.pause(now)
        elif len(batch) > 1:
            self._schedule.send_alone(batch)
        else:
            self._take_answer(batch[0], Answer("refused", error.code), now)

    def _fail(self, code: str) -> None:
        if not self._is_failing:
            _log.error(
                "the queue takes no events: they are kept and sent again", extra={"code": code}
            )
        self._is_failing = True

    def _refuse(self, spooled: Spooled, code: str) -> None:
        self.refused += 1
        if self._spool.set_aside(spooled.body):
            _log.error("an event was refused: it is in the folder rejected", extra={"code": code})
        else:
            _log.error("an event was refused and lost", extra={"code": code})
        self._spool.settle([spooled])
