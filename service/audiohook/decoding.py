"""Client text to messages, in two steps: the envelope, then `parameters` by type.

Tolerant: only what we act on is looked at, and of that only what we cannot do without is
required. Source: specification sections 2 and 4, section 17 for each bad input.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from service.audiohook.errors import RemoteProtocolError
from service.audiohook.fields import (
    NULL_UUID,
    Warn,
    is_uuid,
    read_duration_s,
    read_language,
    read_text,
)
from service.audiohook.media import choose_media
from service.audiohook.messages import (
    ClientMessage,
    Close,
    Discarded,
    Dtmf,
    Error,
    Open,
    Paused,
    Ping,
    PlaybackCompleted,
    PlaybackStarted,
    Resumed,
    Update,
)
from service.audiohook.variables import read_input_variables

MAX_TEXT_CHARS = 65_535
"""Both reference sides reject longer messages (section 2)."""

MAX_DIGITS = 64
"""Of one `dtmf`, which should hold one; also the cap of a digit buffer (row 66)."""

_MAX_PARTY_CHARS = 256
_MAX_ERROR_CHARS = 200
_KEYS = frozenset("0123456789*#ABCD")
_CLOSE_REASONS = frozenset({"end", "error", "disconnect", "reconnect"})


class Envelope(msgspec.Struct):
    """One client message before its rules are checked: any field may hold anything."""

    version: Any = None
    id: Any = None
    type: Any = None
    seq: Any = None
    serverseq: Any = None
    position: Any = None
    parameters: msgspec.Raw = msgspec.Raw(b"")


class _OpenParameters(msgspec.Struct, rename="camel"):
    organization_id: Any = None
    conversation_id: Any = None
    participant: Any = None
    language: Any = None
    supported_languages: Any = None
    input_variables: Any = None
    media: msgspec.Raw = msgspec.Raw(b"")


_envelope_decoder = msgspec.json.Decoder(Envelope)
_open_decoder = msgspec.json.Decoder(_OpenParameters)


def decode_envelope(text: str) -> Envelope:
    """The envelope of one text frame.

    Deep nesting ends the parse early with `RecursionError`, so a bomb costs microseconds.

    Raises:
        RemoteProtocolError: too long, no JSON, or no JSON object.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise RemoteProtocolError("too large")
    try:
        return _envelope_decoder.decode(text)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError("bad message") from error
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("bad json") from error


def decode_open(envelope: Envelope, *, organization_id: str | None, warn: Warn) -> Open:
    """The `open`, validated, cleaned and with its media chosen.

    Args:
        envelope: an admitted message of type `open`.
        organization_id: the one of the upgrade request, or None when it had none.
        warn: counts what was repaired.

    Raises:
        RemoteProtocolError: not a call that we can take (rows 43, 44, 48, 49).
    """
    try:
        raw = _open_decoder.decode(envelope.parameters)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("open") from error
    if not (is_uuid(raw.organization_id) and is_uuid(raw.conversation_id)):
        raise RemoteProtocolError("open")
    if organization_id is not None and raw.organization_id.lower() != organization_id.lower():
        raise RemoteProtocolError(None, reason="unauthorized")
    if not isinstance(raw.participant, dict):
        warn("participant")
        raw.participant = {}
    # One of the two is enough (row 46).
    is_probe = NULL_UUID in (raw.conversation_id, raw.participant.get("id"))
    return Open(
        organization_id=raw.organization_id,
        conversation_id=raw.conversation_id,
        participant_id=_party(raw.participant, "id"),
        ani=_party(raw.participant, "ani"),
        ani_name=_party(raw.participant, "aniName"),
        dnis=_party(raw.participant, "dnis"),
        language=read_language(raw.language, warn),
        wants_languages=raw.supported_languages is True,
        input_variables=read_input_variables(raw.input_variables, warn),
        media=choose_media(raw.media, is_probe=is_probe),
        is_probe=is_probe,
    )


def decode_message(envelope: Envelope, warn: Warn) -> ClientMessage | None:
    """Any message of `MESSAGE_TYPES`; None when nothing in it is of use (row 65)."""
    return _READERS[envelope.type](envelope, _parameters(envelope, warn), warn)


def _party(participant: dict[str, Any], name: str) -> str:
    return read_text(participant.get(name), max_chars=_MAX_PARTY_CHARS)


def _parameters(envelope: Envelope, warn: Warn) -> dict[str, Any]:
    """The parameters, or nothing when they are missing or no object (row 36)."""
    try:
        parameters = msgspec.json.decode(envelope.parameters)
    except (ValueError, RecursionError):
        parameters = None
    if isinstance(parameters, dict):
        return parameters
    warn("parameters")
    return {}


def _close(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Close:
    reason = read_text(parameters.get("reason"), max_chars=_MAX_ERROR_CHARS)
    if reason not in _CLOSE_REASONS:
        warn("close_reason")
        reason = "unknown"
    return Close(reason)


def _ping(envelope: Envelope, parameters: dict[str, Any], _: Warn) -> Ping:
    return Ping(envelope.seq, read_duration_s(parameters.get("rtt")))


def _error(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Error:
    code = parameters.get("code")
    if type(code) is not int or not 400 <= code <= 9999:
        warn("error_code")
        code = 0
    message = read_text(parameters.get("message"), max_chars=_MAX_ERROR_CHARS)
    return Error(code, message, read_duration_s(parameters.get("retryAfter")))


def _dtmf(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Dtmf | None:
    digit = parameters.get("digit")
    text = str(digit) if type(digit) is int else read_text(digit, max_chars=MAX_TEXT_CHARS)
    digits = "".join(key for key in text.upper() if key in _KEYS)[:MAX_DIGITS]
    if not digits or digits != text.upper():
        warn("digit")
    return Dtmf(digits) if digits else None


def _playback_started(envelope: Envelope, _: dict[str, Any], __: Warn) -> PlaybackStarted:
    return PlaybackStarted(read_duration_s(envelope.position))


def _playback_completed(envelope: Envelope, _: dict[str, Any], __: Warn) -> PlaybackCompleted:
    return PlaybackCompleted(read_duration_s(envelope.position))


def _update(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Update:
    return Update(read_language(parameters.get("language"), warn))


def _paused(_: Envelope, __: dict[str, Any], ___: Warn) -> Paused:
    return Paused()


def _resumed(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Resumed:
    return Resumed(*_gap(parameters, warn))


def _discarded(_: Envelope, parameters: dict[str, Any], warn: Warn) -> Discarded:
    return Discarded(*_gap(parameters, warn))


def _gap(parameters: dict[str, Any], warn: Warn) -> tuple[float | None, float | None]:
    """Start and length in seconds of audio that was never sent (row 68)."""
    discarded_s = read_duration_s(parameters.get("discarded"))
    if discarded_s is None:
        warn("discarded")
    return read_duration_s(parameters.get("start")), discarded_s


_READERS: dict[str, Callable[[Envelope, dict[str, Any], Warn], ClientMessage | None]] = {
    "close": _close,
    "ping": _ping,
    "error": _error,
    "dtmf": _dtmf,
    "playback_started": _playback_started,
    "playback_completed": _playback_completed,
    "update": _update,
    "paused": _paused,
    "resumed": _resumed,
    "discarded": _discarded,
}

MESSAGE_TYPES = frozenset(_READERS) | {"open"}
"""Every `type` that a client may send (section 4.1)."""
