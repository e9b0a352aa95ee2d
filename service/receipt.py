"""The facts of one call, counted while it runs and written into `call.ended`.

Pure: times are milliseconds on the call's clock (zero is the caller's `open`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple, TypedDict

from service.audiohook.counters import Counters
from service.call_events import (
    AnswerLatency,
    BargeIn,
    CallEndedData,
    Connection,
    Cost,
    Counts,
    Disposition,
    EndReason,
    Setup,
    ToolUse,
    Transport,
    disposition_of,
)
from service.latency import AnswerClock, barge_in
from service.prices import PriceTable
from service.transcript import Turn
from service.usage import SpeechUse

MAX_ERRORS = 20
"""Bound against a client that complains without end."""
MAX_CONNECTIONS = 50
"""Bound of the list: a call that needs so many was told apart long before."""
MAX_TOOL_USES = 200
"""Bound of the list; all uses are counted."""


class Arrival(NamedTuple):
    """How a call came: when (monotonic seconds), and whether the process had served none before."""

    at: float
    is_cold: bool


class _Waits(TypedDict):
    answer_latency_ms: tuple[int, ...]
    barge_in_stop_ms: tuple[int, ...]
    answers: tuple[AnswerLatency, ...]
    barge_ins: tuple[BargeIn, ...]


@dataclass(slots=True)
class Receipt:
    """What happened on the call, as far as it has come.

    Attributes:
        is_cold: the process had served no call before.
        upgrade_ms: from the upgrade request to its being admitted.
        setup_ms: from there to our `opened`.
        model_ready_ms: from `open` to a configured session; None before it.
        greeting_ms: from `open` to the first agent audio that left us; None before it.
        greeting_heard_ms: from `open` to its being audible; None before it.
        answers: how long the caller waited for each.
        barge_ins: the caller's interruptions.
        usage: tokens and seconds by the provider's own names, summed over `usage_reports`.
        model: the speech model in use; empty before there was one.
        transcription_models: that wrote the caller's words down, in order.
        errors: short words of ours for what went wrong.
        connections: the conversations with providers that carried the call, in order.
        tool_uses: which functions ran, in the order of their ends.
        bot_ids: who served the call, in order.
        was_given_up: a silent caller was not handed to a person.
    """

    is_cold: bool = False
    upgrade_ms: int = 0
    setup_ms: int = 0
    model_ready_ms: int | None = None
    greeting_ms: int | None = None
    greeting_heard_ms: int | None = None
    answers: AnswerClock = field(default_factory=AnswerClock)
    barge_ins: list[BargeIn] = field(default_factory=list)
    usage: Counter[str] = field(default_factory=Counter)
    usage_reports: int = 0
    _usages: dict[str, Counter[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    frames_out: int = 0
    bytes_out: int = 0
    underruns: int = 0
    rate_limited: int = 0
    dropped_in_bytes: int = 0
    dtmf_events: int = 0
    tool_calls: int = 0
    model: str = ""
    transcription_models: list[str] = field(default_factory=list)
    tool_uses: list[ToolUse] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    bot_ids: list[str] = field(default_factory=list)
    was_given_up: bool = False

    def arrived(self, arrival: Arrival, admitted_at: float) -> None:
        """Note how the call came, and when (on the same clock) it was admitted."""
        self.is_cold = arrival.is_cold
        self.upgrade_ms = round((admitted_at - arrival.at) * 1_000)

    def add_usage(self, counts: Mapping[str, float]) -> None:
        """Add a report of what was used."""
        self.usage.update(counts)
        self._usages.setdefault(self.model, Counter()).update(counts)
        self.usage_reports += 1

    def add_error(self, word: str) -> bool:
        """Note what went wrong; False when there are too many already and it was left out."""
        if len(self.errors) >= MAX_ERRORS:
            return False
        self.errors.append(word)
        return True

    def add_tool_use(self, use: ToolUse) -> None:
        """Count a use of a function."""
        self.tool_calls += 1
        if len(self.tool_uses) < MAX_TOOL_USES:
            self.tool_uses.append(use)

    def transcribed_by(self, model: str) -> None:
        """Note which model writes the caller's words down from now on; empty for none."""
        if model and model not in self.transcription_models:
            self.transcription_models.append(model)

    def connected(self, connection: Connection) -> None:
        """Note the provider and the model that are in use from now on."""
        self.model = connection.model
        if self.model_ready_ms is None:
            self.model_ready_ms = connection.ready_ms
        if len(self.connections) < MAX_CONNECTIONS:
            self.connections.append(connection)

    def caller_interrupted(self, spoke_at_ms: int, stopped_at_ms: int, rtt_ms: int) -> None:
        """Note an interruption of audible speech."""
        self.barge_ins.append(barge_in(spoke_at_ms, stopped_at_ms, rtt_ms))

    def agent_audio_left(self, size: int, at_ms: int, held_until_ms: int) -> None:
        """Count a packet of agent audio that was written, and held back by pacing until then."""
        self.frames_out += 1
        self.bytes_out += size
        if self.greeting_ms is None:
            self.greeting_ms = at_ms
        if self.answers.is_awaited:
            self.answers.audio_left(at_ms, held_until_ms)

    def agent_audio_heard(self, item_id: str, began_ms: int, rtt_ms: int) -> None:
        """Note when the caller heard the first sound of an item."""
        if self.greeting_heard_ms is None:
            self.greeting_heard_ms = began_ms + rtt_ms
        self.answers.heard(item_id, began_ms, rtt_ms)

    def ended(
        self,
        *,
        ids: tuple[str, str, str],
        started_at: datetime,
        duration_ms: int,
        end_reason: EndReason,
        turns: list[Turn],
        counters: Counters,
        output_variables: dict[str, str],
        prices: PriceTable,
    ) -> CallEndedData:
        """Return the data of `call.ended`; `ids` are session, conversation, organization."""
        session_id, conversation_id, org_id = ids
        return CallEndedData(
            session_id=session_id,
            conversation_id=conversation_id,
            org_id=org_id,
            bot_id=self.bot_ids[0],
            bot_ids=tuple(self.bot_ids),
            started_at=started_at,
            duration_ms=duration_ms,
            setup_ms=self.setup_ms,
            greeting_ms=self.greeting_ms,
            end_reason=end_reason,
            disposition=self._disposition(end_reason, turns),
            errors=tuple(self.errors),
            counts=self._counts(turns),
            setup=self._setup(),
            **self._waits(),
            tools=tuple(self.tool_uses),
            connections=tuple(self.connections),
            transport=self._transport(counters),
            model=self.model,
            usage=dict(self.usage),
            tokens=SpeechUse.read(self.usage).summary(),
            cost=self.cost(prices),
            output_variables=output_variables,
        )

    def _disposition(self, end_reason: EndReason, turns: list[Turn]) -> Disposition:
        return disposition_of(
            end_reason,
            was_last_word_heard=was_last_word_heard(turns),
            was_given_up=self.was_given_up,
        )

    def cost(self, prices: PriceTable) -> Cost:
        """Return what the call has cost so far."""
        usages = self._usages or {self.model: self.usage}
        return prices.cost_of_all(usages, transcription_models=self.transcription_models)

    def _waits(self) -> _Waits:
        return {
            "answer_latency_ms": self.answers.leaving_ms,
            "barge_in_stop_ms": tuple(barge_in.stop_ms for barge_in in self.barge_ins),
            "answers": self.answers.all,
            "barge_ins": tuple(self.barge_ins),
        }

    def _setup(self) -> Setup:
        return Setup(
            is_cold=self.is_cold,
            upgrade_ms=self.upgrade_ms,
            opened_ms=self.setup_ms,
            model_ready_ms=self.model_ready_ms,
            greeting_left_ms=self.greeting_ms,
            greeting_heard_ms=self.greeting_heard_ms,
        )

    def _counts(self, turns: list[Turn]) -> Counts:
        return Counts(
            turns_caller=sum(turn.speaker == "caller" for turn in turns),
            turns_agent=sum(turn.speaker == "agent" for turn in turns),
            interruptions_by_caller=len(self.barge_ins),
            dtmf_events=self.dtmf_events,
            tool_calls=self.tool_calls,
        )

    def _transport(self, counters: Counters) -> Transport:
        return Transport(
            frames_in=counters.audio_frames_in,
            bytes_in=counters.audio_bytes_in,
            frames_out=self.frames_out,
            bytes_out=self.bytes_out,
            underruns=self.underruns,
            rate_limited=self.rate_limited,
            dropped_in_ms=self.dropped_in_bytes // 8,
        )


def was_last_word_heard(turns: list[Turn]) -> bool:
    """True when the caller heard all of an agent turn after the last caller turn."""
    since = takewhile(lambda turn: turn.speaker == "agent", reversed(turns))
    return any(not turn.was_interrupted for turn in since)
