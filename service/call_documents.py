"""What the analytics functions make of a call's events: `call.transcript.v1`, `call.analysis.v1`.

The call itself emits the events of `call_events`; these are written after its end. Pure.
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


Resolution = Literal["resolved", "partly", "unresolved", "unclear"]
Sentiment = Literal["positive", "neutral", "negative", "mixed"]
AnalysisStatus = Literal["judged", "refused", "malformed", "nothing_said"]


class TurnSentiment(msgspec.Struct, frozen=True, kw_only=True):
    """How the caller sounded in a turn by his words; `turn` is its `seq`."""

    turn: int
    sentiment: Sentiment


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the scorecard; `passed` is null where no turn shows it."""

    id: str
    passed: bool | None
    reason: str
    evidence_turns: tuple[int, ...]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a model thinks of a call. No fact. Null is what this judge has no opinion of."""

    summary: str | None
    intent: str | None
    resolution: Resolution | None
    sentiments: tuple[TurnSentiment, ...]
    scorecard: tuple[Score, ...]


class CallAnalysisData(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with whose it is. `turns_judged` is less than `turns` for a very long call.

    `status`: why there is a judgement or none; `malformed` means that the model's answers could not
    be used (`status_reason` has what was wrong with the last one), `nothing_said` that no caller's
    words are known and nobody was asked.
    """

    session_id: str
    conversation_id: str
    org_id: str
    bot_id: str
    started_at: datetime
    judge: str
    model: str
    prompt_version: str
    status: AnalysisStatus
    status_reason: str | None
    turns: int
    turns_judged: int
    judgement: Judgement | None


class CallAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents envelope of the analysis; `time` is that of the call's end."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: Literal["call.analysis.v1"] = "call.analysis.v1"
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sessionid: str
    orgid: str
    data: CallAnalysisData
