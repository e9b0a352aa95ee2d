"""A recorded call as a vCon 0.4, for exchange and archives. Pure.

The transcript is an analysis of the voice dialog, and not text dialogs; the facts of the call's end
are a report; what Architect was given is an attachment. There is no recording to refer to.
Source: draft-ietf-vcon-vcon-core-03, as the events specification, section 3, sums it up.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from service.analytics.rows import RecordedCall
from service.call_events import CallEndedData, TurnData

VERSION = "0.4.0"
"""Many older readers expect `0.0.1`: give another version to `vcon_of` for them."""
DOMAIN = "audioconnector-bridge.invalid"
"""Makes the ids ours; a name that no one else can own (RFC 2606)."""
VENDOR = "audioconnector-bridge"

_CALLER, _AGENT = 0, 1


def vcon_of(call: RecordedCall, *, version: str = VERSION) -> dict[str, Any] | None:
    """Return the vCon of a call that has ended, and None for one that has not."""
    if call.ended is None or not isinstance(call.ended.data, CallEndedData):
        return None
    ended = call.ended.data
    began = _rfc3339(ended.started_at)
    return {
        "vcon": version,
        "uuid": str(uuid8(ended.started_at, DOMAIN, ended.session_id)),
        "created_at": _rfc3339(call.ended.time),
        "subject": f"Call of {ended.bot_id}",
        "extensions": ["CC"],
        "parties": _parties(ended),
        "dialog": [_dialog(ended)],
        "analysis": [
            _analysis("transcript", [_said(turn, ended.started_at) for turn in call.turns]),
            _analysis("report", msgspec.to_builtins(ended)),
        ],
        "attachments": [
            {
                "purpose": "output_variables",
                "start": began,
                "party": _AGENT,
                "dialog": 0,
                "mediatype": "application/json",
                "encoding": "json",
                "body": ended.output_variables,
            }
        ],
    }


def uuid8(at: datetime, domain: str, name: str) -> UUID:
    """Return a version 8 UUID: 48 bits of milliseconds, and 62 bits of SHA-1 of the domain.

    The 12 bits between them, which the draft leaves to us, are of the name, so that the same call
    has the same id whenever it is exported.
    """
    milliseconds = int(at.timestamp() * 1_000) & (2**48 - 1)
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:2]) >> 4
    of_domain = int.from_bytes(hashlib.sha1(domain.encode(), usedforsecurity=False).digest()[:8])
    return UUID(int=milliseconds << 80 | 8 << 76 | own << 64 | 0b10 << 62 | of_domain >> 2)


def _parties(ended: CallEndedData) -> list[dict[str, Any]]:
    return [
        # The caller's own number is not published; the draft names an unknown caller so.
        {"name": "anonymous", "type": "person", "role": "customer", "validation": "none"},
        {"name": ended.bot_id, "type": "bot", "role": "agent", "org": ended.org_id},
    ]


def _dialog(ended: CallEndedData) -> dict[str, Any]:
    end = ended.started_at + timedelta(milliseconds=ended.duration_ms)
    return {
        "type": "recording",
        "start": _rfc3339(ended.started_at),
        "duration": ended.duration_ms / 1_000,
        "parties": [_CALLER, _AGENT],
        "originator": _CALLER,
        "application": VENDOR,
        "session_id": {"local": ended.session_id, "remote": ended.conversation_id},
        "interaction_type": "voice",
        "interaction_id": ended.conversation_id,
        "party_history": [
            {"party": party, "time": _rfc3339(time), "event": event}
            for event, time in (("join", ended.started_at), ("drop", end))
            for party in (_CALLER, _AGENT)
        ],
    }


def _analysis(kind: str, body: object) -> dict[str, Any]:
    return {
        "type": kind,
        "vendor": VENDOR,
        "dialog": 0,
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }


def _said(turn: TurnData, began: datetime) -> dict[str, Any]:
    return {
        "party": _CALLER if turn.speaker == "caller" else _AGENT,
        "start": _rfc3339(began + timedelta(milliseconds=turn.start_ms)),
        "duration": (turn.end_ms - turn.start_ms) / 1_000,
        "text": turn.text,
        "interrupted": turn.interrupted,
    }


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
