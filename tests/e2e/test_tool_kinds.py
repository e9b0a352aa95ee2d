"""Functions of other kinds on whole calls: remote MCP servers, Python, Genesys Cloud."""

import pytest

from scripts.emulators.genesys import GenesysCall, Timers
from scripts.emulators.realtime_mcp import McpFailure, McpTool
from service.tools.genesys_data_actions import DataActionKind
from tests.e2e.bridge import SHOUT, Played, bridge, play
from tests.e2e.quick_calls import ask_once, greeted, quick, say
from tests.e2e.shop import FAILED, SHOPKEEPER, python_tool, shop, shop_file
from tests.e2e.shop_functions import BLOCKS_S
from tests.e2e.side_by_side import Outcomes
from tests.tools.genesys import ACTION_ID, Genesys, action, serving
from tests.tools.web import Behaviour, json_reply, reply

OFTEN = Timers(first_ping_s=0.1, ping_s=0.2)
TURN_ENDS_S = 0.8
"""After the caller's last sound the model has called its function."""
CLOUD_SECRET = "the-secret-of-the-oauth-client"
MCP_TOKEN = "the-token-of-the-order-server"
ORDERS = {
    "orders": {
        "find_order": McpTool(answer={"state": "shipped"}),
        "cancel_order": McpTool(answer={"state": "cancelled"}),
        "delete_order": McpTool(answer={"state": "deleted"}),
        "broken_order": McpTool(answer=McpFailure("foreign words", kind="http_error", code=502)),
        "secret_order": McpTool(answer={"state": "known"}),
    }
}
ORDER_SERVER = """
[[mcp]]
label = "orders"
url = "https://orders.example/mcp"
authorization = "${ORDERS_TOKEN}"
allowed_tools = ["find_order", "cancel_order", "delete_order", "broken_order"]
needs_approval = ["cancel_order", "delete_order"]
approved = ["cancel_order"]
"""
FIND_CUSTOMER = f"""
[[tools]]
kind = "genesys_data_action"
name = "find_customer"
description = "Finds the customer."
action_id = "{ACTION_ID}"
redact = ["ssn"]
"""
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


# The scenarios, each with a service and a model of its own.


async def remote() -> Played:
    """All that can become of the use of a remote function, one after the other."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call, 5)

    says = ("My order", "Cancel it", "Delete it", "The broken one", "The secret one")
    async with (
        shop(shop_file(ORDER_SERVER), tool_secrets={"ORDERS_TOKEN": MCP_TOKEN}) as bots,
        bridge(bots=bots, mcp_servers=ORDERS, **quick(SHOPKEEPER, *says)) as running,
    ):
        return await play(running, script)


async def in_python() -> Played:
    """One function awaits, and one blocks its thread."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call, 2)

    file = shop_file(python_tool("ponder"), python_tool("grind"))
    says = ("Ponder that", "Now grind")
    async with shop(file) as bots, bridge(bots=bots, **quick(SHOPKEEPER, *says)) as running:
        return await play(running, script, timers=OFTEN)


async def hang_up_while_a_thread_works() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.sleep(TURN_ENDS_S + BLOCKS_S / 3)

    async with (
        shop(shop_file(python_tool("grind"))) as bots,
        bridge(bots=bots, **quick(SHOPKEEPER, "Now grind")) as running,
    ):
        return await play(running, script)


async def _customer_call(*api: Behaviour) -> Played:
    genesys = Genesys(api=list(api))
    async with serving(genesys):
        kind = DataActionKind(
            region="", client_id="client", client_secret=CLOUD_SECRET, places=genesys.places
        )
        async with (
            shop(shop_file(FIND_CUSTOMER), kinds={"genesys_data_action": kind}) as bots,
            bridge(bots=bots, **quick(SHOPKEEPER, "Which customer am I?")) as running,
        ):
            played = await play(running, ask_once)
    played.notes["asked"] = [(request.method, request.target) for request in genesys.calls]
    return played


async def data_action() -> Played:
    return await _customer_call(action(SCHEMA), json_reply({"name": "Ann", "ssn": "123-45"}))


async def data_action_without_its_schema() -> Played:
    return await _customer_call(reply(b"{}", status=500))


async def data_action_with_a_slow_schema() -> Played:
    """The service has a deadline for it: a caller is waiting."""
    return await _customer_call(json_reply({}, after_s=8.0))


SCENARIOS = (
    remote,
    in_python,
    hang_up_while_a_thread_works,
    data_action,
    data_action_without_its_schema,
    data_action_with_a_slow_schema,
)


def offered(played: Played) -> dict[str, dict[str, object]]:
    """The functions of ours in the session's settings, by name."""
    (update,) = played.told_model("session.update")
    return {tool["name"]: tool for tool in update["session"]["tools"] if "name" in tool}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_the_callers_side(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert played.report.violations == []
    assert played.ended["end_reason"] == "caller_hangup"


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


# Remote MCP servers.


def test_the_session_gets_the_server_with_its_allow_list_and_policy(outcome_of: Outcomes):
    (update,) = outcome_of(remote).told_model("session.update")

    assert update["session"]["tools"][-1] == {
        "type": "mcp",
        "server_label": "orders",
        "server_url": "https://orders.example/mcp",
        "authorization": MCP_TOKEN,
        "allowed_tools": ["find_order", "cancel_order", "delete_order", "broken_order"],
        "require_approval": {
            "always": {"tool_names": ["cancel_order", "delete_order"]},
            "never": {"tool_names": ["find_order", "broken_order"]},
        },
    }


def test_answers_of_a_remote_server_are_spoken_and_its_failures_too(outcome_of: Outcomes):
    assert outcome_of(remote).agent_words == [
        "Hello.",
        "The order is shipped.",
        "It is cancelled.",
        FAILED,  # refused
        FAILED,  # broken
        "There is no such thing.",  # not in the allow-list
    ]


def test_approvals_are_granted_and_refused_as_the_file_says(outcome_of: Outcomes):
    session = outcome_of(remote).session
    assert session is not None
    asked = {
        item.body["id"]: item.body["name"]
        for item in session.items
        if item.body["type"] == "mcp_approval_request"
    }
    answers = [
        event["item"]
        for event in outcome_of(remote).told_model("conversation.item.create")
        if event["item"]["type"] == "mcp_approval_response"
    ]

    assert [(asked[item["approval_request_id"]], item["approve"]) for item in answers] == [
        ("cancel_order", True),
        ("delete_order", False),
    ]


def test_every_use_of_a_remote_function_is_in_the_receipt(outcome_of: Outcomes):
    uses = outcome_of(remote).ended["tools"]

    assert [(use["server"], use["name"], use["outcome"]) for use in uses] == [
        ("orders", "find_order", "ok"),
        ("orders", "cancel_order", "ok"),
        ("orders", "delete_order", "refused"),
        ("orders", "broken_order", "failed"),
    ]
    assert outcome_of(remote).ended["counts"]["tool_calls"] == len(uses)


def test_the_token_of_a_remote_server_is_published_nowhere(outcome_of: Outcomes):
    assert MCP_TOKEN not in outcome_of(remote).all_events
    assert MCP_TOKEN not in outcome_of.log.text
    assert "foreign words" not in outcome_of(remote).all_events
    assert "foreign words" not in outcome_of.log.text


# Python.


def test_functions_in_python_answer_whether_they_await_or_block(outcome_of: Outcomes):
    played = outcome_of(in_python)

    assert played.agent_words == ["Hello.", "Yes, default has pondered.", "Well, that was hard."]
    assert played.uses == [("ponder", "ok"), ("grind", "ok")]


def test_a_function_that_blocks_its_thread_holds_up_no_ping(outcome_of: Outcomes):
    rtts_ms = outcome_of(in_python).report.rtts_ms

    assert len(rtts_ms) > 15
    # One may meet a busy machine; a blocked loop would delay four.
    assert sorted(rtts_ms)[-2] < 100


def test_a_hang_up_does_not_wait_for_a_thread(outcome_of: Outcomes):
    played = outcome_of(hang_up_while_a_thread_works)
    (use,) = played.ended["tools"]

    assert (use["name"], use["outcome"]) == ("grind", "cancelled")
    assert use["duration_ms"] < BLOCKS_S * 1_000
    assert played.results == []


# Genesys Cloud.


def test_the_schema_of_a_data_action_is_fetched_before_the_session_is_configured(
    outcome_of: Outcomes,
):
    tool = offered(outcome_of(data_action))["find_customer"]

    assert tool["parameters"] == SCHEMA
    assert outcome_of(data_action).ended["errors"] == []


def test_a_data_action_is_run_and_its_answer_spoken(outcome_of: Outcomes):
    played = outcome_of(data_action)
    path = f"/api/v2/integrations/actions/{ACTION_ID}"

    assert played.agent_words == ["Hello.", "You are Ann."]
    assert played.notes["asked"] == [
        ("GET", f"{path}?expand=contract"),
        ("POST", f"{path}/execute"),
    ]
    assert played.uses == [("find_customer", "ok")]


def test_redacted_fields_of_a_data_action_reach_nobody(outcome_of: Outcomes):
    call = outcome_of(data_action)

    assert call.results == [{"name": "Ann"}]
    assert "123-45" not in call.all_events
    assert "123-45" not in outcome_of.log.text
    assert CLOUD_SECRET not in call.all_told_to_model + call.all_events + outcome_of.log.text


@pytest.mark.parametrize(
    "scenario", [data_action_without_its_schema, data_action_with_a_slow_schema]
)
def test_a_data_action_without_its_schema_is_left_out_and_the_call_goes_on(
    outcome_of: Outcomes, scenario
):
    played = outcome_of(scenario)

    assert offered(played).keys() == {"end_call", "transfer_to_agent"}
    assert played.ended["errors"] == ["tool_without_schema:find_customer"]
    assert played.agent_words == ["Hello.", "Not today."]


def test_a_caller_does_not_wait_long_for_a_schema(outcome_of: Outcomes):
    greeting_ms = outcome_of(data_action_with_a_slow_schema).report.first_agent_audio_ms

    assert greeting_ms is not None
    assert greeting_ms < 3_000
