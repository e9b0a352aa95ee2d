"""Server messages to JSON text.

In two steps, because a message is made when it is decided but numbered when it is written
(section 3.1 rule 4): `encode_parameters` first, so that whoever made a message that has no JSON
form gets the error, then `encode_message`, which cannot fail.
"""

from typing import Literal

import msgspec

from service.audiohook.messages import BargeIn, BotTurnResponse, ServerMessage

MAX_BOT_TEXT_CHARS = 4_000
"""Keeps an `event` far below the 65,535 characters of a message."""


class _Envelope(msgspec.Struct):
    version: Literal["2"]
    id: str
    type: str
    seq: int
    clientseq: int
    parameters: msgspec.Raw


def encode_parameters(message: ServerMessage) -> msgspec.Raw:
    """The `parameters` of a message, always an object (section 2)."""
    if isinstance(message, BotTurnResponse) and message.text is not None:
        message = msgspec.structs.replace(message, text=message.text[:MAX_BOT_TEXT_CHARS])
    parameters: object = message
    if isinstance(message, BargeIn | BotTurnResponse):
        parameters = {"entities": [{"type": message.ENTITY, "data": message}]}
    return msgspec.Raw(msgspec.json.encode(parameters))


def encode_message(
    *, session_id: str, message_type: str, seq: int, clientseq: int, parameters: msgspec.Raw
) -> str:
    """One text frame. Both numbers are at least 1 and 0, of our side and of the client's."""
    envelope = _Envelope("2", session_id, message_type, seq, clientseq, parameters)
    return msgspec.json.encode(envelope).decode()
