import msgspec
import pytest

from service.call_events import to_json
from service.outbox.letter import letter_of
from tests.contracts.event_examples import (
    AT,
    ENDED,
    EXAMPLES,
    ORGANIZATION,
    SESSION,
    STARTED,
    TURN,
)


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_letter_has_what_the_event_says(event: msgspec.Struct):
    body = to_json(event)  # type: ignore[arg-type]

    letter = letter_of(body)

    assert (letter.event_id, letter.type) == (event.id, event.type)  # type: ignore[attr-defined]
    assert (letter.call, letter.organization, letter.time) == (SESSION, ORGANIZATION, AT)
    assert letter.body == body


def test_language_and_disposition_are_there_where_the_event_tells_them():
    told = [
        (letter.language, letter.disposition)
        for letter in (letter_of(to_json(event)) for event in (STARTED, TURN, ENDED))
    ]

    assert told == [("en-US", None), (None, None), (None, "escalated")]


def test_event_of_another_version_is_a_letter_too():
    body = (
        b'{"id":"s/new/1","type":"call.new.v2","time":"2027-01-01T00:00:00Z","sessionid":"s",'
        b'"orgid":"o","more":1,"data":{"whatever":[1]}}'
    )

    assert letter_of(body).type == "call.new.v2"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"id":1}'])
def test_what_is_no_event_is_no_letter(body: bytes):
    with pytest.raises(ValueError):
        letter_of(body)
