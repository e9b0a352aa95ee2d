"""The playout clock against a small model of Genesys' player, written from the specification."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audio.playout import (
    BACK_OFF_S,
    BUCKET_REFILL_PER_S,
    CONFIRM_S,
    LEAD_S,
    LONGEST_BACK_OFF_S,
    MAX_WAITING_BYTES,
    PACKET_BYTES,
    HeardItem,
    PlayoutBuffer,
)

START = 1_000.1  # no round number: a monotonic clock has none
CLOCK_TOLERANCE_S = 0.001  # of every comparison with the model player: one millisecond
SECOND = bytes(range(250)) * 32


class TooManyMessages(AssertionError):
    """The client's rate limiter would have closed the call."""


@dataclass
class Player:
    """Genesys' side of a call: limiter (6.2), queue and loudspeaker, reports (6.3), flush (6.4).

    Everything takes half a round trip each way. The loudspeaker starts `startup_s` after the
    first packet that finds the queue dry, and plays 8,000 bytes a second. Times are ours.
    """

    rtt_s: float
    startup_s: float
    reports_flush: bool = False
    received: bytearray = field(default_factory=bytearray)
    runs: list[tuple[float, int]] = field(default_factory=list)  # start, bytes
    reports: list[tuple[float, str]] = field(default_factory=list)
    max_queue_s: float = 0.0
    packets_at: list[float] = field(default_factory=list)
    tokens: float = 25.0

    @property
    def way_s(self) -> float:
        return self.rtt_s / 2

    @property
    def dry_at(self) -> float:
        return self.runs[-1][0] + self.runs[-1][1] / 8_000 if self.runs else -math.inf

    def send(self, packet: bytes, now: float) -> None:
        """A packet leaves the service."""
        self._limit(now)
        at = now + self.way_s
        self.received += packet
        self.packets_at.append(now)
        if at <= self.dry_at + 1e-9:
            start, size = self.runs[-1]
            self.runs[-1] = (start, size + len(packet))
            self.reports = [report for report in self.reports if report[1] != "completed"]
        else:
            self.runs.append((at + self.startup_s, len(packet)))
            self._report(at + self.startup_s, "started")
        self._report(self.dry_at, "completed")
        self.max_queue_s = max(self.max_queue_s, self.dry_at - at)

    def flush(self, now: float) -> None:
        """A `barge_in` leaves the service."""
        at = now + self.way_s
        if at >= self.dry_at:
            return
        self.runs = [(start, min(size, _bytes_in(at - start))) for start, size in self.runs]
        self.reports = [
            (when, what)
            for when, what in self.reports
            if what != "completed" and when <= at + self.way_s
        ]
        if self.reports_flush:
            self._report(at, "completed")

    def played(self, at: float) -> int:
        """Bytes that the caller has heard by then."""
        return sum(min(size, _bytes_in(at - start)) for start, size in self.runs)

    def played_at(self, byte: int) -> float:
        """When that byte began to be heard."""
        for start, size in self.runs:
            if byte < size:
                return start + byte / 8_000
            byte -= size
        return self.dry_at

    def _limit(self, now: float) -> None:
        if self.packets_at:
            self.tokens = min(25.0, self.tokens + (now - self.packets_at[-1]) * 5.0)
        self.tokens -= 1.0
        if self.tokens < 0:
            raise TooManyMessages

    def _report(self, at: float, what: str) -> None:
        self.reports.append((at + self.way_s, what))
        self.reports.sort()


def _bytes_in(seconds: float) -> int:
    return max(0, int(seconds * 8_000 + 1e-6))


@dataclass
class Line:
    """A call in virtual time: the buffer, the player, and the writer that joins them."""

    player: Player
    now: float = START
    playout: PlayoutBuffer = field(default_factory=PlayoutBuffer)
    pushed: bytearray = field(default_factory=bytearray)
    finished: list[HeardItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.playout.rtt_s = self.player.rtt_s

    def push(self, item_id: str, size: int) -> None:
        position = len(self.pushed)
        pcmu = bytes((position + i) * 7 % 251 for i in range(size))
        self.pushed += pcmu
        self.playout.push(item_id, pcmu)

    def run(self, until: float, act: Callable[[], None] | None = None) -> None:
        """Let time pass as the writer of a call does; then `act`."""
        for _ in range(100_000):
            packet = self.playout.pop(self.now)
            if isinstance(packet, bytes):
                assert packet
                self.player.send(packet, self.now)
                continue
            self.finished += self.playout.take_finished(self.now)
            if self.now >= until:
                break
            report_at = self.player.reports[0][0] if self.player.reports else math.inf
            wake_at = self.now + min(packet, self.playout.next_finish_s(self.now))
            self.now = max(self.now, min(wake_at, report_at, until))
            self._report()
        else:
            raise AssertionError("the writer spins")
        if act:
            act()

    def clear(self) -> list[HeardItem]:
        reports = self.playout.clear(self.now)
        self.player.flush(self.now)
        return reports

    def back_off(self, retry_after_s: float | None) -> None:
        self.playout.back_off(self.now, retry_after_s)

    def finish(self) -> None:
        """Until everything was surely heard."""
        for _ in range(1_000):
            wait_s = self.playout.drained_in_s(self.now)
            if not wait_s:
                return
            self.run(self.now + wait_s)
        raise AssertionError("it never drains")

    def _report(self) -> None:
        while self.player.reports and self.player.reports[0][0] <= self.now:
            _, what = self.player.reports.pop(0)
            if what == "started":
                self.playout.playback_started(self.now)
            else:
                self.playout.playback_completed(self.now)


def line(rtt_s: float = 0.0, startup_s: float = 0.0) -> Line:
    return Line(Player(rtt_s, startup_s))


def answer(call: Line, seconds: float, item_id: str = "a") -> None:
    call.push(item_id, int(seconds * 8_000))
    call.playout.complete(item_id)


# One answer, in examples.


def test_nothing_to_play_waits_for_the_next_push():
    assert PlayoutBuffer().pop(START) == math.inf


def test_first_packet_leaves_as_soon_as_100_ms_are_there():
    playout = PlayoutBuffer()

    playout.push("a", SECOND[:799])
    too_little = playout.pop(START)
    playout.push("a", SECOND[799:800])
    packet = playout.pop(START)

    assert too_little == math.inf
    assert packet == SECOND[:800]


def test_packets_of_an_answer_grow_to_one_second():
    call = line()
    sizes = []
    answer(call, 10)

    for _ in range(5):
        packet = call.playout.pop(START)
        assert isinstance(packet, bytes)
        sizes.append(len(packet))
        call.now += 0.1

    assert tuple(sizes[:4]) == PACKET_BYTES[:4]


def test_complete_item_leaves_without_a_full_packet():
    playout = PlayoutBuffer()
    playout.push("a", b"tail")
    playout.complete("a")

    packet = playout.pop(START)

    assert packet == b"tail"


def test_tail_of_a_complete_item_does_not_wait_for_the_item_after_it():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:100])
    playout.complete("a")
    playout.push("b", SECOND[:10])

    packet = playout.pop(START)

    assert isinstance(packet, bytes)
    assert packet.startswith(SECOND[:100])


def test_empty_speech_makes_no_packet():
    playout = PlayoutBuffer()
    playout.push("a", b"")
    playout.complete("a")

    assert playout.pop(START) == math.inf


def test_flushed_speech_leaves_without_its_rest_until_more_comes():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:100])

    playout.flush()
    flushed = playout.pop(START)
    playout.push("a", SECOND[:100])

    assert flushed == SECOND[:100]
    assert playout.pop(START + 1) == math.inf


def test_item_that_got_no_speech_is_not_reported():
    playout = PlayoutBuffer()
    playout.complete("never pushed")

    assert playout.take_finished(START) == []
    assert playout.clear(START) == []


def test_one_packet_joins_the_end_of_one_item_and_the_start_of_the_next():
    playout = PlayoutBuffer()
    for item_id in ("a", "b"):
        playout.push(item_id, SECOND[:400])
        playout.complete(item_id)

    packet = playout.pop(START)
    first = playout.take_finished(START + 0.06)
    second = playout.take_finished(START + 0.11)

    assert packet == SECOND[:400] * 2
    assert [item.item_id for item in first + second] == ["a", "b"]


def test_further_packets_wait_while_the_caller_has_two_seconds_to_hear():
    call = line()
    answer(call, 30)

    call.run(START)
    sent_s = len(call.player.received) / 8_000
    wait_s = call.playout.pop(START)

    assert LEAD_S < sent_s <= 3.0
    assert wait_s == pytest.approx(sent_s - LEAD_S)


def test_steady_answer_costs_about_one_message_a_second():
    call = line(rtt_s=0.1)
    answer(call, 60)

    call.run(START + 10)
    before = len(call.player.packets_at)
    call.run(START + 50)

    assert len(call.player.packets_at) - before in (39, 40, 41)


def test_slow_producer_is_sent_in_smaller_packets_before_the_caller_runs_dry():
    call = line()
    call.push("a", 8_000)
    call.run(START)

    call.push("a", 1_000)
    call.run(START + 0.39)
    before = len(call.player.received)
    call.run(START + 0.41)

    assert (before, len(call.player.received)) == (5_600, 9_000)


def test_less_than_100_ms_wait_for_more_even_when_the_caller_runs_dry():
    call = line()
    call.push("a", 900)
    call.run(START + 5)

    assert len(call.player.received) == 800


def test_speech_beyond_the_bound_is_dropped_and_counted():
    playout = PlayoutBuffer()
    playout.push("a", bytes(MAX_WAITING_BYTES))

    playout.push("a", b"too much")

    assert playout.dropped_bytes == len(b"too much")
    assert playout.remaining_s(START) == MAX_WAITING_BYTES / 8_000


# What was heard.


def test_item_heard_in_full_is_reported_once_with_its_times():
    call = line()
    answer(call, 1)

    call.run(START + 2)

    (item,) = call.finished
    assert (item.item_id, item.heard_ms, item.received_ms) == ("a", 1_000, 1_000)
    assert item.was_heard_in_full
    assert item.started_at == pytest.approx(START)
    assert item.ended_at == pytest.approx(START + 1)
    assert call.playout.clear(call.now) == []


def test_item_is_not_finished_before_its_last_sample():
    call = line()
    answer(call, 1)

    call.run(START + 0.999)

    assert call.finished == []
    assert call.playout.is_audible(call.now)


def test_item_that_is_not_complete_is_never_finished():
    call = line()
    call.push("a", 800)

    call.run(START + 5)
    (item,) = call.clear()

    assert call.finished == []
    assert item.heard_ms == item.received_ms == 100
    assert not item.was_heard_in_full


def test_barge_in_tells_how_far_each_item_was_heard():
    call = line()
    for item_id in ("a", "b", "c"):
        answer(call, 1, item_id)

    call.run(START + 1.25)
    reports = call.clear()

    assert [item.item_id for item in call.finished] == ["a"]
    assert [(item.item_id, item.heard_ms) for item in reports] == [("b", 250), ("c", 0)]
    assert reports[0].started_at == pytest.approx(START + 1)
    assert reports[0].ended_at == pytest.approx(START + 1.25)
    assert (reports[1].started_at, reports[1].ended_at) == (None, None)


def test_barge_in_at_the_first_packet_starts_the_item_then():
    call = line()
    answer(call, 5)
    call.run(START)

    call.now += 0.05
    (item,) = call.clear()

    assert item.heard_ms == 50
    assert item.started_at == pytest.approx(START)


def test_clear_stops_at_once():
    call = line()
    answer(call, 5)
    call.run(START + 1)

    call.clear()

    assert call.playout.pop(call.now) == math.inf
    assert not call.playout.is_audible(call.now)
    assert call.playout.remaining_s(call.now) == 0
    assert call.playout.next_finish_s(call.now) == math.inf
    assert call.playout.drained_in_s(call.now) == 0


def test_nothing_is_waited_for_after_a_barge_in():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:800])
    playout.complete("a")
    playout.pop(START)
    awaited_s = playout.drained_in_s(START + 0.2)

    playout.clear(START + 0.2)

    assert awaited_s > 0
    assert playout.drained_in_s(START + 0.2) == 0


def test_speech_after_a_barge_in_starts_anew():
    call = line()
    answer(call, 5)
    call.run(START + 1)
    call.clear()

    call.push("b", 800)
    packet = call.playout.pop(call.now)

    assert packet == bytes(call.pushed[-800:])


def test_clear_leaves_items_heard_in_full_to_be_taken():
    playout = PlayoutBuffer()
    playout.push("a", SECOND)
    playout.complete("a")
    playout.pop(START)
    while isinstance(playout.pop(START), bytes):
        pass

    reports = playout.clear(START + 2)

    assert reports == []
    assert [item.item_id for item in playout.take_finished(START + 2)] == ["a"]


@given(
    start=st.floats(0, 1e7, allow_nan=False),
    size=st.integers(1, 800),
)
def test_clock_does_not_stop_a_rounding_error_before_the_end(start: float, size: int):
    playout = PlayoutBuffer()
    playout.push("a", bytes(size))
    playout.complete("a")
    playout.pop(start)

    dry_at = start + playout.next_finish_s(start)

    assert not playout.is_audible(dry_at)
    assert [item.item_id for item in playout.take_finished(dry_at)] == ["a"]
    assert playout.drained_in_s(dry_at) > 1.0


# The caller's own reports.


def test_reported_start_makes_the_clock_exact():
    call = line(rtt_s=0.2, startup_s=0.3)
    answer(call, 5)

    call.run(START + 2)
    (item,) = call.clear()

    heard_when_the_stop_arrives = call.player.played(START + 2 + 0.1) / 8
    assert item.heard_ms == pytest.approx(heard_when_the_stop_arrives, abs=1)


def test_unreported_start_is_taken_to_be_the_moment_of_sending():
    call = line(rtt_s=0.2, startup_s=0.3)
    answer(call, 5)

    call.run(START + 0.4)
    (item,) = call.clear()

    assert item.heard_ms == 400


def test_only_the_first_report_of_a_start_counts():
    playout = PlayoutBuffer()
    playout.push("a", SECOND)
    playout.pop(START)

    playout.playback_started(START + 0.02)
    playout.playback_started(START + 0.09)
    (item,) = playout.clear(START + 0.09)

    assert item.heard_ms == 70


def test_late_report_of_a_start_does_not_unhear():
    playout = PlayoutBuffer()
    playout.push("a", SECOND)
    for _ in range(3):
        playout.pop(START)
    playout.is_audible(START + 0.15)  # 100 ms were counted as heard

    playout.playback_started(START + 0.15)
    (item,) = playout.clear(START + 0.25)

    assert item.heard_ms == 200, "what was heard stays, and playing goes on from there"


def test_reported_end_finishes_what_had_arrived():
    playout = PlayoutBuffer()
    playout.rtt_s = 0.1
    playout.push("a", SECOND[:800])
    playout.complete("a")
    playout.pop(START)
    playout.playback_started(START + 0.15)

    playout.playback_completed(START + 0.25)

    assert [item.heard_ms for item in playout.take_finished(START + 0.25)] == [100]
    assert playout.drained_in_s(START + 0.25) == 0


def test_reported_end_takes_back_a_start_that_was_reported_late():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:2_400])
    playout.complete("a")
    playout.pop(START)
    playout.pop(START)
    playout.playback_started(START + 0.09)

    playout.playback_completed(START + 0.31)

    assert [item.heard_ms for item in playout.take_finished(START + 0.31)] == [300]


def test_reported_end_does_not_count_what_was_still_on_its_way():
    playout = PlayoutBuffer()
    playout.rtt_s = 0.5
    playout.push("a", SECOND)
    playout.pop(START)
    playout.playback_started(START + 0.55)  # a start-up time of 50 ms
    playout.pop(START + 0.12)

    playout.playback_completed(START + 0.13)
    (item,) = playout.clear(START + 0.13)

    assert item.heard_ms == 80


def test_late_report_of_an_earlier_end_does_not_count_a_new_answer_as_heard():
    """The way back took longer than the round trip measured before."""
    call = line(rtt_s=0.1)
    answer(call, 5)
    call.run(START)

    call.playout.playback_completed(START + 0.12)
    (item,) = call.playout.clear(START + 0.12)

    assert item.heard_ms == 120


def test_end_is_waited_for_until_it_is_reported():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:800])
    playout.complete("a")
    playout.pop(START)

    before = playout.drained_in_s(START + 0.05)
    after = playout.drained_in_s(START + 0.2)
    playout.playback_completed(START + 0.3)
    confirmed = playout.drained_in_s(START + 0.3)

    assert before == pytest.approx(0.05 + CONFIRM_S)
    assert after == pytest.approx(CONFIRM_S - 0.1)
    assert confirmed == 0


def test_end_that_is_never_reported_is_waited_for_no_longer_than_stated():
    playout = PlayoutBuffer()
    playout.push("a", SECOND[:800])
    playout.complete("a")
    playout.pop(START)

    assert playout.drained_in_s(START + 0.11) > 0
    assert playout.drained_in_s(START + 0.101 + CONFIRM_S) == 0


@pytest.mark.parametrize("report", ["playback_started", "playback_completed"])
def test_report_without_speech_changes_nothing(report: str):
    playout = PlayoutBuffer()

    getattr(playout, report)(START)

    assert playout.drained_in_s(START) == 0
    assert not playout.is_audible(START)


def test_remaining_speech_counts_what_is_sent_and_what_waits():
    playout = PlayoutBuffer()
    playout.push("a", SECOND)
    playout.pop(START)

    assert playout.remaining_s(START + 0.04) == pytest.approx(0.96)
    assert playout.next_finish_s(START + 0.04) == pytest.approx(0.06)


def test_stall_of_the_producer_counts_as_underrun():
    call = line()
    call.push("a", 800)
    call.run(START + 1)
    call.push("a", 800)
    call.playout.complete("a")
    call.run(START + 2)

    assert call.playout.underruns == 1


def test_gap_made_by_our_own_waiting_counts_as_underrun():
    call = line()
    answer(call, 5)
    call.run(START)
    call.playout.back_off(call.now, 4.0)
    call.run(START + 10)

    assert call.playout.underruns == 1


# The limits of the caller's side.


@pytest.mark.parametrize(("retry_after_s", "pause_s"), [(None, BACK_OFF_S), (1.5, 1.5), (0.0, 0.0)])
def test_nothing_is_sent_while_backing_off(retry_after_s: float | None, pause_s: float):
    call = line()
    answer(call, 20)
    call.run(START)
    call.playout.back_off(call.now, retry_after_s)
    before = len(call.player.packets_at)

    call.run(START + 10)

    assert call.player.packets_at[before] >= START + pause_s + 1 / BUCKET_REFILL_PER_S - 0.001


def test_answer_goes_on_without_gaps_after_backing_off():
    call = line(rtt_s=0.1)
    call.playout.back_off(START, 1.0)
    answer(call, 20)

    call.run(START + 30)

    assert len(call.player.runs) == 1
    assert bytes(call.player.received) == bytes(call.pushed)


def test_many_short_answers_do_not_break_the_limit():
    call = line()
    for number in range(60):
        answer(call, 0.02, f"item_{number}")
        call.run(call.now + 0.03)

    call.finish()

    assert bytes(call.player.received) == bytes(call.pushed)


def test_producer_at_real_time_in_tiny_pieces_is_not_starved():
    """10 s of 20 ms pieces at real time: about 4.5 messages a second must be enough."""
    call = line()
    for _ in range(500):
        call.push("a", 160)
        call.run(call.now + 0.02)
    call.playout.complete("a")

    call.run(call.now + 1.0)

    assert len(call.player.received) == len(call.pushed)


# Properties, against the model player.

Delta = tuple[int, int]


@dataclass(frozen=True)
class Schedule:
    """Answers: pause before each, its deltas (pause ms, bytes); what the network is like."""

    answers: list[tuple[int, list[Delta]]]
    back_offs: list[tuple[int, float | None]]
    rtt_s: float
    startup_s: float
    reports_flush: bool

    def line(self) -> Line:
        return Line(Player(self.rtt_s, self.startup_s, self.reports_flush))

    def steps(self, call: Line) -> list[tuple[int, Callable[[], None]]]:
        """What happens, by ms since the start."""
        steps: list[tuple[int, Callable[[], None]]] = []
        at_ms = 0
        for number, (pause_ms, deltas) in enumerate(self.answers):
            item_id = f"item_{number}"
            at_ms += pause_ms
            for gap_ms, size in deltas:
                at_ms += gap_ms
                steps.append((at_ms, partial(call.push, item_id, size)))
            at_ms += 1
            steps.append((at_ms, partial(call.playout.complete, item_id)))
        for when_ms, retry_s in self.back_offs:
            steps.append((when_ms, partial(call.back_off, retry_s)))
        return sorted(steps, key=lambda step: step[0])

    def play(self, call: Line, until_s: float = math.inf) -> None:
        """Run the schedule up to a moment, or all of it."""
        for at_ms, act in self.steps(call):
            if at_ms / 1_000 > until_s:
                break
            call.run(START + at_ms / 1_000, act)
        if until_s < math.inf:
            call.run(START + until_s)


deltas = st.lists(
    st.tuples(st.sampled_from([1, 5, 20, 40, 200, 700, 3_000]), st.integers(1, 9_000)),
    min_size=1,
    max_size=8,
)
schedules = st.builds(
    Schedule,
    answers=st.lists(st.tuples(st.integers(0, 4_000), deltas), min_size=1, max_size=4),
    back_offs=st.lists(
        st.tuples(st.integers(0, 8_000), st.sampled_from([None, 0.0, 0.5, 2.0])), max_size=2
    ),
    rtt_s=st.sampled_from([0.0, 0.02, 0.1, 0.35, 2.0]),
    startup_s=st.sampled_from([0.0, 0.02, 0.1]),
    reports_flush=st.booleans(),
)
moments_s = st.integers(0, 12_000).map(lambda ms: ms / 1_000 + 0.000_25)


@settings(max_examples=40, deadline=None)
@given(schedule=schedules)
def test_all_speech_arrives_in_order_and_each_item_is_reported_once(schedule: Schedule):
    call = schedule.line()

    schedule.play(call)
    call.finish()

    assert bytes(call.player.received) == bytes(call.pushed)
    assert [item.item_id for item in call.finished] == [
        f"item_{number}" for number in range(len(schedule.answers))
    ]
    assert all(item.was_heard_in_full for item in call.finished)
    assert call.playout.clear(call.now) == []


@settings(max_examples=40, deadline=None)
@given(schedule=schedules)
def test_times_of_an_item_are_those_of_the_callers_ear(schedule: Schedule):
    """Not later than heard, earlier by half a round trip and an unreported start-up at most."""
    call = schedule.line()

    schedule.play(call)
    call.finish()

    byte = 0
    for item, (_, pieces) in zip(call.finished, schedule.answers, strict=True):
        size = sum(piece for _, piece in pieces)
        early_s = schedule.rtt_s / 2 + schedule.startup_s + CLOCK_TOLERANCE_S
        assert item.started_at is not None
        assert item.ended_at is not None
        assert -early_s <= item.started_at - call.player.played_at(byte) <= CLOCK_TOLERANCE_S
        last = call.player.played_at(byte + size - 1)
        assert -early_s <= item.ended_at - last <= CLOCK_TOLERANCE_S
        byte += size


@settings(max_examples=40, deadline=None)
@given(schedule=schedules)
def test_caller_never_has_more_than_three_seconds_to_hear(schedule: Schedule):
    call = schedule.line()

    schedule.play(call)
    call.finish()

    assert call.player.max_queue_s <= 3.0 + schedule.startup_s + CLOCK_TOLERANCE_S


@settings(max_examples=60, deadline=None)
@given(schedule=schedules, cut_s=moments_s)
def test_heard_is_never_more_than_was_played(schedule: Schedule, cut_s: float):
    """The player stops half a round trip later; a start that it has not reported counts early.

    Tolerance: the start-up time, and one millisecond; independent of the packets' sizes.
    """
    call = schedule.line()
    schedule.play(call, cut_s)

    reports = call.clear()

    played = call.player.played(call.now + call.player.way_s)
    heard_ms = sum(item.heard_ms for item in call.finished + reports)
    assert heard_ms <= played / 8 + (schedule.startup_s + CLOCK_TOLERANCE_S) * 1_000
    assert all(item.heard_ms <= item.received_ms for item in call.finished + reports)


@settings(max_examples=40, deadline=None)
@given(schedule=schedules, cut_s=moments_s)
def test_every_item_is_reported_once_by_the_end_or_by_the_barge_in(
    schedule: Schedule, cut_s: float
):
    call = schedule.line()
    schedule.play(call, cut_s)

    reports = call.clear()

    begun = {
        f"item_{number}"
        for number, (at_ms, _) in enumerate(_first_pushes(schedule))
        if at_ms / 1_000 <= cut_s
    }
    ids = [item.item_id for item in call.finished + reports]
    assert sorted(ids) == sorted(begun)
    assert ids == sorted(ids), "in playing order"
    partial = [item for item in reports if 0 < item.heard_ms < item.received_ms]
    assert len(partial) <= 1
    assert call.playout.pop(call.now) == math.inf


@settings(max_examples=40, deadline=None)
@given(schedule=schedules, first_s=moments_s, second_s=moments_s)
def test_heard_never_decreases(schedule: Schedule, first_s: float, second_s: float):
    """The same call cut earlier and later; a report of the start between may take its delay off."""
    earlier, later = sorted((first_s, second_s))

    heard = []
    for cut_s in (earlier, later):
        call = schedule.line()
        schedule.play(call, cut_s)
        reports = call.finished + call.clear()
        heard.append({item.item_id: item.heard_ms for item in reports})

    taken_off_ms = schedule.startup_s * 1_000 + 1
    assert all(heard[1][name] >= heard_ms - taken_off_ms for name, heard_ms in heard[0].items())


@settings(max_examples=40, deadline=None)
@given(schedule=schedules, cut_s=moments_s, next_answer=deltas)
def test_call_goes_on_after_a_barge_in(schedule: Schedule, cut_s: float, next_answer: list[Delta]):
    call = schedule.line()
    schedule.play(call, cut_s)
    call.clear()
    before, finished = len(call.player.received), len(call.finished)
    said = len(call.pushed)

    for gap_ms, size in next_answer:
        call.run(call.now + gap_ms / 1_000, partial(call.push, "next", size))
    call.playout.complete("next")
    call.finish()

    assert call.player.received[before:] == call.pushed[said:]
    assert [item.item_id for item in call.finished[finished:]] == ["next"]
    assert call.finished[-1].was_heard_in_full


def _first_pushes(schedule: Schedule) -> list[tuple[int, None]]:
    firsts: list[tuple[int, None]] = []
    at_ms = 0
    for pause_ms, pieces in schedule.answers:
        firsts.append((at_ms + pause_ms + pieces[0][0], None))
        at_ms += pause_ms + sum(gap_ms for gap_ms, _ in pieces) + 1
    return firsts


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["push", "push", "wait", "wait", "started", "completed", "back_off", "rtt"]
        ),
        st.integers(0, 6_000),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(actions=actions)
def test_lies_of_a_client_harm_only_its_own_clock(actions: list[tuple[str, int]]):
    """Reports at any time: order, limits and the books hold all the same."""
    call, ids = line(), set[str]()
    for number, (name, amount) in enumerate(actions):
        call.player.reports.clear()
        if name == "push" and amount:
            call.push(f"{number // 5}", amount)
            ids.add(f"{number // 5}")
        elif name == "wait":
            call.run(call.now + amount / 1_000)
        else:
            _lie(call.playout, name, amount, call.now)
        assert call.pushed.startswith(call.player.received)

    reports = call.finished + call.playout.take_finished(call.now) + call.playout.clear(call.now)

    assert [item.item_id for item in reports] == sorted(ids, key=int)
    assert all(0 <= item.heard_ms <= item.received_ms for item in reports)


def _lie(playout: PlayoutBuffer, name: str, amount: int, now: float) -> None:
    match name:
        case "started":
            playout.playback_started(now)
        case "completed":
            playout.playback_completed(now)
        case "back_off":
            playout.back_off(now, amount / 1_000)
        case "rtt":
            playout.rtt_s = amount / 1_000


def test_each_back_off_halves_the_rate():
    playout = PlayoutBuffer()
    playout.back_off(0.0, 0.0)

    playout.push("a", bytes(80_000))

    assert playout.pop(0.0) == pytest.approx(2 / BUCKET_REFILL_PER_S)


def test_no_pause_is_longer_than_a_caller_can_bear():
    playout = PlayoutBuffer()
    playout.push("a", bytes(8_000))

    playout.back_off(0.0, 86_400.0)

    wait_s = playout.pop(0.0)
    assert isinstance(wait_s, float)
    assert wait_s <= LONGEST_BACK_OFF_S + 1
