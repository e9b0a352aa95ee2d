import json
from datetime import datetime
from typing import Any
from uuid import RFC_4122, UUID

import msgspec

from service.analytics.rows import RecordedCall
from service.analytics.vcon import uuid8, vcon_of
from service.call_events import TurnData
from tests.analytics.scene import call_of_turns
from tests.contracts.event_examples import AT, CONVERSATION, SESSION

CALL = call_of_turns(3)
TURNS = tuple(event.data for event in CALL if isinstance(event.data, TurnData))
RECORDED = RecordedCall(started=CALL[0], turns=TURNS, ended=CALL[-1])


def exported() -> dict[str, Any]:
    vcon: dict[str, Any] = json.loads(msgspec.json.encode(vcon_of(RECORDED)))
    return vcon


def test_call_that_has_not_ended_has_no_vcon():
    assert vcon_of(RecordedCall(started=CALL[0], turns=TURNS, ended=None)) is None


def test_top_has_what_the_draft_requires_and_nothing_of_old_drafts():
    vcon = exported()

    assert vcon["vcon"] == "0.4.0"
    assert datetime.fromisoformat(vcon["created_at"]).utcoffset() is not None
    assert UUID(vcon["uuid"]).version == 8
    assert {"appended", "must_support", "redacted", "amended"}.isdisjoint(vcon)

    older = json.loads(msgspec.json.encode(vcon_of(RECORDED, version="0.0.1")))
    assert older == vcon | {"vcon": "0.0.1"}


def test_id_is_of_the_time_the_domain_and_the_call():
    one = uuid8(AT, "example.com", "a")

    assert one.variant == RFC_4122
    assert one.int >> 80 == round(AT.timestamp() * 1_000)
    assert one == uuid8(AT, "example.com", "a")
    assert one != uuid8(AT, "example.com", "b")
    assert one.int & (2**62 - 1) != uuid8(AT, "example.org", "a").int & (2**62 - 1)


def test_every_index_names_a_party_or_dialog_that_is_there():
    vcon = exported()
    parties, dialogs = range(len(vcon["parties"])), range(len(vcon["dialog"]))
    [dialog] = vcon["dialog"]

    assert set(dialog["parties"]) == set(parties)
    assert {each["party"] for each in dialog["party_history"]} == set(parties)
    assert {each["event"] for each in dialog["party_history"]} == {"join", "drop"}
    assert all(each["dialog"] in dialogs for each in vcon["analysis"] + vcon["attachments"])
    assert all(each["party"] in parties for each in vcon["attachments"])


def test_content_says_how_it_is_encoded_and_analyses_who_made_them():
    vcon = exported()
    contents = vcon["analysis"] + vcon["attachments"]

    assert all(each["encoding"] == "json" and "url" not in each for each in contents)
    assert all(each["vendor"] for each in vcon["analysis"])
    assert [each["type"] for each in vcon["analysis"]] == ["transcript", "report"]
    assert all(each["purpose"] and each["start"] for each in vcon["attachments"])


def test_turns_are_said_by_their_party_at_their_time():
    transcript = exported()["analysis"][0]["body"]

    assert [(each["party"], each["text"]) for each in transcript] == [
        (0, "words 1"),
        (1, "words 2"),
        (0, "words 3"),
    ]
    assert transcript[0]["start"] == "2026-11-22T09:30:16.250+00:00"
    assert transcript[0]["duration"] == 0.9


def test_dialog_names_the_conversation_of_genesys():
    [dialog] = exported()["dialog"]

    assert dialog["session_id"] == {"local": SESSION, "remote": CONVERSATION}
    assert dialog["duration"] == 61.234
