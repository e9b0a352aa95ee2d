"""What may be written down of a request and of a message: never a key, number, name or word.

Pure. Source: AudioHook specification sections 1.1, 4.1, 4.3 and 10.2.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

NULL_UUID = "00000000-0000-0000-0000-000000000000"
_COMPONENT = re.compile(r'"([@a-z-]{1,40})"')
_PARAMETER = re.compile(r";([a-z]{1,20})=")
_TIME = re.compile(r";(created|expires)=(\d{1,12})")


def handshake_facts(
    path: str, headers: Mapping[str, str], *, names: list[str], unix_s: float
) -> dict[str, object]:
    """Facts of an upgrade request: the names of its headers, and the values that are no secret.

    Args:
        path: As on the request line; of its query only the presence is told.
        headers: Lower-case names.
        names: Of all headers, as they were written and in their order.
        unix_s: Now, for the age of the signature.
    """
    parts = urlsplit(path)
    facts: dict[str, object] = {
        "path": parts.path,
        "has_query": bool(parts.query),
        "headers": names,
        "user_agent": headers.get("user-agent"),
        "extensions": headers.get("sec-websocket-extensions"),
        "subprotocol": headers.get("sec-websocket-protocol"),
        "session_uuid_version": (headers.get("audiohook-session-id") or "")[14:15],
    }
    return facts | signature_facts(headers.get("signature-input"), unix_s=unix_s)


def signature_facts(signature_input: str | None, *, unix_s: float) -> dict[str, object]:
    """The order of components and parameters, lifetime and age in seconds; no nonce, no key."""
    if signature_input is None:
        return {"is_signed": False}
    listed, _, parameters = signature_input.partition(")")
    times = {name: int(text) for name, text in _TIME.findall(parameters)}
    created, expires = times.get("created"), times.get("expires")
    return {
        "is_signed": True,
        "components": _COMPONENT.findall(listed),
        "parameters": _PARAMETER.findall(parameters),
        "lifetime_s": expires - created if created is not None and expires is not None else None,
        "age_s": round(unix_s - created, 1) if created is not None else None,
    }


def message_facts(kind: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Facts of a client message. A `dtmf` has none: the digit is the caller's."""
    match kind:
        case "open":
            return _open_facts(parameters)
        case "error":
            return _picked(parameters, "code", "message", "retryAfter")
        case "close":
            return _picked(parameters, "reason")
        case "ping":
            return _picked(parameters, "rtt")
        case "paused" | "resumed" | "discarded":
            return _picked(parameters, "start", "discarded")
        case "update":
            return _picked(parameters, "language")
        case _:
            return {"parameter_names": sorted(parameters)}


def is_activation_probe(parameters: Mapping[str, object]) -> bool:
    """True for the session by which an administrator's activation tests us (section 5.3)."""
    return parameters.get("conversationId") == NULL_UUID


def _open_facts(parameters: Mapping[str, object]) -> dict[str, object]:
    participant = parameters.get("participant")
    ani = str(participant.get("ani", "")) if isinstance(participant, Mapping) else ""
    media = parameters.get("media")
    offers = [_offer(entry) for entry in media] if isinstance(media, list) else []
    return {
        "is_probe": is_activation_probe(parameters),
        "offers": offers,
        "language": parameters.get("language"),
        "parameter_names": sorted(parameters),
        "ani_form": ani.partition(":")[0] if ani.startswith(("tel:", "sip:")) else "other",
    }


def _offer(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return "no object"
    channels = entry.get("channels")
    lanes = "+".join(map(str, channels)) if isinstance(channels, list) else "?"
    return f"{entry.get('format')}/{entry.get('rate')}/{lanes}"


def _picked(parameters: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: parameters[name] for name in names if name in parameters}
