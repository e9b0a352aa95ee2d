"""How an emulated Realtime server behaves: timings, quirks, and faults on demand.

Everything here is a plain value. The defaults are a well-behaved server; `NAMED` holds the
scenarios that the command line and the `x-emulator-scenario` header know.
Source: openai_realtime spec 7.8, 11.1, 16 and 17.10.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

UPDATED = "session.updated"
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
RATE_LIMITED = (
    "Rate limit reached for gpt-realtime-2.1 in organization org-x on tokens per min (TPM): "
    "Limit 40000, Used 39980, Requested 4100. Please try again in 1.5s."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What all faults share.

    Attributes:
        skip: So many occasions of a session pass unharmed first.
        times: Then so many are hit; None means all of them.
        connections: Which connections of the emulator it concerns, counted from 0 in order of
            arrival; None means every one.
    """

    skip: int = 0
    times: int | None = 1
    connections: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseHandshake(Fault):
    """Answers the upgrade with an HTTP status such as 401, 403, 429, 500 or 503."""

    status: int
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangHandshake(Fault):
    """Never answers the upgrade; the client's own deadline must end it."""

    limit_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseUpdate(Fault):
    """Refuses a `session.update` as if it held an unknown key."""

    param: str = "session.audio.input.noise_reduction"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropEvent(Fault):
    """Swallows an event of one type, for example `session.updated` or `response.created`."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayEvent(Fault):
    """Sends an event of one type late; later events overtake it."""

    type: str
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FailResponse(Fault):
    """Ends a response as failed right after `response.created`."""

    code: str | None = "rate_limit_exceeded"
    message: str = RATE_LIMITED
    kind: str = "invalid_request_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTranscription(Fault):
    """Sends `….failed` instead of `….completed` for a caller's turn."""

    code: str = "audio_unintelligible"
    message: str = "The audio could not be transcribed."


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDoneInProgress(Fault):
    """Sends `response.output_item.done` with the status `in_progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFrame(Fault):
    """Cuts the JSON text of an event of one type in the middle."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertUnknownEvent(Fault):
    """Sends an event of a type nobody knows before one of the given type."""

    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUnknownFields(Fault):
    """Adds keys that no documentation has to an event of one type (None: of any type)."""

    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HugeDelta(Fault):
    """Makes the frame of an audio delta larger than 1 MiB; its padding is not audio."""

    pad_bytes: int = 1_100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAfter(Fault):
    """Closes the socket so long after `session.created`; 1006 drops the connection."""

    after_s: float
    code: int = 1011
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAtEvent(Fault):
    """Closes the socket in place of an event of one type (None: any, so `skip` is its index)."""

    type: str | None = None
    code: int = 1011
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about the server that a test may want different; times in the unit named.

    Attributes:
        speed: Audio is sent at this multiple of real time; infinity sends it at once.
        cancel_delay_ms: From a cancel to its chain of `.done` events; audio stops at once.
        mcp_list_delay_ms: Until the tools of an MCP server are listed.
        caller_words: Without ears: what the caller says, one entry per turn with speech.
        caller_default: Said when `caller_words` has run out.
        late_audio_after_cancel: One more delta after the cancel, before the chain.
        multi_item: A spoken reply becomes a preamble item and an answer item (2.x models).
        invents_tools: The brain's calls of functions that were not offered are made all the same.
        is_azure: Azure's quirks: semantic_vad never tells `speech_started`, items have a phase.
        accepts_duplicate_ids: As gpt-realtime-1.5; otherwise an error.
    """

    speed: float = 4.0
    hello_delay_ms: int = 50
    first_audio_delay_ms: int = 300
    transcript_delay_ms: int = 400
    cancel_delay_ms: int = 20
    mcp_list_delay_ms: int = 100
    expires_after_s: float = 3600
    caller_words: tuple[str, ...] = ()
    caller_default: str = "hello"
    late_audio_after_cancel: bool = False
    multi_item: bool = False
    invents_tools: bool = False
    is_azure: bool = False
    accepts_duplicate_ids: bool = False
    faults: tuple[Fault, ...] = field(default=())

    def pause_s(self, audio_ms: float) -> float:
        """How long the server takes for that much audio."""
        return audio_ms / 1000 / self.speed


NAMED: Mapping[str, Scenario] = {
    "default": Scenario(),
    "burst": Scenario(speed=math.inf, first_audio_delay_ms=0),
    "slow-audio": Scenario(speed=0.5),
    "short-session": Scenario(expires_after_s=30),
    "late-audio": Scenario(late_audio_after_cancel=True),
    "multi-item": Scenario(multi_item=True),
    "azure": Scenario(is_azure=True),
    "azure-quota": Scenario(
        is_azure=True,
        faults=(FailResponse(code="inference_rate_limit_exceeded", message="Try again later."),),
    ),
    "refuse-update-once": Scenario(faults=(RefuseUpdate(),)),
    "refuse-update": Scenario(faults=(RefuseUpdate(times=None),)),
    "no-updated": Scenario(faults=(DropEvent(type=UPDATED, times=None),)),
    "late-updated": Scenario(faults=(DelayEvent(type=UPDATED, delay_s=3),)),
    "rate-limited": Scenario(faults=(FailResponse(),)),
    "no-quota": Scenario(
        faults=(
            FailResponse(
                code="insufficient_quota",
                message="You exceeded your current quota, please check your plan.",
                times=None,
            ),
        )
    ),
    "server-error": Scenario(
        faults=(
            FailResponse(
                code="server_error",
                message="The server had an error while processing your request.",
                kind="server_error",
            ),
        )
    ),
    "no-transcripts": Scenario(faults=(DropEvent(type=TRANSCRIBED, times=None),)),
    "failed-transcripts": Scenario(faults=(FailTranscription(times=None),)),
    "swapped-transcripts": Scenario(faults=(DelayEvent(type=TRANSCRIBED, delay_s=8),)),
    "drops-after-10s": Scenario(faults=(CloseAfter(after_s=10, code=1006),)),
    "drops-once": Scenario(faults=(CloseAfter(after_s=10, code=1011, connections=(0,)),)),
    "restarts": Scenario(faults=(CloseAfter(after_s=10, code=1012),)),
    "unauthorized": Scenario(faults=(RefuseHandshake(status=401, code="invalid_api_key"),)),
    "busy": Scenario(faults=(RefuseHandshake(status=429, code="rate_limit_exceeded"),)),
    "broken": Scenario(faults=(RefuseHandshake(status=500),)),
    "hangs": Scenario(faults=(HangHandshake(),)),
    "odd-frames": Scenario(
        faults=(
            InsertUnknownEvent(before="response.created"),
            AddUnknownFields(times=None),
            HugeDelta(),
            ItemDoneInProgress(),
            DropEvent(type="response.created", skip=1),
        )
    ),
    "cut-frame": Scenario(faults=(CutFrame(type="response.output_audio.delta", skip=2),)),
}
