"""What is sent in a Realtime conversation (specification 5, 7.5, 8.1): valid, and numbered."""

import json
from typing import Any

import pytest

from service.audio.playout import HeardItem
from service.speech.realtime_outgoing import Outgoing
from tests.openai_schema import assert_client_event


def events_of(out: Outgoing) -> list[dict[str, Any]]:
    events = [json.loads(frame) for frame in out.frames]
    for event in events:
        assert_client_event(event)
    return events


@pytest.mark.parametrize(
    ("speaker", "role", "kind"),
    [
        ("caller", "user", "input_text"),
        ("system", "system", "input_text"),
        # What an assistant has said is refused as `input_text` (5.1).
        ("agent", "assistant", "output_text"),
    ],
)
def test_a_text_has_the_role_of_its_speaker(speaker, role, kind):
    out = Outgoing()

    out.add_text(speaker, "Good morning.")

    (event,) = events_of(out)
    assert event["type"] == "conversation.item.create"
    assert event["item"] == {
        "type": "message",
        "role": role,
        "content": [{"type": kind, "text": "Good morning."}],
    }


def test_an_item_is_appended_at_the_tail():
    out = Outgoing()

    out.add_item({"type": "function_call_output", "call_id": "call_1", "output": ""})

    (event,) = events_of(out)
    assert event.keys() == {"type", "event_id", "item"}


def test_a_create_carries_its_own_id_and_its_options():
    out = Outgoing()

    asked = out.create_response({"tool_choice": "none"})

    (event,) = events_of(out)
    assert event == asked
    assert event["response"] == {"tool_choice": "none", "metadata": {"ask": event["event_id"]}}


@pytest.mark.parametrize("is_granted", [True, False])
def test_an_approval_is_an_item_with_an_id_of_its_own(is_granted):
    out = Outgoing()

    out.add_approval("mcpr_1", is_granted=is_granted)

    (event,) = events_of(out)
    assert len(event["item"].pop("id")) <= 32
    assert event["item"] == {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": is_granted,
    }


@pytest.mark.parametrize(
    ("heard_ms", "received_ms", "end_ms"), [(700, 5_000, 700), (5_000, 700, 700)]
)
def test_a_truncation_is_what_was_heard_of_what_came(heard_ms, received_ms, end_ms):
    out = Outgoing()

    out.truncate(HeardItem("A1", heard_ms, received_ms, False, None, None))

    (event,) = events_of(out)
    assert (event["item_id"], event["content_index"]) == ("A1", 0)
    assert event["audio_end_ms"] == end_ms


def test_a_deletion_names_its_item():
    out = Outgoing()

    out.delete("A1")

    (event,) = events_of(out)
    assert (event["type"], event["item_id"]) == ("conversation.item.delete", "A1")


def test_events_keep_their_order_and_no_id_is_used_twice():
    out = Outgoing()
    out.add_text("system", "Greet.")
    out.create_response({})
    out.delete("A1")
    out.send({"type": "input_audio_buffer.clear"})
    names = [out.next_id("bot"), out.next_id("bot")]

    events = events_of(out)

    assert [event["type"] for event in events] == [
        "conversation.item.create",
        "response.create",
        "conversation.item.delete",
        "input_audio_buffer.clear",
    ]
    ids = [event["event_id"] for event in events] + names
    assert len(set(ids)) == len(ids)
    assert all(len(name) <= 32 for name in ids)
