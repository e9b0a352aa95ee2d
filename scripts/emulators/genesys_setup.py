"""How an emulated Genesys call is set up: who calls, what is offered, which timers and bad habits.

Values only; the behaviour they steer lives in `genesys_client`. Source: specs of the AudioHook
protocol, section 15 (the client), 4.3 (`open`), 7 (timers).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

Profile = Literal["reference", "production-like", "chaos"]

NULL_UUID = "00000000-0000-0000-0000-000000000000"
RATE_HZ = 8000


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """One entry of `open.parameters.media`."""

    channels: tuple[str, ...] = ("external",)
    format: str = "PCMU"
    rate: int = RATE_HZ  # Hz
    type: str = "audio"

    def to_wire(self) -> dict[str, object]:
        """Return the JSON object that `opened` must echo unchanged."""
        return {
            "type": self.type,
            "format": self.format,
            "channels": list(self.channels),
            "rate": self.rate,
        }


MONO = MediaOffer()
STEREO = MediaOffer(channels=("external", "internal"))
# The order in which the activation probe was seen to offer (section 5.3).
PROBE_OFFERS = (STEREO, MONO, MediaOffer(channels=("internal",)))


@dataclass(frozen=True, slots=True)
class Timers:
    """Every wait of the client, in seconds. Source: section 7; tests shrink them."""

    connect_s: float = 10.0  # TCP, TLS and upgrade together
    opened_s: float = 5.0  # `open` to `opened`
    closed_s: float = 10.0  # `close` to `closed`
    socket_close_s: float = 5.0  # WebSocket closing handshake
    first_ping_s: float = 1.0  # after `opened`
    ping_s: float = 5.0  # between later pings; also the deadline of a pong
    send_s: float = 10.0  # one write, before the server counts as stuck
    key_gap_s: float = 0.1  # between two keys of one `press`
    step_s: float = 30.0  # default deadline of each step of a script


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Bad habits, each off by default; `WILD` is what the profile `chaos` uses."""

    frame_bytes: tuple[int, int] | None = None  # random mono frame sizes, inclusive
    jitter_ms: int = 0  # each audio frame leaves up to this much late
    ping_copies: int = 1  # pings sent per tick; each wants its own pong
    ignores_pongs: bool = False  # pongs count as lost: 408 at the next tick
    positions_with_minutes: bool = False  # PT1M2.5S instead of PT62.5S
    answers_disconnect: bool = True  # False: no `close` after `disconnect`
    sends_open: bool = True  # False: the script sends the first message itself
    open_overrides: Mapping[str, object] = field(default_factory=dict)
    extra_headers: tuple[tuple[str, str], ...] = ()  # may repeat a name
    omitted_headers: frozenset[str] = frozenset()  # lower-case names
    receive_buffer_bytes: int | None = None  # small: a stopped reader soon stalls the server


TAME = Chaos()
WILD = Chaos(frame_bytes=(160, 16_000), jitter_ms=60, ping_copies=3, positions_with_minutes=True)


def new_uuid() -> str:
    """Return a random UUID of version 4 as text."""
    return str(uuid4())


def new_uuid7() -> str:
    """Return a UUID whose version digit says 7, which some validators refuse (section 2)."""
    text = new_uuid()
    return f"{text[:14]}7{text[15:]}"


@dataclass(frozen=True, slots=True)
class CallSetup:
    """One call: where to, with which credentials, identity, media and habits."""

    url: str  # ws:// or wss://, with path and query
    api_key: str
    client_secret: str | None = None  # base64; None: unsigned
    organization_id: str = field(default_factory=new_uuid)
    session_id: str = field(default_factory=new_uuid)
    conversation_id: str = field(default_factory=new_uuid)
    participant_id: str = field(default_factory=new_uuid)
    correlation_id: str = field(default_factory=new_uuid)
    language: str | None = "en-US"
    ani: str = "tel:+15555550100"
    ani_name: str = "Emulated Caller"
    dnis: str = "tel:+15555550199"
    input_variables: dict[str, str] = field(default_factory=dict)
    media: tuple[MediaOffer, ...] = (MONO,)
    frame_ms: int = 200
    profile: Profile = "reference"
    play_out_on_disconnect: bool = False
    completed_after_barge_in: bool = True
    playback_hangover_ms: int = 0
    max_duration_s: float = 900.0
    authority: str | None = None  # signed as @authority; None: the host of `url`
    seed: int | None = None  # of everything random in this call
    is_probe: bool = False
    chaos: Chaos | None = None  # None: what the profile says
    timers: Timers = Timers()

    @property
    def habits(self) -> Chaos:
        """The bad habits in force."""
        if self.chaos is not None:
            return self.chaos
        return WILD if self.profile == "chaos" else TAME


def open_parameters(setup: CallSetup) -> dict[str, object]:
    """Return `parameters` of the `open` message of this call (section 4.3)."""
    parameters: dict[str, object] = {
        "organizationId": setup.organization_id,
        "conversationId": setup.conversation_id,
        "participant": {
            "id": setup.participant_id,
            "ani": setup.ani,
            "aniName": setup.ani_name,
            "dnis": setup.dnis,
        },
        "media": [offer.to_wire() for offer in setup.media],
    }
    if setup.language is not None:
        parameters["language"] = setup.language
    if setup.input_variables:
        parameters["inputVariables"] = dict(setup.input_variables)
    return parameters | dict(setup.habits.open_overrides)


def duration_text(seconds: float, *, with_minutes: bool = False) -> str:
    """Return an ISO 8601 duration such as `PT12.345S`, at most nanoseconds, never an exponent."""
    minutes, rest = divmod(seconds, 60) if with_minutes else (0, seconds)
    plain = f"{rest:.9f}".rstrip("0").rstrip(".")
    return f"PT{minutes:.0f}M{plain}S" if with_minutes else f"PT{plain}S"
