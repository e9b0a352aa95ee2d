"""The contract of `EventSink`: every implementation's tests subclass it."""

import asyncio
import time
from pathlib import Path

from service.outbox.port import EventSink, OutboxState
from tests.contracts.event_examples import EXAMPLES, STARTED


class EventSinkContract:
    """What a call may rely on, wherever its events go."""

    def make(self, tmp_path: Path) -> EventSink:
        """The sink under test."""
        raise NotImplementedError

    def make_broken(self, tmp_path: Path) -> EventSink:
        """The sink under test, unable to deliver anything."""
        raise NotImplementedError

    def test_call_never_waits_for_an_event(self, tmp_path: Path):
        sink = self.make(tmp_path)

        async def emit() -> float:
            await sink.start()
            began_at = time.perf_counter()
            for event in EXAMPLES.values():
                sink.emit(event)
            took_s = time.perf_counter() - began_at
            await sink.aclose()
            return took_s

        assert asyncio.run(emit()) < 0.1

    def test_flood_is_no_error_for_the_call(self, tmp_path: Path):
        sink = self.make(tmp_path)

        for _ in range(20_000):
            sink.emit(STARTED)

    def test_failed_delivery_is_no_error_for_the_call(self, tmp_path: Path):
        sink = self.make_broken(tmp_path)

        async def emit() -> None:
            await sink.start()
            for event in EXAMPLES.values():
                sink.emit(event)
                await asyncio.sleep(0.01)
            await sink.aclose()

        asyncio.run(asyncio.wait_for(emit(), 2))

    def test_nothing_waits_before_the_first_event(self, tmp_path: Path):
        assert self.make(tmp_path).waiting() == OutboxState()

    def test_sink_without_events_closes(self, tmp_path: Path):
        sink = self.make(tmp_path)

        async def nothing() -> None:
            await sink.start()
            await sink.aclose()
            await sink.aclose()

        asyncio.run(asyncio.wait_for(nothing(), 2))

    def test_sink_that_was_never_started_closes(self, tmp_path: Path):
        asyncio.run(asyncio.wait_for(self.make(tmp_path).aclose(), 2))
