"""A recorded world in memory, in which a function can be killed between any two writes; a call."""

import gzip
import json
from datetime import timedelta
from typing import Any

import msgspec

from service.analytics.port import Row
from service.analytics.recorder import Recorder
from service.analytics.rows import META
from service.call_events import CallEndedData, CallEvent, TurnData
from tests.contracts.event_examples import AT, ENDED, SESSION, STARTED, TURN

DAY = "dt=2026-11-22"
RETENTION = timedelta(days=30)


class KilledError(Exception):
    """The function's process is gone."""


class World:
    """Table, lake and bus in memory. `writes_left`: how many writes the next function lives for."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], Row] = {}
        self.lake: dict[str, bytes] = {}
        self.bus: list[dict[str, Any]] = []
        self.writes_left = 10**9

    def recorder(self) -> Recorder:
        return Recorder(self, Files(self), self, retention=RETENTION)

    def write(self) -> None:
        if not self.writes_left:
            raise KilledError
        self.writes_left -= 1

    # CallTable.

    def add(self, row: Row) -> bool:
        self.write()
        there = self.parts.get((row.session_id, row.part))
        if there and there.precedence >= row.precedence:
            return False
        self.parts[row.session_id, row.part] = row
        return True

    def has(self, session_id: str, part: str) -> bool:
        return (session_id, part) in self.parts

    def rows(self, session_id: str) -> list[Row]:
        return [row for key, row in sorted(self.parts.items()) if key[0] == session_id]

    def calls_of_day(self, day: str) -> list[Row]:
        return [row for row in self.parts.values() if row.index and row.index.day == day]

    def calls_of_conversation(self, conversation_id: str) -> list[Row]:
        rows = self.parts.values()
        return [row for row in rows if row.index and row.index.conversation_id == conversation_id]

    def erase(self, session_id: str) -> int:
        rows = self.rows(session_id)
        for row in rows:
            del self.parts[session_id, row.part]
        return len(rows)

    # Bus.

    def call_completed(self, detail: bytes) -> None:
        self.write()
        self.bus.append(json.loads(detail))

    # What a test looks at.

    def state(self, session_id: str = SESSION) -> str | None:
        row = self.parts.get((session_id, META))
        return row.index.state if row and row.index else None

    def lines(self, kind: str, session_id: str = SESSION) -> list[dict[str, Any]]:
        body = gzip.decompress(self.lake[f"{kind}/{DAY}/{session_id}.ndjson.gz"])
        return [json.loads(line) for line in body.splitlines()]

    def transcript(self, session_id: str = SESSION) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.lake[f"transcripts/{DAY}/{session_id}.json"])
        return document


class Files:
    """The lake of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def put(self, key: str, body: bytes) -> None:
        self._world.write()
        self._world.lake[key] = body

    def erase(self, key: str) -> bool:
        return self._world.lake.pop(key, None) is not None


def turn(number: int, session_id: str = SESSION) -> CallEvent:
    assert isinstance(TURN.data, TurnData)
    data = msgspec.structs.replace(
        TURN.data,
        turn_id=f"{session_id}/turn/{number}",
        seq=number,
        speaker="caller" if number % 2 else "agent",
        start_ms=number * 1_000,
        end_ms=number * 1_000 + 900,
        text=f"words {number}",
    )
    return of_session(
        msgspec.structs.replace(TURN, id=f"{session_id}/turn/{number}", data=data), session_id
    )


def of_session(event: CallEvent, session_id: str) -> CallEvent:
    data = event.data
    if not isinstance(data, TurnData):
        data = msgspec.structs.replace(data, session_id=session_id)
    event_id = event.id.replace(SESSION, session_id)
    return msgspec.structs.replace(event, id=event_id, sessionid=session_id, data=data)


def call_of_turns(turns: int, session_id: str = SESSION) -> list[CallEvent]:
    """Return the events of a call of so many turns, in order, over one minute."""
    assert isinstance(ENDED.data, CallEndedData)
    callers = sum(number % 2 for number in range(1, turns + 1))
    counts = msgspec.structs.replace(
        ENDED.data.counts, turns_caller=callers, turns_agent=turns - callers
    )
    ended = msgspec.structs.replace(
        ENDED,
        time=AT + timedelta(minutes=1),
        data=msgspec.structs.replace(ENDED.data, counts=counts),
    )
    return [
        of_session(STARTED, session_id),
        *(turn(number, session_id) for number in range(1, turns + 1)),
        of_session(ended, session_id),
    ]
