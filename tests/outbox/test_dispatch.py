from pathlib import Path

import pytest

from service.outbox.dispatch import WINDOW, Dispatch
from service.outbox.port import Answer
from service.outbox.schedule import FIRST_PAUSE_S, LINGER_S, LONGEST_PAUSE_S
from service.outbox.spool import Spool
from tests.contracts.event_examples import TURN
from tests.outbox.queue import Queue, body, ids


class Scene:
    """A spool, a queue and the way between them, in virtual time."""

    def __init__(self, tmp_path: Path) -> None:
        self.spool = Spool(tmp_path)
        self.queue = Queue()
        self.dispatch = Dispatch(self.spool, lambda: self.queue, lambda: 1.0)
        self.now = 0.0

    def run(self, until: float) -> None:
        while self.now < until:
            wait_s = self.dispatch.step(self.now)
            if wait_s is None:
                self.now = until
            else:
                self.now += wait_s


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_events_of_a_call_arrive_in_order_and_leave_the_spool(scene: Scene):
    scene.spool.append([body(number) for number in range(5)])

    scene.run(10)

    assert scene.queue.taken == ids(*range(5))
    assert scene.spool.depth == 0
    assert scene.dispatch.oldest_at is None


def test_calls_share_batches(scene: Scene):
    scene.spool.append([body(1, f"call-{number}") for number in range(23)])

    scene.run(10)

    assert scene.queue.batches == [10, 10, 3]


def test_nothing_to_send_waits_for_news(scene: Scene):
    assert scene.dispatch.step(0.0) is None


def test_outage_loses_nothing_and_is_said_once(scene: Scene, caplog: pytest.LogCaptureFixture):
    scene.queue.down = "EndpointConnectionError"
    scene.spool.append([body(1), body(2)])
    scene.run(300)
    during = (scene.spool.depth, scene.dispatch.oldest_at)
    scene.queue.down = ""
    scene.spool.append([body(3)])

    scene.run(400)

    assert during == (2, TURN.time)
    assert scene.queue.taken == ids(1, 2, 3)
    assert messages(caplog) == [
        "the queue takes no events: they are kept and sent again",
        "the queue takes events again",
    ]


def test_during_an_outage_the_queue_is_asked_more_and_more_seldom(scene: Scene):
    scene.queue.down = "down"
    scene.spool.append([body(1)])
    pauses = []
    for _ in range(12):
        wait_s = scene.dispatch.step(scene.now)  # a try
        wait_s = scene.dispatch.step(scene.now) if wait_s == 0 else wait_s
        assert wait_s is not None
        pauses.append(wait_s)
        scene.now += wait_s

    assert pauses[:4] == [LINGER_S, FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert max(pauses) == LONGEST_PAUSE_S


def test_entry_that_fails_is_sent_again_before_the_next_of_its_call(
    scene: Scene, caplog: pytest.LogCaptureFixture
):
    fails = [True, True]

    def fate(letter: object) -> Answer:
        if letter.event_id == ids(1)[0] and fails:  # type: ignore[attr-defined]
            fails.pop()
            return Answer("again", "InternalError")
        return Answer("taken")

    scene.queue.fate = fate
    scene.spool.append([body(1), body(1, "other"), body(2), body(2, "other")])

    scene.run(30)

    assert scene.queue.taken == [*ids(1, 2, call="other"), *ids(1, 2)]
    assert [vars(record)["codes"] for record in caplog.records] == [["InternalError"]] * 2


def test_entry_that_is_refused_is_set_aside_and_holds_up_nothing(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    refused = ids(2)[0]
    scene.queue.fate = lambda letter: (
        Answer("refused", "InvalidMessageContents")
        if letter.event_id == refused
        else Answer("taken")
    )
    scene.spool.append([body(1), body(2), body(3)])

    scene.run(10)

    assert scene.queue.taken == ids(1, 3)
    assert (scene.dispatch.refused, scene.spool.depth) == (1, 0)
    assert [path.read_bytes() for path in (tmp_path / "rejected").iterdir()] == [body(2)]
    assert messages(caplog) == ["an event was refused: it is in the folder rejected"]
    assert "new card" not in str([vars(record) for record in caplog.records])


def test_one_event_that_confuses_the_queue_is_found_and_set_aside(scene: Scene):
    scene.queue.confused_by = {"call-2/turn/1"}
    scene.spool.append([body(1, f"call-{number}") for number in range(4)])

    scene.run(10)

    assert sorted(scene.queue.taken) == [f"call-{number}/turn/1" for number in (0, 1, 3)]
    assert scene.dispatch.refused == 1


def test_what_is_no_event_is_set_aside(scene: Scene):
    scene.spool.append([b"words", body(1)])

    scene.run(10)

    assert scene.queue.taken == ids(1)
    assert (scene.dispatch.refused, scene.spool.depth) == (1, 0)


def test_large_spool_is_brought_through_a_small_window(scene: Scene):
    count = 3 * WINDOW
    scene.spool.append([body(number, f"call-{number % 50}") for number in range(count)])

    scene.run(100)

    assert len(scene.queue.taken) == count
    assert scene.spool.depth == 0


def test_publisher_that_cannot_be_made_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    queue, fails = Queue(), [True, True]

    def make() -> Queue:
        if fails:
            fails.pop()
            raise LookupError("no region")
        return queue

    spool = Spool(tmp_path)
    dispatch = Dispatch(spool, make, lambda: 1.0)
    empty = dispatch.step(0.0)
    spool.append([body(1)])
    waits = [dispatch.step(1.0), dispatch.step(6.0), dispatch.step(7.0)]

    assert empty is None
    assert waits == [5.0, LINGER_S, 0.0]
    assert queue.taken == ids(1)
    assert vars(caplog.records[0])["code"] == "LookupError"


def test_bug_of_a_publisher_loses_nothing(scene: Scene, caplog: pytest.LogCaptureFixture):
    healthy = scene.queue.fate

    def fate(letter: object) -> Answer:
        scene.queue.fate = healthy
        raise ZeroDivisionError

    scene.queue.fate = fate
    scene.spool.append([body(1)])

    scene.run(10)

    assert scene.queue.taken == ids(1)
    assert messages(caplog) == ["a publisher of events failed"]


def test_events_that_no_disk_takes_are_known(tmp_path: Path):
    (tmp_path / "spool").write_text("no directory")
    spool, queue = Spool(tmp_path / "spool"), Queue()
    queue.down = "down"
    spool.append([body(1), body(2)])
    dispatch = Dispatch(spool, lambda: queue, lambda: 1.0)

    dispatch.step(0.0)

    assert (dispatch.in_memory, spool.unwritten) == (2, 0)
