import json

import pytest

from service.call_events import to_json
from service.call_events_reading import NewerContractError, NotAnEventError, from_json
from tests.contracts.event_examples import EXAMPLES, TURN


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(to_json(TURN)) | fields).encode()


@pytest.mark.parametrize("event_type", EXAMPLES)
def test_event_is_read_as_it_was_written(event_type: str):
    event = EXAMPLES[event_type]

    assert from_json(to_json(event)) == event
    assert from_json(to_json(event).decode()) == event


def test_unknown_fields_are_ignored():
    data = json.loads(to_json(TURN))["data"] | {"mood": "sunny"}

    assert from_json(changed(data=data, newextension="x")) == TURN


def test_newer_major_version_is_refused_by_its_name():
    with pytest.raises(NewerContractError, match=r"call\.turn\.v2 is newer .* understands v1"):
        from_json(changed(type="call.turn.v2"))


@pytest.mark.parametrize("event_type", ["call.turn.v0", "call.turn", "other.v2", ""])
def test_unknown_type_is_not_called_newer(event_type: str):
    with pytest.raises(NotAnEventError, match="unknown type") as caught:
        from_json(changed(type=event_type))

    assert not isinstance(caught.value, NewerContractError)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"specversion":"1.0"}', changed(specversion="0.3")],
)
def test_what_is_no_event_is_refused(line: bytes):
    with pytest.raises(NotAnEventError):
        from_json(line)


def test_refusal_names_the_field_and_keeps_the_words():
    data = json.loads(to_json(TURN))["data"] | {"text": "my secret words", "seq": "two"}

    with pytest.raises(NotAnEventError, match=r"\$\.seq") as caught:
        from_json(changed(data=data))

    assert "secret" not in str(caught.value)
