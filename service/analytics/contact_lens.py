"""A recorded call in the shape of Amazon Connect Contact Lens' file for a call. Pure.

For tools that read those files. It holds facts alone: no sentiment, categories or issues, which
Contact Lens infers.
Source: "Example Contact Lens output files for a call" of the Amazon Connect administrator guide.
"""

from typing import Any

from service.analytics.rows import RecordedCall
from service.call_events import CallEndedData, CallStartedData, TurnData

VERSION = "1.1.0"

_ROLES = {"caller": "CUSTOMER", "agent": "AGENT"}


def contact_lens_of(call: RecordedCall) -> dict[str, Any] | None:
    """Return the file's content for a call that has ended, and None for one that has not."""
    if call.ended is None or not isinstance(call.ended.data, CallEndedData):
        return None
    ended = call.ended.data
    started = call.started.data if call.started else None
    language = started.caller.language if isinstance(started, CallStartedData) else None
    return {
        "Version": VERSION,
        "AccountId": ended.org_id,
        "Channel": "VOICE",
        "ContentMetadata": {"Output": "Redacted"},
        "JobStatus": "COMPLETED",
        "LanguageCode": language,
        "Participants": [{"ParticipantId": r, "ParticipantRole": r} for r in _ROLES.values()],
        "CustomerMetadata": {"ContactId": ended.conversation_id},
        "Categories": {"MatchedCategories": [], "MatchedDetails": {}},
        "ConversationCharacteristics": {
            "TotalConversationDurationMillis": ended.duration_ms,
            "TalkTime": _talk_time(call.turns),
            "Interruptions": _interruptions(call.turns),
        },
        "Transcript": [
            {
                "ParticipantId": _ROLES[turn.speaker],
                "Id": turn.turn_id,
                "Content": turn.text,
                "BeginOffsetMillis": turn.start_ms,
                "EndOffsetMillis": turn.end_ms,
            }
            for turn in call.turns
            # Contact Lens has no turn without words.
            if turn.text.strip()
        ],
    }


def _talk_time(turns: tuple[TurnData, ...]) -> dict[str, Any]:
    by_role = {
        role: sum(turn.end_ms - turn.start_ms for turn in turns if turn.speaker == speaker)
        for speaker, role in _ROLES.items()
    }
    return {
        "TotalTimeMillis": sum(by_role.values()),
        "DetailsByParticipant": {
            role: {"TotalTimeMillis": total} for role, total in by_role.items()
        },
    }


def _interruptions(turns: tuple[TurnData, ...]) -> dict[str, Any]:
    """Return who interrupted: the caller, whenever an agent's turn was cut."""
    cut = [turn for turn in turns if turn.speaker == "agent" and turn.interrupted]
    return {
        "TotalCount": len(cut),
        "InterruptionsByInterrupter": {
            "CUSTOMER": [{"BeginOffsetMillis": turn.end_ms} for turn in cut]
        },
    }
