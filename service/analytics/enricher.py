"""The enricher: asks a judge about a completed call and keeps the judgement beside its facts."""

from datetime import timedelta
from typing import Protocol

import msgspec

from service.analytics.documents import analysis_key_of
from service.analytics.judging import (
    PROMPT_VERSION,
    Judge,
    JudgeRefusedError,
    MalformedAnswerError,
    selected,
)
from service.analytics.port import CallTable, Lake, Row
from service.analytics.rows import ANALYSIS, call_of
from service.call_documents import AnalysisStatus, CallAnalysis, CallAnalysisData, Judgement
from service.call_events import CallEndedData, CallEvent, TurnData

TRIES = 2  # a malformed answer is asked for once more
Answer = tuple[AnalysisStatus, str | None, Judgement | None]


class AnalysisBus(Protocol):
    """Tells whoever wants to know that a call was judged."""

    def call_analyzed(self, event: bytes) -> None:
        """Publish a `call.analysis.v1`. Receivers may see the same one twice."""
        ...


class CallNotThereError(LookupError):
    """The call has not ended, or is not kept (any more)."""


class Enricher:
    """Judges one call at a time; a call that this model and question judged is left alone."""

    def __init__(
        self, judge: Judge, *, table: CallTable, lake: Lake, bus: AnalysisBus, retention: timedelta
    ) -> None:
        self._judge = judge
        self._table = table
        self._lake = lake
        self._bus = bus
        self._retention = retention

    def enrich(self, session_id: str) -> CallAnalysis | None:
        """Judge a call: document in the lake, event on the bus, row in the table, in this order.

        A function that dies in between judges again, and replaces what it wrote. Returns None for
        a call that was judged before.

        Raises:
            CallNotThereError: There is no such call, or its end is not recorded.
            JudgeBusyError: The judge cannot answer now; the message should stay on the queue.
        """
        part = f"{ANALYSIS}{self._judge.name}#{self._judge.model}#{PROMPT_VERSION}"
        if self._table.has(session_id, part):
            return None
        call = call_of(self._table.rows(session_id))
        if call.ended is None or not isinstance(call.ended.data, CallEndedData):
            raise CallNotThereError("the call has not ended, or is not kept")
        analysis = self._analysis(call.ended, call.ended.data, call.turns)
        body = msgspec.json.encode(analysis)
        self._lake.put(analysis_key_of(session_id, f"{analysis.data.started_at:%Y-%m-%d}"), body)
        self._bus.call_analyzed(body)
        expires_at = int((call.ended.time + self._retention).timestamp())
        self._table.add(
            Row(session_id=session_id, part=part, body=body.decode(), expires_at=expires_at)
        )
        return analysis

    def _analysis(
        self, event: CallEvent, ended: CallEndedData, turns: tuple[TurnData, ...]
    ) -> CallAnalysis:
        chosen = selected(turns)
        if any(turn.speaker == "caller" for turn in turns):
            status, reason, judgement = self._ask(chosen)
        else:
            status, reason, judgement = "nothing_said", None, None
        return CallAnalysis(
            id=f"{event.sessionid}/analysis/{self._judge.name}/{self._judge.model}/{PROMPT_VERSION}",
            subject=event.subject,
            time=event.time,
            sessionid=event.sessionid,
            orgid=event.orgid,
            data=CallAnalysisData(
                session_id=ended.session_id,
                conversation_id=ended.conversation_id,
                org_id=ended.org_id,
                bot_id=ended.bot_id,
                started_at=ended.started_at,
                judge=self._judge.name,
                model=self._judge.model,
                prompt_version=PROMPT_VERSION,
                status=status,
                status_reason=reason,
                turns=len(turns),
                turns_judged=len(chosen) if judgement else 0,
                judgement=judgement,
            ),
        )

    def _ask(self, turns: list[TurnData]) -> Answer:
        reason = ""
        for _ in range(TRIES):
            try:
                return "judged", None, self._judge.judge(turns)
            except JudgeRefusedError as error:
                return "refused", str(error), None
            except MalformedAnswerError as error:
                reason = str(error)
        return "malformed", reason, None
