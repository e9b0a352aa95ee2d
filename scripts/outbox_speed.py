"""Measures what a call pays for an event: the time that `emit` takes, while events are written.

Emits turns of many calls in small bursts, as a busy service does, into a spool whose queue does not
answer, and into files. Prints one JSON object, times in µs.
Use: python -m scripts.outbox_speed [--events 20000]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from scripts.recorder_speed import events_of_call
from service.call_events import CallEvent
from service.call_events_reading import from_json
from service.outbox.jsonl import JsonLinesSink
from service.outbox.letter import Letter
from service.outbox.outbox import Outbox
from service.outbox.port import Answer, EventSink, PublishError
from service.outbox.spool import Spool

BURST = 10
CALLS = 50


class Unreachable:
    """A queue that nobody can reach."""

    def size_of(self, letter: Letter) -> int:
        """Return the size of its body."""
        return len(letter.body)

    def publish(self, letters: list[Letter]) -> list[Answer]:
        """Fail.

        Raises:
            PublishError: always.
        """
        raise PublishError("unreachable")


def measure(events: int) -> dict[str, dict[str, float]]:
    """Return the times of `emit` into each kind of sink."""
    turns = [from_json(events_of_call(number, 1)[1]) for number in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        box = Outbox(Spool(root / "spool"), Unreachable, start_delay_s=0.0, close_deadline_s=0.1)
        return {
            "outbox": asyncio.run(_emit(box, turns, events)),
            "file": asyncio.run(_emit(JsonLinesSink(root / "events"), turns, events)),
        }


async def _emit(sink: EventSink, turns: list[CallEvent], events: int) -> dict[str, float]:
    await sink.start()
    times_us = []
    for number in range(events):
        began_at = time.perf_counter_ns()
        sink.emit(turns[number % CALLS])
        times_us.append((time.perf_counter_ns() - began_at) / 1_000)
        if number % BURST == BURST - 1:
            await asyncio.sleep(0.001)
    if lost := sink.waiting().given_up:
        raise RuntimeError(f"{lost} events were lost: there is nothing to measure")
    await sink.aclose()
    times_us.sort()
    return {
        "mean": round(statistics.fmean(times_us), 2),
        "p50": round(times_us[len(times_us) // 2], 2),
        "p99": round(times_us[len(times_us) * 99 // 100], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    print(json.dumps({"events": arguments.events, "emit_us": measure(arguments.events)}))


if __name__ == "__main__":
    main()
