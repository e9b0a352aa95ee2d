"""MCP servers of the emulated provider: listing, approvals, calls, and what is said about them."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from scripts.emulators.brains import (
    CallTool,
    Dialogue,
    DialogueBrain,
    JsonItem,
    Reply,
    Rule,
    Speak,
    ToolAnswer,
)
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_mcp import McpAccess, McpFailure, McpTool
from scripts.emulators.realtime_scenario import Scenario
from tests.emulators.realtime_client import call, kinds, run, without_repeats

BURST = Scenario(speed=math.inf, first_audio_delay_ms=0)
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}


def _find(arguments: Any) -> Any:
    if arguments.get("id") == "none":
        raise McpFailure("no such order")
    return {"state": f"shipped {arguments.get('id')}"}


CRM = {
    "find_order": McpTool(answer=_find, schema=SCHEMA, description="Finds it.", is_read_only=True),
    "cancel_order": McpTool(answer="cancelled"),
    "down": McpTool(answer=McpFailure("bad gateway", kind="http_error", code=502)),
    "slow": McpTool(answer="late", delay_s=5),
}
CRM_TOOL = {
    "type": "mcp",
    "server_label": "crm",
    "server_url": "https://crm.example",
    "require_approval": "never",
}
DIALOGUE = Dialogue(
    greeting="Hello.",
    default="Pardon?",
    silence="Hm?",
    rules=(
        Rule(("order",), (CallTool("find_order", {"id": "42"}),), (Speak("I cannot look."),)),
        Rule(("cancel",), (Speak("One moment."), CallTool("cancel_order"))),
    ),
    tool_answers={"find_order": (ToolAnswer((Speak("It is {state}."),)),)},
    tool_error="That failed.",
)


class Calls:
    """A brain that always calls one tool, whatever came before."""

    def __init__(self, name: str, **arguments: Any) -> None:
        self._call = CallTool(name, arguments)
        self.offered: list[list[str]] = []

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        self.offered.append([tool["name"] for tool in tools])
        return [self._call]


def _server(brain: Any = None, scenario: Scenario = BURST) -> RealtimeEmulator:
    brain = brain or DialogueBrain(DIALOGUE)
    return RealtimeEmulator(scenario=scenario, brain=brain, mcp_servers={"crm": CRM})


async def _declare(client: Any, *tools: Any) -> list[dict[str, Any]]:
    session = {"type": "realtime", "tools": list(tools)}
    await client.send("session.update", session=session)
    return list(await client.until("conversation.item.done"))


async def _say(client: Any, text: str) -> None:
    part = {"type": "input_text", "text": text}
    item = {"type": "message", "role": "user", "content": [part]}
    await client.ask("conversation.item.done", "conversation.item.create", item=item)


async def _respond(client: Any, **response: Any) -> list[dict[str, Any]]:
    await client.send("response.create", response=response)
    return list(await client.until("rate_limits.updated"))


def _output(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = next(event for event in events if event["type"] == "response.done")
    output: list[dict[str, Any]] = done["response"]["output"]
    return output


def _words(events: list[dict[str, Any]]) -> str:
    [message] = _output(events)
    words: str = message["content"][0]["transcript"]
    return words


async def _scene(text: str, tool: Any = CRM_TOOL, responses: int = 1, brain: Any = None) -> Any:
    """Declares, says, and asks for so many responses; returns the events of each."""
    async with call(_server(brain)) as client:
        await _declare(client, tool)
        await _say(client, text)
        return [await _respond(client) for _ in range(responses)]


def test_a_listing_comes_in_the_order_of_the_specification():
    async def scene() -> Any:
        async with call(_server()) as client:
            return await _declare(client, CRM_TOOL)

    events = run(scene())

    assert kinds(events) == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    added, done = events[1]["item"], events[-1]["item"]
    assert added["tools"] == []
    assert [tool["name"] for tool in done["tools"]] == list(CRM)
    assert done["tools"][0]["input_schema"] == SCHEMA
    assert done["id"] == events[2]["item_id"] == events[3]["item_id"]


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["find_order", "unknown"], ["find_order"]),
        ({"tool_names": ["slow", "find_order"]}, ["find_order", "slow"]),
        ({"read_only": True}, ["find_order"]),
        (None, list(CRM)),
    ],
)
def test_only_allowed_tools_are_listed_and_offered(allowed, expected):
    brain = Calls("find_order", id="1")

    async def scene() -> Any:
        async with call(_server(brain)) as client:
            listed = await _declare(client, {**CRM_TOOL, "allowed_tools": allowed})
            await _respond(client)
            return listed[-1]["item"]["tools"]

    tools = run(scene())

    assert [tool["name"] for tool in tools] == expected
    assert brain.offered == [expected]


def test_listing_an_unreachable_server_fails():
    async def scene() -> Any:
        async with call(_server()) as client:
            tool = {**CRM_TOOL, "server_label": "other"}
            session = {"type": "realtime", "tools": [tool]}
            await client.send("session.update", session=session)
            return await client.until("mcp_list_tools.failed")

    assert "mcp_list_tools.completed" not in kinds(run(scene()))


def test_tools_cannot_be_called_before_their_listing_completed():
    async def scene() -> Any:
        async with call(_server()) as client:
            await _say(client, "my order")
            session = {"type": "realtime", "tools": [CRM_TOOL]}
            await client.ask("session.updated", "session.update", session=session)
            return await _respond(client)

    assert _words(run(scene())) == "I cannot look."


def test_the_same_declaration_is_listed_once_and_a_changed_one_again():
    async def scene() -> Any:
        async with call(_server()) as client:
            await _declare(client, CRM_TOOL)
            session = {"type": "realtime", "tools": [CRM_TOOL]}
            await client.send("session.update", session=session)
            unchanged = await client.quiet(1)
            changed = await _declare(client, {**CRM_TOOL, "allowed_tools": ["slow"]})
            return unchanged, changed

    unchanged, changed = run(scene())

    assert kinds(unchanged) == ["session.updated"]
    assert [tool["name"] for tool in changed[-1]["item"]["tools"]] == ["slow"]


def test_a_call_comes_in_the_order_of_the_specification_and_is_told_by_the_next_response():
    called, told = run(_scene("my order", responses=2))

    assert without_repeats(kinds(called)) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]
    [item] = _output(called)
    assert item["output"] == '{"state":"shipped 42"}'
    assert (item["error"], item["approval_request_id"]) == (None, None)
    assert (item["arguments"], item["server_label"]) == ('{"id":"42"}', "crm")
    assert _words(told) == "It is shipped 42."


@pytest.mark.parametrize(
    ("brain", "error"),
    [
        (
            Calls("find_order", id="none"),
            {"type": "tool_execution_error", "message": "no such order"},
        ),
        (Calls("down"), {"type": "http_error", "code": 502, "message": "bad gateway"}),
    ],
)
def test_a_failed_call_has_an_error(brain, error):
    [events] = run(_scene("x", brain=brain))

    [item] = _output(events)
    assert (item["error"], item["output"]) == (error, None)
    assert "response.mcp_call.failed" in kinds(events)
    assert "response.mcp_call.completed" not in kinds(events)


@pytest.mark.parametrize(
    "policy", ["always", None, {"always": {"tool_names": ["find_order"]}}, {"never": {}}]
)
def test_a_call_that_needs_approval_only_asks(policy):
    needs = policy != {"never": {}}

    [events] = run(_scene("my order", {**CRM_TOOL, "require_approval": policy}))

    [item] = _output(events)
    assert item["type"] == ("mcp_approval_request" if needs else "mcp_call")
    assert ("response.mcp_call.in_progress" in kinds(events)) is not needs
    assert (item["name"], item["arguments"]) == ("find_order", '{"id":"42"}')


@pytest.mark.parametrize(
    ("name", "kind"), [("find_order", "mcp_call"), ("cancel_order", "mcp_approval_request")]
)
def test_a_filter_frees_only_the_tools_that_it_names(name, kind):
    policy = {"never": {"tool_names": ["find_order"]}, "always": {"tool_names": ["cancel_order"]}}

    [events] = run(_scene("x", {**CRM_TOOL, "require_approval": policy}, brain=Calls(name)))

    assert _output(events)[0]["type"] == kind


async def _decide(*, approve: bool) -> Any:
    async with call(_server()) as client:
        await _declare(client, {**CRM_TOOL, "require_approval": "always"})
        await _say(client, "my order")
        [request] = _output(await _respond(client))
        waited = await client.quiet(60)
        decision = {"approval_request_id": request["id"], "approve": approve}
        item = {"type": "mcp_approval_response", "id": "appr_1", **decision}
        await client.ask("conversation.item.done", "conversation.item.create", item=item)
        return request, waited, [await _respond(client), await _respond(client)]


def test_a_granted_approval_runs_the_call_once_and_then_it_is_told():
    request, waited, (called, told) = run(_decide(approve=True))

    [item] = _output(called)
    assert waited == []
    assert (item["type"], item["approval_request_id"]) == ("mcp_call", request["id"])
    assert item["output"] == '{"state":"shipped 42"}'
    assert _words(told) == "It is shipped 42."


def test_a_refused_approval_is_told_and_nothing_runs():
    _, _, (told, _) = run(_decide(approve=False))

    assert _words(told) == "That failed."


def test_an_approval_of_nothing_is_refused():
    async def scene() -> Any:
        async with call(_server()) as client:
            decision = {"approval_request_id": "mcpr_none", "approve": True}
            item = {"type": "mcp_approval_response", "id": "appr_1", **decision}
            return await client.error("conversation.item.create", item=item)

    assert run(scene())["param"] == "item.approval_request_id"


def test_speech_and_a_call_fit_into_one_response():
    [events] = run(_scene("cancel it"))

    assert [item["type"] for item in _output(events)] == ["message", "mcp_call"]


def test_a_response_without_tools_calls_none():
    async def scene() -> Any:
        async with call(_server()) as client:
            await _declare(client, CRM_TOOL)
            await _say(client, "my order")
            return await _respond(client, tool_choice="none")

    assert _words(run(scene())) == "I cannot look."


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        ({"type": "mcp", "server_label": "crm"}, list(CRM)),
        ({"type": "mcp", "server_label": "crm", "name": "down"}, ["down"]),
        ({"type": "function", "name": "find_order"}, []),
    ],
)
def test_a_choice_of_tool_narrows_what_is_offered(choice, offered):
    brain = Calls("down")

    async def scene() -> None:
        async with call(_server(brain)) as client:
            await _declare(client, CRM_TOOL)
            await _respond(client, tool_choice=choice)

    run(scene())

    assert brain.offered == [offered]


def test_a_cancelled_call_ends_with_an_error():
    async def scene() -> Any:
        async with call(_server(Calls("slow"))) as client:
            await _declare(client, CRM_TOOL)
            await client.send("response.create")
            await client.until("response.mcp_call.in_progress")
            await asyncio.sleep(1)
            await client.send("response.cancel")
            return await client.until("response.done")

    events = run(scene())

    assert events[-1]["response"]["status"] == "cancelled"
    [item] = _output(events)
    assert item["error"]["type"] == "tool_execution_error"
    assert "response.mcp_call.failed" in kinds(events)


def test_another_set_of_tools_takes_the_server_away():
    brain = Calls("find_order")

    async def scene() -> None:
        async with call(_server(brain)) as client:
            await _declare(client, CRM_TOOL)
            session = {"type": "realtime", "tools": []}
            await client.ask("session.updated", "session.update", session=session)
            await _respond(client)

    run(scene())

    assert brain.offered == [[]]


def test_a_listing_that_is_overtaken_by_a_change_offers_nothing():
    access = McpAccess({"crm": CRM})
    first, second = CRM_TOOL, {**CRM_TOOL, "allowed_tools": ["slow"]}

    access.declare(first)
    access.declare(second)
    access.list_tools(first)

    assert access.offered([second]) == []
