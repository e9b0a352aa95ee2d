import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from service.call_events import CallEvent
from service.outbox.letter import Letter
from service.outbox.outbox import Outbox
from service.outbox.port import Answer, EventSink, OutboxState
from service.outbox.spool import Spool
from tests.contracts.event_examples import EXAMPLES, TURN
from tests.contracts.event_sink_contract import EventSinkContract
from tests.outbox.queue import Queue, ids, turn


def outbox(root: Path, queue: Queue, deadline_s: float = 5.0) -> Outbox:
    return Outbox(Spool(root), lambda: queue, start_delay_s=0.0, close_deadline_s=deadline_s)


def down() -> Queue:
    queue = Queue()
    queue.down = "EndpointConnectionError"
    return queue


class TestContract(EventSinkContract):
    def make(self, tmp_path: Path) -> EventSink:
        return outbox(tmp_path / "spool", Queue())

    def make_broken(self, tmp_path: Path) -> EventSink:
        (tmp_path / "spool").write_text("no directory")
        return outbox(tmp_path / "spool", down(), deadline_s=0.05)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def live(root: Path, queue: Queue, *events: CallEvent, deadline_s: float = 5.0) -> OutboxState:
    """One process: it emits the events and ends. Returns what was left."""
    box = outbox(root, queue, deadline_s)

    async def scenario() -> None:
        await box.start()
        for event in events:
            box.emit(event)
        await box.aclose()

    run(scenario())
    return box.waiting()


def test_events_are_delivered_during_the_call(tmp_path: Path):
    queue = Queue()
    box = outbox(tmp_path, queue)

    async def scenario() -> None:
        await box.start()
        box.emit(turn(1))
        await until(lambda: queue.taken == ids(1))
        box.emit(turn(2))
        await until(lambda: queue.taken == ids(1, 2))
        await box.aclose()

    run(scenario())
    assert box.waiting() == OutboxState()
    assert list(tmp_path.iterdir()) == []


def test_close_delivers_what_is_waiting_without_waiting_for_more(tmp_path: Path):
    queue = Queue()
    began_at = time.monotonic()

    state = live(tmp_path, queue, *(turn(number) for number in range(30)))

    assert queue.taken == ids(*range(30))
    assert time.monotonic() - began_at < 2
    assert state == OutboxState()


def test_what_cannot_be_sent_is_kept_and_said_and_the_next_process_sends_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    left = live(tmp_path, down(), *EXAMPLES.values(), deadline_s=0.2)
    kept = [r for r in caplog.records if "not sent in time" in r.getMessage()]
    queue = Queue()

    live(tmp_path, queue, turn(9))

    assert (left.depth, left.oldest_at) == (3, TURN.time)
    assert [(r.levelno, vars(r)["events"]) for r in kept] == [(logging.WARNING, 3)]
    assert queue.taken[:3] == [event.id for event in EXAMPLES.values()]
    assert queue.taken[3:] == ids(9)
    assert list(tmp_path.iterdir()) == []


def test_without_disk_and_queue_events_are_lost_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "spool").write_text("no directory")

    live(tmp_path / "spool", down(), turn(1), turn(2), deadline_s=0.2)

    (record,) = [r for r in caplog.records if "were lost" in r.getMessage()]
    assert (record.levelno, vars(record)["lost"]) == (logging.ERROR, 2)


def test_without_a_disk_events_are_delivered_all_the_same(tmp_path: Path):
    (tmp_path / "spool").write_text("no directory")
    queue = Queue()

    state = live(tmp_path / "spool", queue, turn(1), turn(2))

    assert queue.taken == ids(1, 2)
    assert state.depth == 0


def test_refused_and_lost_events_are_counted(tmp_path: Path):
    queue = Queue()
    queue.fate = lambda _: Answer("refused", "No")

    state = live(tmp_path, queue, turn(1), turn(2))

    assert state == OutboxState(given_up=2)


def test_queue_that_hangs_keeps_neither_the_spool_nor_the_exit_waiting(tmp_path: Path):
    """What was told meanwhile is on disk: a process that is killed now loses none of it."""
    release = threading.Event()

    def hang(letter: Letter) -> Answer:
        release.wait(10)
        return Answer("taken")

    queue = Queue()
    queue.fate = hang
    box = outbox(tmp_path, queue, deadline_s=0.1)
    on_disk: list[int] = []

    async def scenario() -> None:
        await box.start()
        box.emit(turn(1))
        await asyncio.sleep(0.4)  # the linger is over: the request hangs
        for number in range(2, 20):
            box.emit(turn(number))
        await until(lambda: box._intake.depth == 0)
        on_disk.append(sum(path.stat().st_size for path in tmp_path.glob("*/*.seg")))
        await box.aclose()

    run(scenario())
    release.set()

    assert on_disk[0] > 19 * 300
    heir = Queue()
    live(tmp_path, heir)
    assert heir.taken == ids(*range(1, 20))


def test_publisher_is_made_in_a_thread_and_not_at_once(tmp_path: Path):
    made_in: list[str] = []

    def make() -> Queue:
        made_in.append(threading.current_thread().name)
        return Queue()

    box = Outbox(Spool(tmp_path), make, start_delay_s=0.2)

    async def scenario() -> None:
        await box.start()
        await asyncio.sleep(0.02)
        assert made_in == []
        await until(lambda: bool(made_in))
        await box.aclose()

    run(scenario())
    assert made_in == ["events-queue"]


def test_neighbour_that_dies_later_is_inherited_by_the_living(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.outbox.outbox.INHERIT_EVERY_S", 0.05)
    neighbour = Spool(tmp_path)
    neighbour.append([b'{"id":"no event"}'])
    queue = Queue()
    box = outbox(tmp_path, queue)

    async def scenario() -> None:
        await box.start()
        await asyncio.sleep(0.1)
        before = box.waiting()
        neighbour.close()
        await until(lambda: box.waiting().given_up == 1)
        await box.aclose()
        assert before == OutboxState()

    run(scenario())
