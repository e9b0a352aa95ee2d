"""Measures how many events per second one core records, without the network.

Runs the Lambda handler itself over batches as SQS gives them, with table, lake and bus in memory.
Prints one JSON object. Use: python -m scripts.recorder_speed [--calls 500] [--turns 20]
"""

import argparse
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from service.analytics.port import Row
from service.analytics.recorder import Recorder, make_handler
from service.call_events import (
    CallEndedData,
    Caller,
    CallEvent,
    CallStartedData,
    Counts,
    Transport,
    TurnData,
    to_json,
)

BATCH = 10
STARTED_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Memory:
    """Table, lake and bus that cost as little as possible."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Row]] = {}
        self.announced = 0

    def add(self, row: Row) -> bool:
        """Keep the row, unless one of no lower precedence is there."""
        parts = self.calls.setdefault(row.session_id, {})
        there = parts.get(row.part)
        if there and there.precedence >= row.precedence:
            return False
        parts[row.part] = row
        return True

    def has(self, session_id: str, part: str) -> bool:
        """Return whether the row is there."""
        return part in self.calls.get(session_id, {})

    def rows(self, session_id: str) -> list[Row]:
        """Return all rows of a call in the order of their parts."""
        return [row for _, row in sorted(self.calls.get(session_id, {}).items())]

    def calls_of_day(self, day: str) -> list[Row]:
        """Return nothing: the recorder looks no call up by its day."""
        return []

    def calls_of_conversation(self, conversation_id: str) -> list[Row]:
        """Return nothing: the recorder looks no call up by its conversation."""
        return []

    def erase(self, session_id: str) -> int:
        """Remove all rows of a call."""
        return len(self.calls.pop(session_id, {}))

    def call_completed(self, detail: bytes) -> None:
        """Count it."""
        self.announced += 1


class MemoryLake:
    """Documents of the last writing."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    def put(self, key: str, body: bytes) -> None:
        """Keep the document."""
        self.documents[key] = body

    def erase(self, key: str) -> bool:
        """Remove the document."""
        return self.documents.pop(key, None) is not None


def events_of_call(number: int, turns: int) -> list[bytes]:
    """Return the events of one call as JSON, in order: its start, `turns` turns and its end."""
    session = f"session-{number}"

    def event(kind: str, data: CallStartedData | TurnData | CallEndedData) -> bytes:
        return to_json(
            CallEvent(
                id=f"{session}/{kind}",
                type=f"call.{kind.partition('/')[0]}.v1",  # type: ignore[arg-type]  # as `kind` says
                subject=f"conversation-{number}",
                time=STARTED_AT + timedelta(seconds=number),
                sessionid=session,
                orgid="org",
                data=data,
            )
        )

    numbers = range(1, turns + 1)
    return [
        event("started", _started(session)),
        *(event(f"turn/{turn}", _turn(session, turn)) for turn in numbers),
        event("ended", _ended(session, turns)),
    ]


def measure(calls: int, turns: int) -> dict[str, float]:
    """Record so many calls whose events are mixed with each other; return what it took."""
    per_call = [events_of_call(number, turns) for number in range(calls)]
    bodies = [body for at_once in zip(*per_call, strict=True) for body in at_once]
    batches = [_batch(bodies[at : at + BATCH]) for at in range(0, len(bodies), BATCH)]
    memory = Memory()
    handler = make_handler(Recorder(memory, MemoryLake(), memory))
    began_at = time.process_time()
    for batch in batches:
        handler(batch, None)
    took_s = time.process_time() - began_at
    if memory.announced != calls:
        raise RuntimeError(f"{memory.announced} of {calls} calls were completed")
    return {
        "events": len(bodies),
        "calls": calls,
        "cpu_s": round(took_s, 3),
        "events_per_cpu_s": round(len(bodies) / took_s),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.calls, arguments.turns)))


def _batch(bodies: list[bytes]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(number), "body": body.decode(), "eventSource": "aws:sqs"}
            for number, body in enumerate(bodies)
        ]
    }


def _started(session: str) -> CallStartedData:
    return CallStartedData(
        session_id=session,
        conversation_id=session,
        org_id="org",
        participant_id="participant",
        correlation_id=None,
        bot_id="bank",
        caller=Caller(dnis="tel:+15555550100", language="en-US"),
        setup_ms=40,
    )


def _turn(session: str, number: int) -> TurnData:
    return TurnData(
        turn_id=f"{session}/turn/{number}",
        seq=number,
        speaker="caller" if number % 2 else "agent",
        start_ms=number * 4_000,
        end_ms=number * 4_000 + 3_500,
        text="Your new card is on its way and will be there within five working days.",
        heard_ms=3_500,
        interrupted=False,
        item_id=f"item_{number}",
    )


def _ended(session: str, turns: int) -> CallEndedData:
    return CallEndedData(
        session_id=session,
        conversation_id=session,
        org_id="org",
        bot_id="bank",
        started_at=STARTED_AT,
        duration_ms=turns * 4_000,
        setup_ms=40,
        greeting_ms=700,
        end_reason="caller_hangup",
        disposition="contained",
        errors=(),
        counts=Counts(
            turns_caller=(turns + 1) // 2,
            turns_agent=turns // 2,
            interruptions_by_caller=0,
            dtmf_events=0,
            tool_calls=0,
        ),
        answer_latency_ms=(700,) * (turns // 2),
        barge_in_stop_ms=(),
        transport=Transport(
            frames_in=300,
            bytes_in=480_000,
            frames_out=30,
            bytes_out=200_000,
            underruns=0,
            rate_limited=0,
            dropped_in_ms=0,
        ),
        model="gpt-realtime-2.1",
        usage={"response.input_token_details.text_tokens": 900.0},
        output_variables={},
    )


if __name__ == "__main__":
    main()
