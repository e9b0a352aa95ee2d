"""Conversation items: where they go, what is refused, and that a refusal changes nothing."""

import base64
import math
from typing import Any

import pytest

from scripts.emulators.brains import EchoBrain
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import call, kinds, run, speech

BURST = Scenario(speed=math.inf, first_audio_delay_ms=0)


def _text(item_id: str, text: str = "x") -> Any:
    part = {"type": "input_text", "text": text}
    return {"id": item_id, "type": "message", "role": "user", "content": [part]}


async def _create(client: Any, item: Any, **fields: Any) -> Any:
    return await client.ask(
        "conversation.item.done", "conversation.item.create", item=item, **fields
    )


async def _with_items(*ids: str, scenario: Scenario = BURST, then: Any) -> Any:
    """Makes items, lets `then` act; returns its result and the ids that are there after."""
    server = RealtimeEmulator(scenario=scenario, brain=EchoBrain())
    async with call(server) as client:
        for item_id in ids:
            await _create(client, _text(item_id))
        result = await then(client)
        return result, [item.id for item in server.sessions[0].items]


@pytest.mark.parametrize(
    ("place", "order", "previous_id"),
    [
        ({}, ["a", "b", "new"], "b"),
        ({"previous_item_id": ""}, ["a", "b", "new"], "b"),
        ({"previous_item_id": None}, ["a", "b", "new"], "b"),
        ({"previous_item_id": "root"}, ["new", "a", "b"], None),
        ({"previous_item_id": "a"}, ["a", "new", "b"], "a"),
    ],
)
def test_an_item_goes_where_it_asks(place, order, previous_id):
    async def then(client: Any) -> Any:
        await client.send("conversation.item.create", item=_text("new"), **place)
        return await client.until("conversation.item.done")

    events, ids = run(_with_items("a", "b", then=then))

    assert ids == order
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
    assert [event["previous_item_id"] for event in events] == [previous_id, previous_id]


def test_an_unknown_predecessor_is_refused():
    async def then(client: Any) -> Any:
        return await client.error(
            "conversation.item.create", item=_text("new"), previous_item_id="none"
        )

    error, ids = run(_with_items("a", then=then))

    assert error["param"] == "previous_item_id"
    assert ids == ["a"]


def test_a_duplicate_id_is_refused():
    async def then(client: Any) -> Any:
        return await client.error("conversation.item.create", item=_text("a"))

    error, ids = run(_with_items("a", then=then))

    assert error["code"] == "item_create_duplicate_item_id"
    assert ids == ["a"]


def test_a_duplicate_id_can_be_accepted_as_by_the_older_model():
    async def then(client: Any) -> Any:
        return await _create(client, _text("a"))

    scenario = Scenario(accepts_duplicate_ids=True)
    event, ids = run(_with_items("a", scenario=scenario, then=then))

    assert event["previous_item_id"] == "a"
    assert ids == ["a", "a"]


def test_an_id_of_33_characters_is_refused():
    async def then(client: Any) -> Any:
        return await client.error("conversation.item.create", item=_text("x" * 33))

    error, ids = run(_with_items(then=then))

    assert error["param"] == "item.id"
    assert "maximum length 32" in error["message"]
    assert ids == []


def test_an_output_needs_its_call():
    item = {"type": "function_call_output", "call_id": "call_none", "output": ""}

    async def then(client: Any) -> Any:
        return await client.error("conversation.item.create", item=item)

    error, ids = run(_with_items(then=then))

    assert error["code"] == "invalid_tool_call_id"
    assert error["message"] == "Tool call ID 'call_none' not found in conversation."
    assert ids == []


def test_a_call_and_its_output_can_be_restored():
    function_call = {
        "type": "function_call",
        "call_id": "call_old",
        "name": "lookup",
        "arguments": "{}",
    }
    output = {"type": "function_call_output", "call_id": "call_old", "output": "shipped"}

    async def then(client: Any) -> Any:
        await _create(client, function_call)
        await _create(client, output)
        await client.send("response.create")
        return (await client.one("response.done"))["response"]["output"][0]

    item, _ = run(_with_items(then=then))

    assert item["content"][0]["transcript"] == "The tool says shipped"


def test_a_deleted_item_is_gone():
    async def then(client: Any) -> Any:
        await client.ask("conversation.item.deleted", "conversation.item.delete", item_id="a")
        return await client.error("conversation.item.retrieve", item_id="a")

    error, ids = run(_with_items("a", "b", then=then))

    assert ids == ["b"]
    assert error["code"] == "item_retrieve_invalid_item_id"
    assert error["message"] == ("Error retrieving item: the item with id 'a' does not exist.")


def test_deleting_an_unknown_item_is_refused_with_a_null_param():
    async def then(client: Any) -> Any:
        return await client.error("conversation.item.delete", item_id="none")

    error, _ = run(_with_items(then=then))

    assert error["code"] == "item_delete_invalid_item_id"
    assert error["message"] == "Error deleting item: the item with id 'none' does not exist."
    assert error["param"] is None


def test_client_audio_is_kept_out_of_events_and_can_be_retrieved():
    said = base64.b64encode(speech(200)).decode()
    part = {"type": "input_audio", "audio": said, "transcript": "hi"}
    item = {"id": "u", "type": "message", "role": "user", "content": [part]}

    async def then(client: Any) -> Any:
        created = await _create(client, item)
        return created, await client.ask(
            "conversation.item.retrieved", "conversation.item.retrieve", item_id="u"
        )

    (created, retrieved), _ = run(_with_items(then=then))

    assert created["item"]["content"] == [{"type": "input_audio", "transcript": "hi"}]
    assert retrieved["item"]["content"][0]["audio"] == said


def _truncate(item_id: str, audio_end_ms: int, content_index: int = 0) -> Any:
    return {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}


def test_truncation_beyond_the_audio_tells_both_lengths():
    async def then(client: Any) -> Any:
        await client.send("response.create")
        item_id = (await client.one("response.done"))["response"]["output"][0]["id"]
        await client.one("rate_limits.updated")
        cut = _truncate(item_id, 400)
        await client.ask("conversation.item.truncated", "conversation.item.truncate", **cut)
        return await client.error("conversation.item.truncate", **_truncate(item_id, 57340))

    error, _ = run(_with_items(then=then))

    assert error["code"] == "invalid_value"
    assert error["message"] == "Audio content of 400ms is already shorter than 57340ms"


@pytest.mark.parametrize(
    ("item_id", "code"),
    [("none", "item_truncate_invalid_item_id"), ("a", "unsupported_content_type")],
)
def test_only_existing_assistant_audio_can_be_truncated(item_id, code):
    async def then(client: Any) -> Any:
        return await client.error("conversation.item.truncate", **_truncate(item_id, 0))

    error, _ = run(_with_items("a", then=then))

    assert error["code"] == code


def test_clearing_output_audio_is_not_for_websockets():
    async def then(client: Any) -> Any:
        return await client.error("output_audio_buffer.clear")

    error, _ = run(_with_items(then=then))

    assert error["type"] == "invalid_request_error"


def test_bad_events_never_close_the_socket():
    async def then(client: Any) -> Any:
        for frame in ("{", "[]", '{"type":"x"}', b"\x00", '{"type":"input_audio_buffer.append"}'):
            await client.socket.send(frame)
            assert (await client.next())["type"] == "error"
        return await _create(client, _text("still-here"))

    _, ids = run(_with_items(then=then))

    assert ids == ["still-here"]


def test_an_mcp_server_cannot_be_reached_offline():
    tool = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example"}

    async def then(client: Any) -> Any:
        await client.configure(tools=[tool])
        return kinds(await client.until("mcp_list_tools.failed"))

    names, _ = run(_with_items(then=then))

    assert names == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.failed",
    ]
