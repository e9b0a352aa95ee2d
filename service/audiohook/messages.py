"""The AudioHook messages by their wire names: what the client says, what we may answer.

Client messages are already read with tolerance (`decoding`): what a field holds is safe to use.
Server messages are the JSON of their `parameters`; number and identity are added when they are
written (`encoding`). Source: specification section 4.
"""

from typing import ClassVar, Literal

import msgspec

from service.audiohook.errors import DisconnectReason
from service.audiohook.media import MediaOffer


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """The call begins; read by section 17 rows 43 to 56.

    Attributes:
        participant_id: the caller's, or empty.
        ani: number of the caller as it came, usually a URI (`tel:+15555551234`), or empty.
        dnis: number that was called, likewise.
        language: language tag, or None for our default.
        wants_languages: the client asked which languages we speak.
        media: the offer we take, or None for a probe without one that suits.
        is_probe: a test of the integration, no call: no model, no events, no audio.
    """

    organization_id: str
    conversation_id: str
    participant_id: str = ""
    ani: str = ""
    ani_name: str = ""
    dnis: str = ""
    language: str | None = None
    wants_languages: bool = False
    input_variables: dict[str, str] = {}
    media: MediaOffer | None = None
    is_probe: bool = False


class Close(msgspec.Struct, frozen=True):
    """The client ends the session: `end`, `error`, `disconnect`, `reconnect` or `unknown`."""

    reason: str


class Ping(msgspec.Struct, frozen=True):
    """Already answered; `rtt_s` is the round trip of the ping before, seconds."""

    seq: int
    rtt_s: float | None = None


class Error(msgspec.Struct, frozen=True):
    """The client complains (section 9). Never answered, and alone it ends nothing.

    Attributes:
        code: 400 to 9999, or 0 when it was none.
        message: the client's words, cut.
        retry_after_s: seconds to wait after a 429, or None.
    """

    code: int
    message: str = ""
    retry_after_s: float | None = None


class Dtmf(msgspec.Struct, frozen=True):
    """Keys pressed, at least one of `0-9 * # A-D`; normally exactly one."""

    digits: str


class PlaybackStarted(msgspec.Struct, frozen=True):
    """Our audio began to play. `position_s`: the caller's timeline then, or None."""

    position_s: float | None = None


class PlaybackCompleted(msgspec.Struct, frozen=True):
    """Nothing of our audio is left to play. `position_s`: the caller's timeline then, or None."""

    position_s: float | None = None


class Update(msgspec.Struct, frozen=True):
    """Already answered. `language`: the new one, or None to keep the old."""

    language: str | None = None


class Paused(msgspec.Struct, frozen=True):
    """The caller's audio stops until `Resumed` (secure pause, hold)."""


class Resumed(msgspec.Struct, frozen=True):
    """The pause ended. Where it began and how long it was, seconds, or None."""

    start_s: float | None = None
    discarded_s: float | None = None


class Discarded(msgspec.Struct, frozen=True):
    """The client threw caller audio away. Where it began and how much, seconds, or None."""

    start_s: float | None = None
    discarded_s: float | None = None


ClientMessage = (
    Open
    | Close
    | Ping
    | Error
    | Dtmf
    | PlaybackStarted
    | PlaybackCompleted
    | Update
    | Paused
    | Resumed
    | Discarded
)


class Opened(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Answers `open`. `media`: the chosen offer as it came, or nothing.

    `startPaused` is always written, because a production probe is said to reject its absence.
    """

    TYPE: ClassVar = "opened"

    start_paused: Literal[False] = False
    media: tuple[msgspec.Raw, ...] = ()
    supported_languages: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Closed(msgspec.Struct, frozen=True):
    """Answers `close`; our last message."""

    TYPE: ClassVar = "closed"


class Pong(msgspec.Struct, frozen=True):
    """Answers one ping, and names its number as `clientseq`."""

    TYPE: ClassVar = "pong"


class Disconnect(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """We end the session; the client answers with `close`.

    Attributes:
        info: short cause, visible to the customer's operations people.
        output_variables: texts for the Architect flow (section 8.3).
    """

    TYPE: ClassVar = "disconnect"

    reason: DisconnectReason
    info: str | None = None
    output_variables: dict[str, str] | None = None


class Updated(msgspec.Struct, frozen=True):
    """Answers `update`."""

    TYPE: ClassVar = "updated"


class Pause(msgspec.Struct, frozen=True):
    """Asks the client to hold the caller's audio back; it answers `paused`."""

    TYPE: ClassVar = "pause"


class Resume(msgspec.Struct, frozen=True):
    """Asks for the caller's audio again; the client answers `resumed`, or `paused`."""

    TYPE: ClassVar = "resume"


class BargeIn(msgspec.Struct, frozen=True):
    """The client stops playing and drops what it has queued of our audio."""

    TYPE: ClassVar = "event"
    ENTITY: ClassVar = "barge_in"


class BotTurnResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the agent made of the caller's turn, for Genesys' reports.

    Attributes:
        text: the agent's words; cut to 4,000 characters on the wire.
        confidence: 0 to 1.
    """

    TYPE: ClassVar = "event"
    ENTITY: ClassVar = "bot_turn_response"

    disposition: Literal["no_input", "no_match", "match"]
    text: str | None = None
    confidence: float | None = None


ServerMessage = (
    Opened | Closed | Pong | Disconnect | Updated | Pause | Resume | BargeIn | BotTurnResponse
)
