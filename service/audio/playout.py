"""The playout clock: paces agent speech to the caller and knows what was heard.

The model speaks faster than real time, so what was generated is not what was heard. This buffer
keeps what the caller's side has not been given yet, hands it out within Genesys' limits, and
follows how far the caller's player has come, in milliseconds per item of agent speech. Pure:
bytes and `now` (monotonic seconds) in, packets and facts out. The writer in `service.call` drives
it. Source of the limits and of the pacing: AudioHook specification, sections 6.2 and 6.3.
"""

import math
from collections import deque
from dataclasses import dataclass

BYTES_PER_S = 8_000
"""PCMU: one byte a sample, 8,000 samples a second."""
BYTES_PER_MS = 8

PACKET_BYTES = (800, 1_600, 3_200, 6_400, 8_000)
"""Packets of one answer: the first as soon as 100 ms are there, then growing to 1 s."""
LEAD_S = 2.0
"""A further packet leaves when the caller's queue is at most this long: it never exceeds 3 s."""
LOW_LEAD_S = 0.3
"""Below this a slow producer's audio leaves in smaller packets than planned."""
BUCKET_CAPACITY = 20.0
BUCKET_REFILL_PER_S = 4.5
"""Binary messages. Genesys allows 25 at once and 5 a second; the rest is margin for its clock."""
CONFIRM_S = 1.5
"""How long after the estimated end the caller's own report of it is waited for (section 8.2)."""
BACK_OFF_S = 3.0
"""Pause after a rate-limit error that names no time."""
LONGEST_BACK_OFF_S = 30.0
"""A caller hears silence meanwhile, so no longer pause is obeyed."""
_TICK_S = 0.000_5
"""Half a millisecond: no timer is finer, so a shorter wait is none."""
MAX_WAITING_BYTES = 180 * BYTES_PER_S
"""Bound of one call's memory: an answer of three minutes, ten times a long one."""


@dataclass(slots=True)
class HeardItem:
    """How much of one item of agent speech the caller has heard.

    `heard_ms` and `received_ms` count audio; `is_complete` says that the provider has sent all
    of it; `started_at` and `ended_at` are the moments (`now`'s clock, seconds) at which the
    caller heard its first and its latest sample, None when nothing was heard.
    """

    item_id: str
    heard_ms: int
    received_ms: int
    is_complete: bool
    started_at: float | None
    ended_at: float | None

    @property
    def was_heard_in_full(self) -> bool:
        """True when nothing of the item is missing: all was received and all was heard."""
        return self.is_complete and self.heard_ms >= self.received_ms


@dataclass(slots=True)
class _Item:
    item_id: str
    received: int = 0
    heard: int = 0
    is_complete: bool = False
    is_broken_off: bool = False
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def has_end(self) -> bool:
        return self.is_complete or self.is_broken_off

    def report(self) -> HeardItem:
        return HeardItem(
            self.item_id,
            self.heard // BYTES_PER_MS,
            self.received // BYTES_PER_MS,
            self.is_complete,
            self.started_at,
            self.ended_at,
        )


@dataclass(slots=True)
class _Span:
    item: _Item
    size: int
    sent_at: float


class PlayoutBuffer:
    """Agent speech of one call between the model and the caller's ear.

    `push` what the provider yields, `pop` packets for the wire, `clear` on barge-in, and tell it
    of the caller's playback events. Items are played in the order of their first `push`.

    Attributes:
        rtt_s: the network's round trip to the caller's side, in seconds.
        dropped_bytes: speech that was too much to keep.
        underruns: how often the caller heard a gap within an answer.
        held_until: moment until which the limits held back the packet that waits or left last.
    """

    def __init__(self) -> None:
        self.rtt_s = 0.0
        self.dropped_bytes = 0
        self.underruns = 0
        self.held_until = 0.0
        self._items: dict[str, _Item] = {}
        self._queue: deque[tuple[_Item, memoryview]] = deque()
        self._waiting = 0
        self._is_flushed = False
        self._spans: deque[_Span] = deque()
        self._began_at = 0.0
        self._episode_start = 0.0
        self._sent = 0
        self._passed = 0
        self._is_confirmed = False
        self._confirm_by = -math.inf
        self._step = 0
        self._tokens = BUCKET_CAPACITY
        self._refill_per_s = BUCKET_REFILL_PER_S
        self._refilled_at = -math.inf
        self._resume_at = -math.inf

    def push(self, item_id: str, pcmu: bytes) -> bool:
        """Append speech of an item; beyond `MAX_WAITING_BYTES` it is dropped and counted.

        Returns:
            True when `pop` may have something to send earlier than it said.
        """
        if not pcmu:
            return False
        if self._waiting + len(pcmu) > MAX_WAITING_BYTES:
            self.dropped_bytes += len(pcmu)
            return False
        was_short = self._waiting < PACKET_BYTES[self._step]
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Item(item_id)
        item.received += len(pcmu)
        self._is_flushed = False
        self._waiting += len(pcmu)
        self._queue.append((item, memoryview(pcmu)))
        return was_short

    def complete(self, item_id: str) -> None:
        """Mark the item as fully received, so that its tail need not wait for a full packet."""
        if item := self._items.get(item_id):
            item.is_complete = True

    def break_off(self) -> None:
        """Reckon with no more of the items that came in part: their end is what was received."""
        for item in self._items.values():
            item.is_broken_off = not item.is_complete

    def flush(self) -> None:
        """Let what waits leave without its missing rest, until the next `push`."""
        self._is_flushed = True

    def pop(self, now: float) -> bytes | float:
        """Return the packet to write now, or the seconds until asking again makes sense.

        `math.inf` means: not before the next `push` or `complete`.
        """
        self._advance(now)
        if not self._queue:
            return math.inf
        wait_s = self._wait_s(now)
        if wait_s <= _TICK_S:
            return self._take(now)
        if wait_s < math.inf:
            self.held_until = now + wait_s
        return wait_s

    def clear(self, now: float) -> list[HeardItem]:
        """Forget all speech that was not heard and report the items that it belonged to.

        Items come in playing order: at most one was heard in part, those after it not at all.
        """
        self._advance(now)
        self._count_partial(now)
        reports = [item.report() for item in self._items.values() if not _is_finished(item)]
        self._items = {key: item for key, item in self._items.items() if _is_finished(item)}
        self._queue.clear()
        self._waiting = 0
        self._end_episode()
        self._confirm_by = -math.inf
        return reports

    def take_finished(self, now: float) -> list[HeardItem]:
        """Return, once each and in order, the items that the caller has now heard in full."""
        if not self._items:
            return []
        self._advance(now)
        finished = [item for item in self._items.values() if _is_finished(item)]
        for item in finished:
            del self._items[item.item_id]
        return [item.report() for item in finished]

    def holds(self, item_id: str) -> bool:
        """True while the item has speech here whose end was not reported yet."""
        return item_id in self._items

    def is_audible(self, now: float) -> bool:
        """True while the caller's side still has speech of ours to play."""
        self._advance(now)
        return self._passed < self._sent

    def remaining_s(self, now: float) -> float:
        """Seconds of speech that the caller has still to hear, unsent speech included."""
        self._advance(now)
        return max(0.0, self._dry_at() - now) + self._waiting / BYTES_PER_S

    def next_finish_s(self, now: float) -> float:
        """Seconds until the caller's queue runs dry as it stands; `math.inf` when it is dry."""
        self._advance(now)
        return self._dry_at() - now if self._passed < self._sent else math.inf

    def drained_in_s(self, now: float) -> float:
        """Seconds until all speech has surely been heard: 0 when it has.

        Once it should have ended, the caller's report is waited for, `CONFIRM_S` at most.
        """
        remaining_s = self.remaining_s(now)
        return remaining_s + CONFIRM_S if remaining_s else max(0.0, self._confirm_by - now)

    def playback_started(self, now: float) -> None:
        """Correct the clock by the caller's own report that playing has begun.

        The report took half a round trip; what remains of its lateness is the player's start-up
        time, by which everything of this episode is heard later than it was sent.
        """
        if self._sent == 0 or self._is_confirmed:
            return
        self._is_confirmed = True
        start = max(self._episode_start, now - self.rtt_s)
        for item in self._items.values():
            if item.started_at == self._episode_start:  # its first sound came as late as that
                item.started_at = start
        # Never behind what was already counted as heard: heard words do not become unheard.
        self._episode_start = min(start, now - self._passed / BYTES_PER_S)

    def playback_completed(self, now: float) -> None:
        """Correct the clock by the caller's report that its queue ran dry.

        Packets sent within the last round trip were still on their way when it was written.
        """
        self._advance(now)
        in_flight = 0
        for span in reversed(self._spans):
            if span.sent_at <= now - self.rtt_s:
                break
            in_flight += span.size
        arrived = self._sent - in_flight
        if arrived > self._passed:
            # The report may be of an earlier queue, and late: nothing is heard before it was sent.
            self._episode_start = max(self._began_at, now - arrived / BYTES_PER_S)
            self._advance(now)
        if not in_flight:
            self._confirm_by = -math.inf

    def back_off(self, now: float, retry_after_s: float | None) -> None:
        """Send nothing for the time the rate limiter asked for, then at half the rate (6.2)."""
        pause_s = BACK_OFF_S if retry_after_s is None else retry_after_s
        self._resume_at = now + min(pause_s, LONGEST_BACK_OFF_S)
        self._refill_per_s /= 2
        self._tokens = 0.0
        self._refilled_at = self._resume_at

    def _advance(self, now: float) -> None:
        """Count what the caller's player has passed since the last call."""
        played = min(self._sent, self._played(now))
        while self._spans and self._passed + self._spans[0].size <= played:
            span = self._spans.popleft()
            item = span.item
            if item.started_at is None:
                item.started_at = self._time_of(self._passed)
            self._passed += span.size
            item.heard += span.size
            item.ended_at = self._time_of(self._passed)
        if self._sent and self._passed == self._sent:
            if self._waiting or not all(item.has_end for item in self._items.values()):
                self.underruns += 1
            self._confirm_by = self._dry_at() + CONFIRM_S
            self._end_episode()

    def _count_partial(self, now: float) -> None:
        """Count the part heard of the span that is being played, just before it is forgotten."""
        played = self._played(now) - self._passed
        if not self._spans or played <= 0:
            return
        item = self._spans[0].item
        if item.started_at is None:
            item.started_at = self._time_of(self._passed)
        item.heard += played
        item.ended_at = now

    def _played(self, now: float) -> int:
        # Rounded: at `_dry_at` itself the product may lack the last bit of the last byte.
        return round((now - self._episode_start) * BYTES_PER_S)

    def _time_of(self, byte: int) -> float:
        return self._episode_start + byte / BYTES_PER_S

    def _dry_at(self) -> float:
        return self._time_of(self._sent) if self._sent else -math.inf

    def _end_episode(self) -> None:
        self._spans.clear()
        self._sent = self._passed = 0
        self._is_confirmed = False
        self._step = 0

    def _wait_s(self, now: float) -> float:
        lead_s = max(0.0, self._dry_at() - now)
        self._tokens = min(
            BUCKET_CAPACITY,
            self._tokens + max(0.0, now - self._refilled_at) * self._refill_per_s,
        )
        self._refilled_at = max(now, self._refilled_at)
        return max(
            self._resume_at - now,
            (1.0 - self._tokens) / self._refill_per_s,
            lead_s - LEAD_S,
            self._wait_for_more_s(lead_s),
        )

    def _wait_for_more_s(self, lead_s: float) -> float:
        """Seconds to wait for the producer, so that packets stay few."""
        has_tail = self._queue[0][0].has_end or self._queue[-1][0].has_end
        if self._is_flushed or has_tail or self._waiting >= PACKET_BYTES[self._step]:
            return 0.0
        return lead_s - LOW_LEAD_S if self._waiting >= PACKET_BYTES[0] else math.inf

    def _take(self, now: float) -> bytes:
        if self._sent == 0:
            self._began_at = self._episode_start = now
        if self._tokens < len(PACKET_BYTES):
            # Few messages are left: small ones would be played faster than they may follow.
            self._step = len(PACKET_BYTES) - 1
        self._tokens -= 1.0
        size = min(PACKET_BYTES[self._step], self._waiting)
        self._step = min(self._step + 1, len(PACKET_BYTES) - 1)
        self._waiting -= size
        self._sent += size
        parts: list[memoryview] = []
        while size:
            item, pcmu = self._queue.popleft()
            if len(pcmu) > size:
                self._queue.appendleft((item, pcmu[size:]))
                pcmu = pcmu[:size]
            size -= len(pcmu)
            parts.append(pcmu)
            self._spans.append(_Span(item, len(pcmu), now))
        return b"".join(parts)


def _is_finished(item: _Item) -> bool:
    return item.has_end and item.heard == item.received
