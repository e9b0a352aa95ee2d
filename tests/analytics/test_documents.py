import gzip
import json

import msgspec
import pytest

from service.analytics.documents import documents_of, keys_of
from service.analytics.rows import RecordedCall
from service.call_documents import CallTranscript
from service.call_events import TurnData
from tests.analytics.scene import call_of_turns
from tests.contracts.event_examples import ENDED, SESSION, STARTED

CALL = call_of_turns(2)
TURNS = tuple(event.data for event in CALL if isinstance(event.data, TurnData))
RECORDED = RecordedCall(started=CALL[0], turns=TURNS, ended=CALL[-1])


def documents(call: RecordedCall) -> dict[str, bytes]:
    made = documents_of(call)
    assert made
    return {key.partition("/")[0]: body for key, body in made.by_key.items()}


def test_call_that_has_not_ended_has_no_documents():
    assert documents_of(RecordedCall(started=STARTED, turns=TURNS, ended=None)) is None


def test_same_call_is_the_same_bytes():
    assert documents_of(RECORDED) == documents_of(RECORDED)


def test_digest_changes_with_any_document():
    one, other = (
        documents_of(RECORDED),
        documents_of(RecordedCall(started=None, turns=TURNS, ended=CALL[-1])),
    )

    assert one and other and one.digest != other.digest


def test_transcript_is_an_event_of_the_contract():
    body = documents(RECORDED)["transcripts"]

    transcript = msgspec.json.decode(body, type=CallTranscript)

    assert (transcript.id, transcript.type) == (f"{SESSION}/transcript", "call.transcript.v1")
    assert (transcript.data.turns, transcript.data.is_complete) == (TURNS, True)


def test_row_of_a_turn_has_every_column_and_its_call():
    line = json.loads(gzip.decompress(documents(RECORDED)["turns"]).splitlines()[0])

    assert set(line) == {*TurnData.__struct_fields__, "session_id", "conversation_id", "org_id",
                         "bot_id"}  # fmt: skip
    assert line["recognised"] is False


def test_call_whose_start_is_unknown_says_null():
    call = RecordedCall(started=None, turns=TURNS, ended=ENDED)

    line = json.loads(gzip.decompress(documents(call)["calls"]))

    assert (line["dnis"], line["language"], line["is_complete"]) == (None, None, False)


@pytest.mark.parametrize("session_id", ["../../x", "a/b", "", "a b", "\u4f60"])
def test_hostile_id_is_one_file_name_of_its_own(session_id: str):
    keys = keys_of(session_id, "2026-11-22")

    assert [key.count("/") for key in keys.values()] == [2, 2, 2]
    assert all(".." not in key for key in keys.values())
    assert keys != keys_of("a_b", "2026-11-22")
