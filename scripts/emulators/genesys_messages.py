"""The shapes of everything an AudioHook server may send. Strict: unknown members pass, types not.

Source: AudioHook specification sections 2, 4.2 and 4.6.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Counter = Annotated[int, Meta(ge=0)]
# The reference client reads seconds only, with up to nine decimals.
Duration = Annotated[str, Meta(pattern=r"^PT(?:\d*\.)?\d+S$")]


class Envelope(Struct, frozen=True):
    """What every text message has; `parameters` must be there even when empty."""

    version: Literal["2"]
    id: str
    type: str
    seq: Counter
    clientseq: Counter
    parameters: dict[str, object]


class Opened(Struct, frozen=True, rename="camel"):
    """Answer to `open`."""

    media: list[dict[str, object]]
    start_paused: bool | UnsetType = UNSET
    discard_to: Duration | UnsetType = UNSET
    supported_languages: list[str] | UnsetType = UNSET


class Closed(Struct, frozen=True):
    """Answer to `close`."""


class Pong(Struct, frozen=True):
    """Answer to `ping`."""


class Updated(Struct, frozen=True):
    """Answer to `update`."""


class Pause(Struct, frozen=True):
    """Asks for no more caller audio."""


class Resume(Struct, frozen=True):
    """Takes a `pause` back."""


class Reconnect(Struct, frozen=True):
    """A remnant of the protocol's design; has no effect."""

    info: str | UnsetType = UNSET


class Disconnect(Struct, frozen=True, rename="camel"):
    """Asks the client to end the session."""

    reason: Literal["completed", "unauthorized", "error"]
    info: str | UnsetType = UNSET
    output_variables: dict[str, object] | UnsetType = UNSET

    @property
    def text_outputs(self) -> dict[str, str]:
        """The outputs that Architect would set: values that are not text are silently lost."""
        if self.output_variables is UNSET:
            return {}
        return {k: v for k, v in self.output_variables.items() if isinstance(v, str)}


class Entity(Struct, frozen=True):
    """One thing that an `event` reports."""

    type: str
    data: object


class Event(Struct, frozen=True):
    """Reports at least one entity; an empty list crashes the reference client."""

    entities: Annotated[list[Entity], Meta(min_length=1)]


class BotTurnResponse(Struct, frozen=True):
    """Data of the entity `bot_turn_response`."""

    disposition: Literal["no_input", "no_match", "match"]
    text: str | UnsetType = UNSET
    confidence: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET


ServerMessage = Opened | Closed | Pong | Updated | Pause | Resume | Reconnect | Disconnect | Event

TYPES: dict[str, type[ServerMessage]] = {
    "opened": Opened,
    "closed": Closed,
    "pong": Pong,
    "updated": Updated,
    "pause": Pause,
    "resume": Resume,
    "reconnect": Reconnect,
    "disconnect": Disconnect,
    "event": Event,
}


def read_parameters(message_type: str, parameters: dict[str, object]) -> ServerMessage:
    """Return the typed message.

    Raises:
        KeyError: No server message has this type.
        msgspec.ValidationError: The parameters break the shape of their type.
    """
    message = msgspec.convert(parameters, TYPES[message_type])
    if isinstance(message, Event):
        for entity in message.entities:
            if entity.type == "bot_turn_response":
                msgspec.convert(entity.data, BotTurnResponse)
    return message
