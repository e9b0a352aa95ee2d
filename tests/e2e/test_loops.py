"""Models that get lost among functions, and providers without them, on whole calls."""

from collections.abc import Sequence

import pytest

from scripts.emulators.brains import CallTool, JsonItem, Reply, Speak
from scripts.emulators.realtime_mcp import McpTool
from scripts.emulators.realtime_scenario import RefuseUpdate
from tests.e2e.bridge import Played, bridge, play
from tests.e2e.quick_calls import ask_once, quick
from tests.e2e.shop import SHOPKEEPER, parcel_tool, shop, shop_file
from tests.e2e.side_by_side import Outcomes
from tests.tools.web import reply, web

SORRY = "I am lost. What did you want?"
SILENT_RESPONSES = 5
ORDERS = {"orders": {"delete_order": McpTool(answer={"state": "deleted"})}}
ORDER_SERVER = """
[[mcp]]
label = "orders"
url = "https://orders.example/mcp"
allowed_tools = ["delete_order"]
needs_approval = ["delete_order"]
"""


class Obsessed:
    """Calls the same function again and again, for as long as it may call any."""

    def __init__(self, name: str, **arguments: str) -> None:
        self._call = CallTool(name, arguments)

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        if not any(item.get("role") == "user" for item in conversation):
            return [Speak("Hello.")]
        return [self._call] if tools else [Speak(SORRY)]


async def with_a_function_that_does_not_exist() -> Played:
    model = quick(Obsessed("conjure"), "Do something", invents_tools=True)
    async with shop(shop_file()) as bots, bridge(bots=bots, **model) as running:
        return await play(running, ask_once)


async def with_a_function_that_fails() -> Played:
    model = quick(Obsessed("find_parcel", number="42"), "Where is it?")
    async with (
        web(reply(b"", status=500)) as server,
        shop(shop_file(parcel_tool(server.url, "max_calls = 100"))) as bots,
        bridge(bots=bots, **model) as running,
    ):
        return await play(running, ask_once)


async def with_a_remote_function_that_is_refused() -> Played:
    model = quick(Obsessed("delete_order"), "Delete it")
    async with (
        shop(shop_file(ORDER_SERVER)) as bots,
        bridge(bots=bots, mcp_servers=ORDERS, **model) as running,
    ):
        return await play(running, ask_once)


LOST = (
    with_a_function_that_does_not_exist,
    with_a_function_that_fails,
    with_a_remote_function_that_is_refused,
)


async def with_a_server_that_cannot_be_reached() -> Played:
    """It is none of those that the provider knows."""
    model = quick(SHOPKEEPER, "My order")
    async with shop(shop_file(ORDER_SERVER)) as bots, bridge(bots=bots, **model) as running:
        return await play(running, ask_once)


async def with_a_session_that_is_refused_as_a_whole() -> Played:
    model = quick(SHOPKEEPER, "My order", faults=(RefuseUpdate(),))
    async with (
        shop(shop_file(ORDER_SERVER)) as bots,
        bridge(bots=bots, mcp_servers=ORDERS, **model) as running,
    ):
        return await play(running, ask_once)


SCENARIOS = (
    *LOST,
    with_a_server_that_cannot_be_reached,
    with_a_session_that_is_refused_as_a_whole,
)


@pytest.mark.parametrize("scenario", LOST)
def test_the_caller_hears_the_model_after_a_few_silent_responses(outcome_of: Outcomes, scenario):
    call: Played = outcome_of(scenario)

    assert call.agent_words == ["Hello.", SORRY]
    assert len(call.uses) == SILENT_RESPONSES


@pytest.mark.parametrize("scenario", LOST)
def test_only_the_last_response_is_asked_for_without_functions(outcome_of: Outcomes, scenario):
    _, *creates = outcome_of(scenario).told_model("response.create")  # the first: the greeting

    choices = [create["response"].get("tool_choice") for create in creates]
    assert choices == [None] * (SILENT_RESPONSES - 1) + ["none"]


def test_a_server_that_cannot_be_reached_is_in_the_receipt(outcome_of: Outcomes):
    call = outcome_of(with_a_server_that_cannot_be_reached)
    (use,) = call.ended["tools"]

    assert call.agent_words == ["Hello.", "No orders."]
    assert use["outcome"] == "failed"
    assert "server" in use


def test_a_session_that_is_refused_as_a_whole_is_in_the_receipt(outcome_of: Outcomes):
    call = outcome_of(with_a_session_that_is_refused_as_a_whole)

    assert call.agent_words == ["Hello.", "No orders."]
    assert call.ended["errors"] == ["session_reduced"]
    assert call.ended["tools"] == []


@pytest.mark.parametrize("scenario", LOST)
def test_other_sessions_are_not_reduced(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).ended["errors"] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_the_callers_side(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).report.violations == []


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []
