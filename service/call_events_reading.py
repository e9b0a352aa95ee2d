"""Reads what `call_events` writes, whichever version wrote it.

A consumer ignores fields that it does not know and refuses a major version that it does not know:
the meaning of a newer one is not to be guessed. Pure. Source: events specification, section 5.
"""

import re

import msgspec

from service.call_events import CallEndedData, CallEvent, CallStartedData, TurnData

MAJOR = 1
"""The newest major version of the event types that this code understands."""

_DATA: dict[str, type[CallStartedData | TurnData | CallEndedData]] = {
    "call.started.v1": CallStartedData,
    "call.turn.v1": TurnData,
    "call.ended.v1": CallEndedData,
}
_TYPE = re.compile(r"call\.[a-z]+\.v([0-9]{1,9})")


class NotAnEventError(ValueError):
    """These bytes are no event of the contract; the message says what is wrong with them."""


class NewerContractError(NotAnEventError):
    """The event is of a newer major version than `MAJOR`: update the consumer, then redrive."""


class _Envelope(CallEvent, frozen=True, kw_only=True):
    """The envelope alone: its type decides what the data are."""

    type: str  # type: ignore[assignment]  # not yet known to be one of ours
    data: msgspec.Raw  # type: ignore[assignment]  # read in the second step


_envelopes = msgspec.json.Decoder(_Envelope)
_decoders = {event_type: msgspec.json.Decoder(data_type) for event_type, data_type in _DATA.items()}


def from_json(line: bytes | str) -> CallEvent:
    """Return the event; fields that this version does not know are left out.

    Raises:
        NewerContractError: the major version of its type is newer than `MAJOR`.
        NotAnEventError: anything else that does not fit the contract. The message names the
            field and never repeats what the caller said.
    """
    try:
        envelope = _envelopes.decode(line)
        decoder = _decoders.get(envelope.type)
        if decoder is None:
            raise _refusal(envelope.type)
        data = decoder.decode(envelope.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnEventError(f"not an event of the contract: {error}") from None
    fields = {name: getattr(envelope, name) for name in CallEvent.__struct_fields__}
    return CallEvent(**(fields | {"data": data}))


def _refusal(event_type: str) -> NotAnEventError:
    version = _TYPE.fullmatch(event_type)
    if version and int(version[1]) > MAJOR:
        return NewerContractError(
            f"{event_type} is newer than this consumer, which understands v{MAJOR}"
        )
    return NotAnEventError(f"unknown type of event: {event_type[:64]!r}")
