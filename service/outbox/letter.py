"""An event on its way to a queue: its JSON and what a queue sorts and measures it by. Pure."""

from datetime import datetime

import msgspec


class _Caller(msgspec.Struct):
    language: str | None = None


class _Data(msgspec.Struct):
    caller: _Caller | None = None
    disposition: str | None = None


class _Envelope(msgspec.Struct):
    id: str
    type: str
    time: datetime
    sessionid: str
    orgid: str
    data: _Data


class Letter(msgspec.Struct, frozen=True, eq=False):
    """One event; compared by identity.

    Attributes:
        event_id: the same each time that it is sent.
        type: such as `call.turn.v1`.
        time: of the event.
        call: the session; letters of one are delivered in their order.
        organization: of Genesys.
        language: of the caller, where the event tells it.
        disposition: of a call that ended.
        body: the event as JSON.
    """

    event_id: str
    type: str
    time: datetime
    call: str
    organization: str
    language: str | None
    disposition: str | None
    body: bytes


_envelopes = msgspec.json.Decoder(_Envelope)


def letter_of(body: bytes) -> Letter:
    """Return the letter of an event, whichever version of the service wrote it.

    Raises:
        ValueError: it is no event.
    """
    event = _envelopes.decode(body)
    return Letter(
        event_id=event.id,
        type=event.type,
        time=event.time,
        call=event.sessionid,
        organization=event.orgid,
        language=event.data.caller.language if event.data.caller else None,
        disposition=event.data.disposition,
        body=body,
    )
