"""An oracle for Realtime events: OpenAI's own SDK types, plus a search for keys they do not know.

The SDK's models accept extra keys and the real server does not, so both checks are needed.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pydantic

# Keys of the wire that the SDK's models lack: the padding of deltas (spec 6.5) and Azure's phase.
_KNOWN_TO_BE_UNTYPED = frozenset({"obfuscation", "phase"})


def assert_server_event(event: Mapping[str, Any]) -> None:
    """Fails unless the event is what the SDK declares for its `type`, key by key."""
    session = event.get("session")
    if isinstance(session, dict) and session.get("type") == "realtime":
        event = {**event, "session": _as_request(session)}
    _assert_known(event, _server_models())


def assert_client_event(event: Mapping[str, Any]) -> None:
    """Fails unless the event is one that a client may send, key by key."""
    from openai.types.realtime.response_item_reference import ResponseItemReference

    response = event.get("response") or {}
    entries = response.get("input") or []
    references = [entry for entry in entries if entry.get("type") == "item_reference"]
    for reference in references:
        _assert_no_strangers(ResponseItemReference.model_validate(reference), "input")
    if references:  # the client event's model does not know them, only its parameter type does
        others = [entry for entry in entries if entry not in references]
        event = {**event, "response": {**response, "input": others}}
    _assert_known(event, _client_models())


def _as_request(session: Mapping[str, Any]) -> Mapping[str, Any]:
    """Checks what only an echo has; the SDK types the events with the request's model."""
    from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse

    RealtimeSessionCreateResponse.model_validate(session)
    only_echoed = ("id", "object", "expires_at")
    return {key: value for key, value in session.items() if key not in only_echoed}


def _assert_known(event: Mapping[str, Any], models: Mapping[str, type[pydantic.BaseModel]]) -> None:
    kind = str(event.get("type"))
    assert kind in models, f"no event of type {kind!r}"
    _assert_no_strangers(models[kind].model_validate(event), kind)


def _assert_no_strangers(parsed: pydantic.BaseModel, path: str) -> None:
    strangers = list(_strangers(parsed, path))
    assert not strangers, f"keys that the SDK does not know: {strangers}"


def _strangers(value: object, path: str) -> Iterator[str]:
    match value:
        case pydantic.BaseModel():
            for key in value.model_extra or {}:
                if key not in _KNOWN_TO_BE_UNTYPED:
                    yield f"{path}.{key}"
            for key in value.model_fields_set:
                yield from _strangers(getattr(value, key, None), f"{path}.{key}")
        case list():
            for at, entry in enumerate(value):
                yield from _strangers(entry, f"{path}[{at}]")


@functools.cache
def _server_models() -> Mapping[str, type[pydantic.BaseModel]]:
    from openai.types.realtime.realtime_server_event import RealtimeServerEvent

    return _by_type(RealtimeServerEvent)


@functools.cache
def _client_models() -> Mapping[str, type[pydantic.BaseModel]]:
    from openai.types.realtime.realtime_client_event import RealtimeClientEvent

    return _by_type(RealtimeClientEvent)


def _by_type(union: Any) -> Mapping[str, type[pydantic.BaseModel]]:
    members = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in members}
