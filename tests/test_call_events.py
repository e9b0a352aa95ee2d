import dataclasses
import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from service.call_events import (
    BOT_STATUS,
    CallEndedData,
    CallEvent,
    Disposition,
    EndReason,
    ToolUse,
    TurnData,
    disposition_of,
    to_json,
)
from tests.contracts.event_examples import ENDED, EXAMPLES, SESSION, STARTED, TURN

GOLDEN = Path(__file__).parent / "data" / "events"
ADDED = {"tokens", "cost"}
"""Fields that `call.ended.v1` did not have at first."""


def data_of(event: CallEvent) -> dict[str, object]:
    data: dict[str, object] = json.loads(to_json(event))["data"]
    return data


@pytest.mark.parametrize("event_type", EXAMPLES)
def test_event_is_the_golden_json(event_type: str):
    golden = (GOLDEN / f"{event_type}.json").read_text()

    written = to_json(EXAMPLES[event_type]).decode()

    # As text, so that the order and the form of numbers count too.
    assert written == json.dumps(json.loads(golden), separators=(",", ":"))


def test_every_event_type_has_its_golden_example():
    types = set(get_args(CallEvent.__annotations__["type"]))

    assert set(EXAMPLES) == types
    assert {path.stem for path in GOLDEN.glob("*.json")} == types


@pytest.mark.parametrize("event_type", EXAMPLES)
def test_event_is_one_line(event_type: str):
    assert b"\n" not in to_json(EXAMPLES[event_type])


@pytest.mark.parametrize("event_type", EXAMPLES)
def test_data_comes_back_as_it_was(event_type: str):
    event = EXAMPLES[event_type]

    back = msgspec.convert(data_of(event), type(event.data))

    assert back == event.data


@pytest.mark.parametrize("event_type", EXAMPLES)
def test_envelope_has_the_required_attributes_of_cloudevents(event_type: str):
    envelope = json.loads(to_json(EXAMPLES[event_type]))

    assert envelope["specversion"] == "1.0"
    assert envelope["type"] == event_type
    assert envelope["source"]
    assert envelope["id"].startswith(f"{SESSION}/")
    # Extension names: lower-case letters and digits only (CloudEvents 1.0, 3.1).
    assert all(name.isalnum() and name.islower() for name in envelope)


def test_words_stay_words_whatever_they_are_made_of():
    words = 'Größe "7½" \u4f60\u597d \u2028 \\ </script> \n\t\x00'
    data = msgspec.structs.replace(TURN.data, text=words)

    line = to_json(msgspec.structs.replace(TURN, data=data))

    assert json.loads(line)["data"]["text"] == words
    assert b"\n" not in line


def test_ordinary_turn_does_not_repeat_what_is_the_rule():
    data = TurnData(
        turn_id="t",
        seq=1,
        speaker="caller",
        start_ms=0,
        end_ms=0,
        text="",
        heard_ms=0,
        interrupted=False,
        item_id="i",
    )

    written = data_of(msgspec.structs.replace(TURN, data=data))

    assert {"text_generated", "recognised"}.isdisjoint(written)
    assert (written["text"], written["interrupted"]) == ("", False)


def test_function_of_ours_names_no_server():
    assert msgspec.to_builtins(ToolUse(name="look_up", at_ms=5, outcome="ok")) == {
        "name": "look_up",
        "at_ms": 5,
        "outcome": "ok",
        "duration_ms": None,
    }


def test_images_are_counted_only_where_there_were_any():
    assert isinstance(ENDED.data, CallEndedData)
    tokens = ENDED.data.tokens
    assert tokens is not None

    with_image = msgspec.structs.replace(tokens, input_image=85)

    assert "input_image" not in msgspec.to_builtins(tokens)
    assert msgspec.to_builtins(with_image)["input_image"] == 85


def test_ended_of_older_versions_has_no_tokens_and_no_cost():
    older = {name: value for name, value in data_of(ENDED).items() if name not in ADDED}

    back = msgspec.convert(older, CallEndedData)

    assert (back.tokens, back.cost) == (None, None)


def test_absent_facts_are_null():
    data = msgspec.structs.replace(STARTED.data, correlation_id=None)

    assert data_of(msgspec.structs.replace(STARTED, data=data))["correlation_id"] is None


# The design's table of ends.

TABLE: list[tuple[EndReason, Disposition, str | None]] = [
    ("bot_completed", "contained", "completed"),
    ("socket_lost", "abandoned", None),
    ("transfer", "escalated", "transfer"),
    ("no_input", "escalated", "no_input"),
    ("max_duration", "escalated", "max_duration"),
    ("budget", "escalated", "budget"),
    ("provider_error", "failed", "failed"),
    ("protocol_error", "failed", "failed"),
    ("rate_limited", "failed", "rate_limited"),
    ("drain", "escalated", "shutdown"),
    ("lost", "abandoned", None),
]


@pytest.mark.parametrize("was_last_word_heard", [True, False])
@pytest.mark.parametrize(("reason", "disposition", "status"), TABLE)
def test_end_means_what_the_table_says(
    reason: EndReason, disposition: Disposition, status: str | None, was_last_word_heard: bool
):
    assert disposition_of(reason, was_last_word_heard=was_last_word_heard) == disposition
    assert BOT_STATUS.get(reason) == status


def test_caller_who_hangs_up_was_served_when_the_last_word_was_heard():
    assert disposition_of("caller_hangup", was_last_word_heard=True) == "contained"
    assert disposition_of("caller_hangup", was_last_word_heard=False) == "abandoned"
    assert "caller_hangup" not in BOT_STATUS


@pytest.mark.parametrize("reason", get_args(EndReason))
def test_only_a_silent_caller_can_be_given_up(reason: EndReason):
    usual = disposition_of(reason, was_last_word_heard=True)

    given_up = disposition_of(reason, was_last_word_heard=True, was_given_up=True)

    assert given_up == ("abandoned" if reason == "no_input" else usual)


def test_table_knows_every_end():
    assert {reason for reason, _, _ in TABLE} | {"caller_hangup"} == set(get_args(EndReason))


def test_events_cannot_be_changed():
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        STARTED.id = "other"  # type: ignore[misc]  # what is tested
