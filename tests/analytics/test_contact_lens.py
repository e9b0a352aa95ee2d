import msgspec

from service.analytics.contact_lens import contact_lens_of
from service.analytics.rows import RecordedCall
from service.call_events import TurnData
from tests.analytics.scene import call_of_turns
from tests.contracts.event_examples import CONVERSATION

CALL = call_of_turns(3)
TURNS = tuple(event.data for event in CALL if isinstance(event.data, TurnData))


def exported(*turns: TurnData) -> dict[str, object]:
    made = contact_lens_of(RecordedCall(started=CALL[0], turns=turns, ended=CALL[-1]))
    assert made
    return made


def test_call_that_has_not_ended_has_no_file():
    assert contact_lens_of(RecordedCall(started=CALL[0], turns=TURNS, ended=None)) is None


def test_file_names_the_call_and_its_sides():
    made = exported(*TURNS)

    assert (made["Version"], made["Channel"], made["JobStatus"]) == ("1.1.0", "VOICE", "COMPLETED")
    assert made["LanguageCode"] == "en-US"
    assert made["CustomerMetadata"] == {"ContactId": CONVERSATION}


def test_turns_have_words_sides_and_offsets():
    silent = msgspec.structs.replace(TURNS[2], text=" ")

    assert exported(*TURNS[:2], silent)["Transcript"] == [
        {
            "ParticipantId": side,
            "Id": turn.turn_id,
            "Content": turn.text,
            "BeginOffsetMillis": turn.start_ms,
            "EndOffsetMillis": turn.end_ms,
        }
        for side, turn in zip(("CUSTOMER", "AGENT"), TURNS[:2], strict=True)
    ]


def test_talk_time_and_interruptions_are_measured():
    talk = exported(*TURNS)["ConversationCharacteristics"]

    assert talk == {
        "TotalConversationDurationMillis": 61_234,
        "TalkTime": {
            "TotalTimeMillis": 2_700,
            "DetailsByParticipant": {
                "CUSTOMER": {"TotalTimeMillis": 1_800},
                "AGENT": {"TotalTimeMillis": 900},
            },
        },
        "Interruptions": {
            "TotalCount": 1,
            "InterruptionsByInterrupter": {"CUSTOMER": [{"BeginOffsetMillis": 2_900}]},
        },
    }
