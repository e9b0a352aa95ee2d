"""How the events of a call become rows of the table, and rows a call again. Pure."""

from datetime import datetime, timedelta

import msgspec

from service.analytics.port import CallState, IndexEntry, Row
from service.call_events import CallEndedData, CallEvent, CallStartedData, TurnData, to_json
from service.call_events_reading import from_json

META, STARTED, ENDED = "META", "STARTED", "ENDED"
ANALYSIS = "ANALYSIS#"
"""With judge, model and version of the question behind it; the body is a `call.analysis.v1`."""

PUBLISHED = "PUBLISHED#"
"""With the digest of what was published behind it."""

_STATES: tuple[CallState, ...] = ("open", "ended", "published")
"""In their order: a later one replaces an earlier one, never the other way round."""


class RecordedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call so far; `turns` in their order."""

    started: CallEvent | None
    turns: tuple[TurnData, ...]
    ended: CallEvent | None

    @property
    def has_all_turns(self) -> bool:
        """Whether the call has ended and no turn that its end counted is missing."""
        if self.ended is None or not isinstance(self.ended.data, CallEndedData):
            return False
        counts = self.ended.data.counts
        return len(self.turns) >= counts.turns_caller + counts.turns_agent


def rows_of(event: CallEvent, *, retention: timedelta) -> list[Row]:
    """Return the rows that an event is kept as: itself, and where it changes it, the call's state.

    They may be written in any order, repeatedly, and beside those of other events.
    """
    match event.data:
        case CallStartedData():
            part, precedence = STARTED, 0
            states = [state_row(event, "open", started_at=event.time, retention=retention)]
        case CallEndedData(started_at=started_at, end_reason=reason):
            # What the service itself says replaces what the sweeper had to assume.
            part, precedence = ENDED, int(reason != "lost")
            states = [state_row(event, "ended", started_at=started_at, retention=retention)]
        case TurnData(seq=seq):
            part, precedence = f"TURN#{seq:05}", 0
            states = []
    row = Row(
        session_id=event.sessionid,
        part=part,
        precedence=precedence,
        body=to_json(event).decode(),
        expires_at=_expiry(event, retention),
    )
    return [row, *states]


def state_row(
    event: CallEvent, state: CallState, *, started_at: datetime, retention: timedelta
) -> Row:
    """Return the row by which the call is found, in a state that `event` brought about."""
    return Row(
        session_id=event.sessionid,
        part=META,
        precedence=_STATES.index(state),
        expires_at=_expiry(event, retention),
        index=IndexEntry(
            day=f"{started_at:%Y-%m-%d}",
            started_at=started_at.isoformat(),
            conversation_id=event.subject,
            state=state,
        ),
    )


def published_row(event: CallEvent, digest: str, *, retention: timedelta) -> Row:
    """Return the row that says that documents of this digest were announced."""
    return Row(
        session_id=event.sessionid,
        part=PUBLISHED + digest,
        expires_at=_expiry(event, retention),
    )


def call_of(rows: list[Row]) -> RecordedCall:
    """Return the call that rows in the table's order hold."""
    events = [from_json(row.body) for row in rows if row.body and not row.part.startswith(ANALYSIS)]
    started = [event for event in events if isinstance(event.data, CallStartedData)]
    ended = [event for event in events if isinstance(event.data, CallEndedData)]
    turns = [event.data for event in events if isinstance(event.data, TurnData)]
    return RecordedCall(
        started=started[0] if started else None,
        turns=tuple(sorted(turns, key=lambda turn: turn.seq)),
        ended=ended[0] if ended else None,
    )


def _expiry(event: CallEvent, retention: timedelta) -> int:
    return int((event.time + retention).timestamp())
