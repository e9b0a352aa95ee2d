import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.call_events import CallEvent, to_json
from service.call_events_reading import from_json
from service.claim_check import ClaimError, checked_in, claim_of, key_of, redeemed
from tests.contracts.event_examples import ENDED, EXAMPLES, SESSION, TURN


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_event_is_whole_again_after_it_was_in_two_parts(event: CallEvent):
    parts = checked_in(to_json(event), "lake")

    claim = claim_of(parts.message.decode())

    assert claim
    assert (claim.bucket, claim.key) == ("lake", parts.key)
    assert from_json(redeemed(parts.message.decode(), claim, parts.data)) == event


def test_message_is_the_envelope_with_the_address_of_the_data():
    parts = checked_in(to_json(TURN), "lake")

    message = json.loads(parts.message)

    assert message["dataref"] == f"s3://lake/oversize/{SESSION}/turn/2.json"
    assert message["id"] == TURN.id
    assert "data" not in message
    assert json.loads(parts.data)["text"] == "Your new card is on"
    assert b"card" not in parts.message


@pytest.mark.parametrize("message", ["", "words", "{}", "[]", '{"id":"dataref"}', '"dataref"'])
def test_whatever_names_no_data_is_no_claim(message: str):
    assert claim_of(message) is None


def test_words_of_a_caller_are_no_claim():
    assert isinstance(TURN.data, msgspec.Struct)
    words = '"dataref":"s3://evil/oversize/x.json"'
    event = msgspec.structs.replace(TURN, data=msgspec.structs.replace(TURN.data, text=words))

    assert claim_of(to_json(event).decode()) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/oversize/x.json",
        "s3://lake/turns/x.json",
        "s3://lake/oversize/../turns/x.json",
        "s3://lake/oversize/x.json?versionId=1",
        "s3://LAKE/oversize/x.json",
        "s3:///oversize/x.json",
        "",
        5,
        None,
    ],
)
def test_addresses_that_are_not_ours_are_refused(address: object):
    message = json.dumps({"id": "x", "dataref": address, "datasha512": ""})

    with pytest.raises(ClaimError):
        claim_of(message)


def test_data_that_were_changed_are_refused():
    parts = checked_in(to_json(ENDED), "lake")
    message = parts.message.decode()
    claim = claim_of(message)
    assert claim

    with pytest.raises(ClaimError):
        redeemed(message, claim, parts.data.replace(b"transfer", b"hangup__"))


def test_message_without_a_digest_is_refused():
    with pytest.raises(ClaimError):
        claim_of('{"dataref": "s3://lake/oversize/x.json"}')


@given(first=st.text(max_size=30), second=st.text(max_size=30))
def test_each_event_has_a_key_of_its_own_inside_the_folder(first: str, second: str):
    assert (key_of(first) == key_of(second)) == (first == second) or "\ud800" in first + second
    assert ".." not in key_of(first)
    assert key_of(first).startswith("oversize/")
