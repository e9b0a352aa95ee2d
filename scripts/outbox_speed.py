"""Measures what calls pay for their events: the time that `emit` takes, and how late the loop gets.

Emits turns of many calls in small bursts, as a busy service does, into a spool whose queue does not
answer, and into files. Then emits 30 turns a second, as a hundred calls do, while SQS cannot be
reached, and compares how late the event loop is with how late it is without events; the first
seconds, in which boto3 is loaded, stand apart. Prints one JSON object.
Use: python -m scripts.outbox_speed [--events 20000] [--seconds 10]
"""

import argparse
import asyncio
import json
import os
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
from service.outbox.port import Answer, EventPublisher, EventSink, PublishError
from service.outbox.spool import Spool

BURST = 10
LOOK_EVERY_S = 0.005
EVENT_EVERY = 7
"""Looks: about 30 events a second."""
LOADING_S = 3.0
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


def measure_outage(seconds: float) -> dict[str, dict[str, float]]:
    """Return how late the loop is in ms: without events, while boto3 is loaded, and after that."""
    turns = [from_json(events_of_call(number, 1)[1]) for number in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Spool(Path(folder)), _sqs, start_delay_s=0.1, close_deadline_s=0.1)
        return asyncio.run(_compare(outbox, turns, seconds))


def _sqs() -> EventPublisher:
    from service.outbox.sqs import make_publisher

    return make_publisher("https://sqs.us-east-1.amazonaws.com/123456789012/unreachable")


async def _compare(
    outbox: Outbox, turns: list[CallEvent], seconds: float
) -> dict[str, dict[str, float]]:
    lag_ms = {"no_events": await _lag_ms(None, turns, seconds)}
    await outbox.start()
    lag_ms["outage_boto3_loading"] = await _lag_ms(outbox, turns, LOADING_S)
    lag_ms["outage"] = await _lag_ms(outbox, turns, seconds)
    await outbox.aclose()
    return lag_ms


async def _lag_ms(
    sink: EventSink | None, turns: list[CallEvent], seconds: float
) -> dict[str, float]:
    """Sleep again and again, and return by how much too long that was."""
    late_ms = []
    for number in range(int(seconds / LOOK_EVERY_S)):
        wanted_at = time.perf_counter() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        late_ms.append((time.perf_counter() - wanted_at) * 1_000)
        if sink and number % EVENT_EVERY == 0:
            sink.emit(turns[number % CALLS])
    return _summary(late_ms)


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
    return _summary(times_us)


def _summary(times: list[float]) -> dict[str, float]:
    times.sort()
    return {
        "mean": round(statistics.fmean(times), 2),
        "p50": round(times[len(times) // 2], 2),
        "p99": round(times[len(times) * 99 // 100], 2),
        "max": round(times[-1], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    # Nobody's queue is meant to be reached.
    os.environ |= {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    figures = {"emit_us": measure(arguments.events), "lag_ms": measure_outage(arguments.seconds)}
    print(json.dumps({"events": arguments.events} | figures))


if __name__ == "__main__":
    main()
