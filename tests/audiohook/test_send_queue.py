import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audiohook.messages import BargeIn, Closed, Pong, Updated
from service.audiohook.send_queue import (
    CAPACITY,
    MAX_WAITING_MESSAGES,
    MAX_WAITING_PONGS,
    REFILL_PER_S,
    RESERVED_FOR_PONGS,
    Lane,
    SendQueue,
)


def taken(queue: SendQueue, *, now: float) -> list[str]:
    types = []
    while (waiting := queue.take(now=now)) is not None:
        types.append(waiting.message_type)
    return types


def filled(lane: Lane, count: int) -> SendQueue:
    queue = SendQueue()
    for _ in range(count):
        queue.put(lane, Pong())
    return queue


def test_an_empty_queue_is_never_ready() -> None:
    queue = SendQueue()

    assert queue.take(now=0.0) is None
    assert queue.ready_at_s() == math.inf


def test_pongs_may_use_the_whole_bucket_and_others_leave_a_reserve() -> None:
    assert len(taken(filled(Lane.PONG, 50), now=0.0)) == CAPACITY
    assert len(taken(filled(Lane.PATIENT, 50), now=0.0)) == CAPACITY - RESERVED_FOR_PONGS


def test_prompt_messages_leave_from_an_empty_bucket() -> None:
    queue = filled(Lane.PONG, 50)
    taken(queue, now=0.0)

    for _ in range(3):
        queue.put(Lane.PROMPT, Closed())

    assert queue.ready_at_s() <= 0.0
    assert taken(queue, now=0.0) == ["closed"] * 3


def test_urgent_messages_overtake() -> None:
    queue = SendQueue()

    queue.put(Lane.PATIENT, BargeIn())
    queue.put(Lane.PONG, Pong(), clientseq=7)
    queue.put(Lane.PATIENT, Updated())
    queue.put(Lane.PROMPT, Closed())

    assert taken(queue, now=0.0) == ["closed", "pong", "event", "updated"]


def test_the_bucket_refills_at_4_5_a_second() -> None:
    queue = filled(Lane.PONG, 50)
    taken(queue, now=100.0)

    assert queue.ready_at_s() == pytest.approx(100.0 + 1 / REFILL_PER_S, abs=1e-5)
    assert len(taken(queue, now=102.0)) == 9


def test_a_full_bucket_holds_no_more_than_its_capacity() -> None:
    queue = filled(Lane.PONG, 50)
    taken(queue, now=0.0)

    assert len(taken(queue, now=1_000.0)) == CAPACITY


def test_what_was_cleared_is_forgotten() -> None:
    queue = SendQueue()
    queue.put(Lane.PATIENT, BargeIn())
    queue.put(Lane.PONG, Pong())

    queue.clear(Lane.PATIENT)

    assert taken(queue, now=0.0) == ["pong"]


def test_lanes_are_full_at_their_bounds() -> None:
    assert not filled(Lane.PONG, MAX_WAITING_PONGS - 1).is_full(Lane.PONG)
    assert filled(Lane.PONG, MAX_WAITING_PONGS).is_full(Lane.PONG)
    assert not filled(Lane.PATIENT, MAX_WAITING_MESSAGES - 1).is_full(Lane.PATIENT)
    assert filled(Lane.PATIENT, MAX_WAITING_MESSAGES).is_full(Lane.PATIENT)


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(st.floats(0, 1e6), st.integers(1, 50), st.sampled_from(Lane))
def test_at_the_announced_time_something_leaves(now: float, count: int, lane: Lane) -> None:
    """Otherwise a writer that sleeps until then would spin."""
    queue = filled(lane, count)
    taken(queue, now=now)

    ready_at_s = queue.ready_at_s()

    if ready_at_s < math.inf:
        assert ready_at_s > now
        assert queue.take(now=ready_at_s) is not None
