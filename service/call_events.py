"""THE CONTRACT: what analysts can rely on, as CloudEvents 1.0 in structured JSON.

`id` is made from the session, the kind and a number, so that a redelivered event is recognised.
Within version 1 fields are only added. Pure: times are given as aware UTC datetimes and
milliseconds. Source: events specification, section 5; end reasons: the design's table.
"""

from datetime import datetime
from typing import Literal

import msgspec

SOURCE = "urn:audioconnector-bridge"

EndReason = Literal[
    "bot_completed",
    "caller_hangup",
    "socket_lost",
    "transfer",
    "no_input",
    "max_duration",
    "budget",
    "provider_error",
    "protocol_error",
    "rate_limited",
    "drain",
    "lost",
]
Disposition = Literal["contained", "abandoned", "escalated", "failed"]

BOT_STATUS: dict[EndReason, str] = {
    "bot_completed": "completed",
    "transfer": "transfer",
    "no_input": "no_input",
    "max_duration": "max_duration",
    "budget": "budget",
    "provider_error": "failed",
    "protocol_error": "failed",
    "rate_limited": "rate_limited",
    "drain": "shutdown",
}
"""Value of the output variable `BOT_STATUS`, where the call's end still lets us send one."""

_DISPOSITION: dict[EndReason, Disposition] = {
    "bot_completed": "contained",
    "socket_lost": "abandoned",
    "transfer": "escalated",
    "no_input": "escalated",
    "max_duration": "escalated",
    "budget": "escalated",
    "provider_error": "failed",
    "protocol_error": "failed",
    "rate_limited": "failed",
    "drain": "escalated",
    "lost": "abandoned",
}


def disposition_of(
    reason: EndReason, *, was_last_word_heard: bool, was_given_up: bool = False
) -> Disposition:
    """Return what the end means for the business.

    Args:
        reason: why the call ended.
        was_last_word_heard: an agent turn was heard in full after the last caller turn; decides
            whether a caller who hung up had been served.
        was_given_up: a silent caller was not handed to a person, as the bot wants it.
    """
    if reason == "caller_hangup":
        return "contained" if was_last_word_heard else "abandoned"
    if reason == "no_input" and was_given_up:
        return "abandoned"
    return _DISPOSITION[reason]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Where the call came in: the dialled address; the caller's own number is not published."""

    dnis: str
    language: str | None


class CallStartedData(msgspec.Struct, frozen=True, kw_only=True):
    """Facts known when the call was accepted."""

    session_id: str
    conversation_id: str
    org_id: str
    participant_id: str
    correlation_id: str | None
    bot_id: str
    caller: Caller
    setup_ms: int


class AnswerLatency(msgspec.Struct, frozen=True, kw_only=True):
    """How long the caller waited for an answer, in ms from the end of his speech.

    `at_ms` is that end since `open`: where the provider's VAD heard the last of the speech.
    `leaving_ms`: to the first packet that left us, which is the sum of the five parts:
    `endpointing_ms` until we were told that the turn was over, `model_ms` until audio arrived, less
    `tools_ms` while functions of ours worked, `pacing_ms` until there was enough of it for a packet
    and the rate limit allowed one, `own_ms` until it was written.
    `audible_ms`: to the first sound at the caller's side by the playout clock, with the network's
    round trip as the caller's pings report it; null when nothing was heard.
    """

    at_ms: int
    leaving_ms: int
    audible_ms: int | None
    endpointing_ms: int
    model_ms: int
    tools_ms: int
    pacing_ms: int
    own_ms: int


class BargeIn(msgspec.Struct, frozen=True, kw_only=True):
    """One interruption: ms from the start of the caller's speech, `at_ms` since `open`.

    `stop_ms`: to our stop. `silent_ms`: to the last old sound at the caller's side.
    """

    at_ms: int
    stop_ms: int
    silent_ms: int


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How the call came about, in ms; null for what did not happen.

    `upgrade_ms`: from the upgrade request to its being admitted; `opened_ms`: from there to our
    `opened`. Since `open`: `model_ready_ms` a configured session, `greeting_left_ms` the first
    agent audio that left us, `greeting_heard_ms` its first sound at the caller's side.
    `is_cold`: the process had served no call before.
    """

    is_cold: bool
    upgrade_ms: int
    opened_ms: int
    model_ready_ms: int | None
    greeting_left_ms: int | None
    greeting_heard_ms: int | None


class TurnData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finished turn. Times in ms since the caller's `open`.

    `text`: the words heard; `text_generated`: the agent's generated words where they differ;
    `latency`: of an agent turn that answered the caller's speech.
    """

    turn_id: str
    seq: int
    speaker: Literal["caller", "agent"]
    start_ms: int
    end_ms: int
    text: str
    text_generated: str | msgspec.UnsetType = msgspec.UNSET
    heard_ms: int
    interrupted: bool
    recognised: bool = True
    item_id: str
    latency: AnswerLatency | msgspec.UnsetType = msgspec.UNSET


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How often things happened."""

    turns_caller: int
    turns_agent: int
    interruptions_by_caller: int
    dtmf_events: int
    tool_calls: int


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a function: `outcome` is `ok` or a short word for what went wrong.

    `server` names the remote server that ran it; it is absent for our own functions, and
    `duration_ms` is known for those alone.
    """

    name: str
    at_ms: int
    outcome: str
    duration_ms: int | None = None
    server: str | msgspec.UnsetType = msgspec.UNSET


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """What went over the caller's socket."""

    frames_in: int
    bytes_in: int
    frames_out: int
    bytes_out: int
    underruns: int
    rate_limited: int
    dropped_in_ms: int


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of the speech model, each counted once: `input_cached` is no part of the other inputs.

    `input_image` is there only where there were images.
    """

    input_text: int
    input_audio: int
    input_image: int = 0
    input_cached: int
    output_text: int
    output_audio: int


class CostParts(msgspec.Struct, frozen=True, kw_only=True):
    """USD by what they were paid for, named as in `Tokens`; null where there is no price."""

    input_text: float | None
    input_audio: float | None
    input_image: float | None | msgspec.UnsetType = msgspec.UNSET
    input_cached: float | None
    output_text: float | None
    output_audio: float | None
    transcription: float | None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the model costs by list prices; all sums are rounded to the micro-dollar.

    `total` is of the parts that have a price, and null when the speech model has none; `unpriced`
    names the models without a price. `price_date`: when the oldest of the prices was noted down,
    `YYYY-MM` or `YYYY-MM-DD`.
    """

    currency: Literal["USD"] = "USD"
    total: float | None
    parts: CostParts
    unpriced: tuple[str, ...]
    price_date: str | None


class CallPrivacy(msgspec.Struct, frozen=True, kw_only=True):
    """What of the call's words is in its events.

    `retention`: `redacted`, `full` or `none`; the strictest of the bots that served the call.
    `redactions`: parts that were masked, by kind, such as `card`.
    """

    retention: Literal["redacted", "full", "none"]
    redactions: dict[str, int] = {}


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation with a speech provider; a call has several when one was lost or renewed.

    `provider` as in `SPEECH_PROVIDER`, `ready_ms` since `open`. `after`: why the one before it
    ended, a short word; empty for the first one and after a planned renewal. `lost_ms`: when the
    one before it was lost, null where none was.
    """

    provider: str
    model: str
    ready_ms: int
    after: str = ""
    lost_ms: int | None = None


class CallEndedData(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of the whole call; judgements live elsewhere.

    `bot_id` answered the call; `bot_ids` are all that served it, in order. `usage` is in the
    provider's own names; `tokens` and `cost` are made from it. `answer_latency_ms` and
    `barge_in_stop_ms` repeat the `leaving_ms` of `answers` and the `stop_ms` of `barge_ins`.
    """

    session_id: str
    conversation_id: str
    org_id: str
    bot_id: str
    bot_ids: tuple[str, ...] = ()
    started_at: datetime
    duration_ms: int
    setup_ms: int
    greeting_ms: int | None
    end_reason: EndReason
    disposition: Disposition
    errors: tuple[str, ...]
    counts: Counts
    answer_latency_ms: tuple[int, ...]
    barge_in_stop_ms: tuple[int, ...]
    setup: Setup | None = None
    answers: tuple[AnswerLatency, ...] = ()
    barge_ins: tuple[BargeIn, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    connections: tuple[Connection, ...] = ()
    transport: Transport
    model: str
    usage: dict[str, float]
    tokens: Tokens | None = None
    cost: Cost | None = None
    output_variables: dict[str, str]
    privacy: CallPrivacy | None = None


class CallEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents envelope. `subject` is the Genesys conversation.

    `traceparent` names the call's trace (CloudEvents' extension for distributed tracing); it is
    absent where calls are not traced.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = SOURCE
    type: Literal["call.started.v1", "call.turn.v1", "call.ended.v1"]
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sessionid: str
    orgid: str
    traceparent: str | msgspec.UnsetType = msgspec.UNSET
    data: CallStartedData | TurnData | CallEndedData


_encoder = msgspec.json.Encoder()


def to_json(event: CallEvent) -> bytes:
    """Return the event as one line of JSON, without the line's end."""
    return _encoder.encode(event)
