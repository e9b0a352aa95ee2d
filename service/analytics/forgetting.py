"""Erases what the functions keep of a conversation: documents and exports, then the rows.

In this order, because the rows are how the documents are found: an erasure that is interrupted can
be repeated.
"""

from datetime import datetime, timedelta

import msgspec

from service.analytics.documents import analysis_key_of, export_keys_of, keys_of
from service.analytics.port import CallTable, Lake
from service.analytics.rows import call_of
from service.call_events import CallEndedData
from service.call_events_reading import from_json
from service.claim_check import CLAIM_ABOVE, key_of


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased: calls of the conversation, rows of the table, documents of the lake."""

    calls: int
    rows: int
    documents: int


def forget_conversation(conversation_id: str, *, table: CallTable, lake: Lake) -> Forgotten:
    """Erase every call of a Genesys conversation. An unknown one erases nothing.

    Events of it that are still on a queue, in a spool or in an archive are not reached: they would
    be recorded anew.
    """
    found = table.calls_of_conversation(conversation_id)
    rows = documents = 0
    for session_id in sorted({row.session_id for row in found}):
        days = {row.index.day for row in found if row.session_id == session_id and row.index}
        for day in _days(table, session_id) | days:
            keys = [*keys_of(session_id, day).values(), *export_keys_of(session_id, day).values()]
            keys.append(analysis_key_of(session_id, day))
            documents += sum(map(lake.erase, keys))
        documents += sum(map(lake.erase, _claim_keys(table, session_id)))
        rows += table.erase(session_id)
    return Forgotten(calls=len({row.session_id for row in found}), rows=rows, documents=documents)


def _claim_keys(table: CallTable, session_id: str) -> list[str]:
    """Return where the data of events may lie that were too large for the queue."""
    rows = [row for row in table.rows(session_id) if len(row.body.encode()) > CLAIM_ABOVE]
    return [key_of(from_json(row.body).id) for row in rows]


def _days(table: CallTable, session_id: str) -> set[str]:
    """Return the days under which documents of a call may lie.

    The sweeper's end and the service's own may name times on either side of midnight.
    """
    call = call_of(table.rows(session_id))
    times: list[datetime] = []
    if call.started:
        times.append(call.started.time)
    if call.ended and isinstance(call.ended.data, CallEndedData):
        times.append(call.ended.data.started_at)
    around = [time + timedelta(days=off) for time in times for off in (-1, 0, 1)]
    return {f"{time:%Y-%m-%d}" for time in around}
