"""What the lake holds of a call: a row for the call, a row for each turn, the transcript. Pure.

The same events give the same bytes, so that a document can be written again at any time.
"""

import gzip
import hashlib
import re
from typing import Any

import msgspec

from service.analytics.rows import RecordedCall
from service.call_documents import CallTranscript, CallTranscriptData
from service.call_events import CallEndedData, CallEvent, CallStartedData

_UNSAFE = re.compile(r"[^0-9A-Za-z-]")
_encoder = msgspec.json.Encoder()


class Documents(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of a call by key, and what is announced about them.

    `digest`: 32 hexadecimal digits that change when any document does.
    """

    by_key: dict[str, bytes]
    detail: bytes
    digest: str


def keys_of(session_id: str, day: str) -> dict[str, str]:
    """Return the keys of the documents of a call that started on `day` (`YYYY-MM-DD`, UTC).

    An id that is no file name is made one; what makes it differ from others is kept as a digest.
    """
    name = _name(session_id)
    return {
        "call": f"calls/dt={day}/{name}.ndjson.gz",
        "turns": f"turns/dt={day}/{name}.ndjson.gz",
        "transcript": f"transcripts/dt={day}/{name}.json",
    }


def export_keys_of(session_id: str, day: str) -> dict[str, str]:
    """Return the keys of the exports of a call that started on `day`."""
    name = _name(session_id)
    return {
        "vcon": f"exports/vcon/dt={day}/{name}.vcon",
        "contact_lens": f"exports/contact_lens/dt={day}/{name}.json",
    }


def analysis_key_of(session_id: str, day: str) -> str:
    """Return the key of the latest judgement of a call that started on `day`."""
    return f"analysis/dt={day}/{_name(session_id)}.json"


def documents_of(call: RecordedCall) -> Documents | None:
    """Return the documents of a call that has ended, and None for one that has not."""
    if call.ended is None or not isinstance(call.ended.data, CallEndedData):
        return None
    event, ended = call.ended, call.ended.data
    started = call.started.data if call.started else None
    keys = keys_of(event.sessionid, f"{ended.started_at:%Y-%m-%d}")
    by_key = {
        keys["call"]: _lines([_call_row(call, ended, started)]),
        keys["turns"]: _lines(_turn_rows(call, ended)),
        keys["transcript"]: _encoder.encode(_transcript(call, event, ended, started)),
    }
    digest = hashlib.sha256(b"".join(by_key.values())).hexdigest()[:32]
    detail = {
        "id": f"{event.sessionid}/completed/{digest}",
        "session_id": event.sessionid,
        "conversation_id": ended.conversation_id,
        "org_id": ended.org_id,
        "bot_id": ended.bot_id,
        "started_at": ended.started_at,
        "duration_ms": ended.duration_ms,
        "end_reason": ended.end_reason,
        "disposition": ended.disposition,
        "turns": len(call.turns),
        "is_complete": call.has_all_turns,
        "documents": keys,
    }
    return Documents(by_key=by_key, detail=_encoder.encode(detail), digest=digest)


def _name(session_id: str) -> str:
    name = _UNSAFE.sub("_", session_id)
    if name != session_id or not name:
        name += "-" + hashlib.sha256(session_id.encode()).hexdigest()[:16]
    return name


def _call_row(call: RecordedCall, ended: CallEndedData, started: object) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(ended)
    caller = started.caller if isinstance(started, CallStartedData) else None
    return row | {
        "dnis": caller.dnis if caller else None,
        "language": caller.language if caller else None,
        "participant_id": getattr(started, "participant_id", None),
        "correlation_id": getattr(started, "correlation_id", None),
        "is_complete": call.has_all_turns,
    }


def _turn_rows(call: RecordedCall, ended: CallEndedData) -> list[dict[str, Any]]:
    of_call = {
        "session_id": ended.session_id,
        "conversation_id": ended.conversation_id,
        "org_id": ended.org_id,
        "bot_id": ended.bot_id,
    }
    # Columns of the lake are always there, also where the event leaves a usual value out.
    usual = {"text_generated": None, "recognised": True, "latency": None}
    return [of_call | usual | msgspec.to_builtins(turn) for turn in call.turns]


def _transcript(
    call: RecordedCall, event: CallEvent, ended: CallEndedData, started: object
) -> CallTranscript:
    return CallTranscript(
        id=f"{event.sessionid}/transcript",
        subject=event.subject,
        time=event.time,
        sessionid=event.sessionid,
        orgid=event.orgid,
        data=CallTranscriptData(
            session_id=ended.session_id,
            conversation_id=ended.conversation_id,
            org_id=ended.org_id,
            bot_id=ended.bot_id,
            language=started.caller.language if isinstance(started, CallStartedData) else None,
            started_at=ended.started_at,
            duration_ms=ended.duration_ms,
            is_complete=call.has_all_turns,
            turns=call.turns,
        ),
    )


def _lines(rows: list[dict[str, Any]]) -> bytes:
    text = b"".join(_encoder.encode(row) + b"\n" for row in rows)
    # No time in the header: the same rows are the same bytes.
    return gzip.compress(text, compresslevel=6, mtime=0)
