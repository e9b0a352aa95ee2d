"""The sweeper: closes calls that nobody will close any more, on a schedule.

A service that was killed in mid-call emits no `call.ended`. Once the longest call must be over, the
sweeper says `lost` in its place, with what is known from the turns that came; should the real end
still come, from a spool that was found again, it replaces this one. Calls whose end came but some
of whose turns did not are published as they are, and say so.
"""

from datetime import datetime, timedelta

import msgspec

from service.analytics.port import CallTable, Row
from service.analytics.recorder import Recorder
from service.analytics.rows import RecordedCall, call_of
from service.call_events import (
    CallEndedData,
    CallEvent,
    CallStartedData,
    Counts,
    Transport,
    TurnData,
    disposition_of,
)

LONGEST_CALL = timedelta(minutes=30)
"""Twice the 15 minutes after which Genesys ends a session by default: the rest is for the queue."""
LOOK_BACK_DAYS = 2
"""Days before today that are looked at: a sweeper that was down for a day misses nothing."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did: calls closed as `lost`, and calls published although turns are missing."""

    lost: int
    with_gaps: int


class Sweeper:
    """Looks for calls that are over and not published."""

    def __init__(
        self, table: CallTable, recorder: Recorder, *, longest_call: timedelta = LONGEST_CALL
    ) -> None:
        self._table = table
        self._recorder = recorder
        self._longest_call = longest_call

    def sweep(self, now: datetime) -> Swept:
        """Close what must be over at `now` (aware, UTC). Doing it twice changes nothing more."""
        lost = with_gaps = 0
        for row in self._overdue(now):
            call = call_of(self._table.rows(row.session_id))
            if call.ended is None:
                if call.started is None:
                    continue
                self._recorder.record(lost_end(call, call.started))
                lost += 1
            elif not call.has_all_turns:
                with_gaps += 1
            self._recorder.publish(row.session_id, with_gaps=True)
        return Swept(lost=lost, with_gaps=with_gaps)

    def _overdue(self, now: datetime) -> list[Row]:
        days = [f"{now - timedelta(days=back):%Y-%m-%d}" for back in range(LOOK_BACK_DAYS + 1)]
        latest = now - self._longest_call
        return [
            row
            for day in days
            for row in self._table.calls_of_day(day)
            if row.index
            and row.index.state != "published"
            and datetime.fromisoformat(row.index.started_at) < latest
        ]


def lost_end(call: RecordedCall, started: CallEvent) -> CallEvent:
    """Return the `call.ended` of a call whose own never came, from its start and its turns.

    What nobody can know any more is null or empty; transport counts are zero.
    """
    facts = started.data
    if not isinstance(facts, CallStartedData):
        raise TypeError("a lost call is closed from its call.started")
    duration_ms = max((turn.end_ms for turn in call.turns), default=0)
    return CallEvent(
        id=f"{started.sessionid}/ended",
        source=started.source,
        type="call.ended.v1",
        subject=started.subject,
        time=started.time + timedelta(milliseconds=duration_ms),
        sessionid=started.sessionid,
        orgid=started.orgid,
        data=CallEndedData(
            session_id=facts.session_id,
            conversation_id=facts.conversation_id,
            org_id=facts.org_id,
            bot_id=facts.bot_id,
            bot_ids=(facts.bot_id,),
            started_at=started.time,
            duration_ms=duration_ms,
            setup_ms=facts.setup_ms,
            greeting_ms=None,
            end_reason="lost",
            disposition=disposition_of("lost", was_last_word_heard=False),
            errors=(),
            counts=_counts(call.turns),
            answer_latency_ms=(),
            barge_in_stop_ms=(),
            transport=_NOTHING_KNOWN,
            model="",
            usage={},
            output_variables={},
        ),
    )


_NOTHING_KNOWN = Transport(
    frames_in=0,
    bytes_in=0,
    frames_out=0,
    bytes_out=0,
    underruns=0,
    rate_limited=0,
    dropped_in_ms=0,
)


def _counts(turns: tuple[TurnData, ...]) -> Counts:
    callers = sum(turn.speaker == "caller" for turn in turns)
    return Counts(
        turns_caller=callers,
        turns_agent=len(turns) - callers,
        interruptions_by_caller=sum(turn.interrupted for turn in turns if turn.speaker == "agent"),
        dtmf_events=0,
        tool_calls=0,
    )
