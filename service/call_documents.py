"""The document that the analytics functions make of a call's events: `call.transcript.v1`.

The call itself emits the events of `call_events`; this one is written after its end. Pure.
"""

from datetime import datetime
from typing import Literal

import msgspec

from service.call_events import SOURCE, TurnData


class CallTranscriptData(msgspec.Struct, frozen=True, kw_only=True):
    """All turns of a call in their order.

    `is_complete`: no turn that `call.ended` counted is missing. `language` is null when
    `call.started` never came, or Genesys gave none.
    """

    session_id: str
    conversation_id: str
    org_id: str
    bot_id: str
    language: str | None
    started_at: datetime
    duration_ms: int
    is_complete: bool
    turns: tuple[TurnData, ...]


class CallTranscript(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents envelope of the transcript; `time` is that of the call's end."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: Literal["call.transcript.v1"] = "call.transcript.v1"
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sessionid: str
    orgid: str
    data: CallTranscriptData
