import pytest

from service.call_events import CallEvent
from service.observers import ObservedSink
from tests.contracts.event_examples import ENDED, STARTED
from tests.e2e.bridge import MemorySink


def test_observers_see_each_event_before_it_is_passed_on():
    seen: list[tuple[str, int]] = []
    inner = MemorySink()

    def look(event: CallEvent) -> None:
        seen.append((event.type, len(inner.events)))

    sink = ObservedSink(inner, look)
    sink.emit(STARTED)
    sink.emit(ENDED)

    assert seen == [("call.started.v1", 0), ("call.ended.v1", 1)]


def test_an_observer_that_fails_costs_no_event(caplog: pytest.LogCaptureFixture):
    inner = MemorySink()
    seen: list[CallEvent] = []

    def fail(event: CallEvent) -> None:
        raise ValueError(event.id)

    ObservedSink(inner, fail, seen.append).emit(STARTED)

    assert len(inner.events) == len(seen) == 1
    assert [record.message for record in caplog.records] == ["an observer of events failed"]
