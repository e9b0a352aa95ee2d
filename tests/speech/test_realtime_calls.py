"""Which calls are open, and what their answers lead to (specification 7.4, 7.5)."""

import json
from typing import Any

import pytest

from service.bots.port import McpServer
from service.speech.port import LISTING, RemoteToolUsed, ToolCall
from service.speech.realtime_calls import FunctionCalls, approved_by
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_response import Response
from service.speech.realtime_wire import (
    ItemAdded,
    ListingFailed,
    OutputItem,
    RemoteCallBegun,
    RemoteCallCompleted,
    RemoteCallFailed,
)

CRM = McpServer(
    label="crm",
    url="https://crm.example.com/mcp",
    allowed_tools=("read", "change", "delete"),
    needs_approval=("change", "delete"),
    approved=("change",),
)
SHOP = McpServer(label="shop", url="https://shop.example.com/mcp", allowed_tools=("buy",))


def function(call_id: str | None, **fields: Any) -> OutputItem:
    return OutputItem(type="function_call", call_id=call_id, name="look_up", **fields)


def request(item_id: str | None, **fields: Any) -> OutputItem:
    given: dict[str, Any] = {"server_label": "crm", "name": "change", **fields}
    return OutputItem(type="mcp_approval_request", id=item_id, **given)


def items_of(out: Outgoing) -> list[dict[str, Any]]:
    return [event["item"] for event in map(json.loads, out.frames) if "item" in event]


def decisions(out: Outgoing) -> list[tuple[str, bool]]:
    """The requests that were answered, each with whether it was granted."""
    answers = [item for item in items_of(out) if item["type"] == "mcp_approval_response"]
    return [(item["approval_request_id"], item["approve"]) for item in answers]


def test_a_call_is_open_until_it_is_answered():
    calls = FunctionCalls(Outgoing())
    begun = calls.take(function("call_1", arguments="{}"), Response("R1"))
    was_open = calls.are_open

    response_id = calls.answer("call_1", "{}", "")

    assert begun == [ToolCall("call_1", "look_up", "{}")]
    assert (was_open, calls.are_open) == (True, False)
    assert response_id == "R1"


@pytest.mark.parametrize("call_id", ["call_1", "call_9"])
def test_an_answer_to_no_open_call_is_none(call_id):
    calls = FunctionCalls(Outgoing())
    calls.take(function("call_1"), Response("R1"))
    calls.answer("call_1", "{}", "")

    assert calls.answer(call_id, "{}", "Say goodbye.") is None


@pytest.mark.parametrize(
    "item", [function("call_1", status="incomplete"), function(None), OutputItem(type="message")]
)
def test_what_is_no_complete_call_opens_nothing(item):
    calls = FunctionCalls(Outgoing())

    assert calls.take(item, Response("R1")) == []
    assert not calls.are_open


def test_a_call_that_is_told_again_after_its_answer_stays_answered():
    calls = FunctionCalls(Outgoing())
    calls.take(function("call_1"), Response("R1"))
    calls.answer("call_1", "{}", "")

    assert calls.take(function("call_1"), Response("R1")) == []
    assert not calls.are_open


def test_the_answers_of_a_response_are_taken_when_all_are_there_and_once():
    calls, response = FunctionCalls(Outgoing()), Response("R1")
    calls.take(function("call_1"), response)
    calls.take(function("call_2"), response)
    calls.answer("call_1", "{}", "Say goodbye.")
    early = calls.take_answered("R1")
    calls.answer("call_2", "{}", "")

    taken = calls.take_answered("R1"), calls.take_answered("R1")

    assert early is None
    assert taken == ("Say goodbye.", None)


def test_the_last_instruction_of_parallel_calls_counts():
    calls, response = FunctionCalls(Outgoing()), Response("R1")
    for call_id in ("call_1", "call_2"):
        calls.take(function(call_id), response)
        calls.answer(call_id, "{}", f"Say {call_id}.")

    assert calls.take_answered("R1") == "Say call_2."


def test_calls_of_another_response_are_not_waited_for():
    calls = FunctionCalls(Outgoing())
    calls.take(function("call_1"), Response("R1"))
    calls.take(function("call_2"), Response("R2"))
    calls.answer("call_1", "{}", "")

    assert calls.take_answered("R1") == ""
    assert calls.take_answered("R2") is None


def test_a_response_without_calls_of_ours_leads_to_nothing_unless_words_are_owed():
    calls = FunctionCalls(Outgoing())
    before = calls.take_answered("R1")
    calls.owe_words("R1")

    assert before is None
    assert (calls.take_answered("R1"), calls.take_answered("R1")) == ("", None)


@pytest.mark.parametrize("is_owed_first", [True, False])
def test_owed_words_wait_for_the_open_calls_and_keep_their_instruction(is_owed_first):
    calls = FunctionCalls(Outgoing())
    calls.take(function("call_1"), Response("R1"))
    if is_owed_first:
        calls.owe_words("R1")
    early = calls.take_answered("R1")
    calls.answer("call_1", "{}", "Say goodbye.")
    if not is_owed_first:
        calls.owe_words("R1")

    assert early is None
    assert calls.take_answered("R1") == "Say goodbye."


def test_a_remote_call_is_told_opens_nothing_and_owes_words():
    calls, response = FunctionCalls(Outgoing()), Response("R1")
    item = OutputItem(type="mcp_call", id="M1", server_label="crm", name="read", has_error=True)

    assert calls.take(item, response) == [RemoteToolUsed("crm", "read", "failed")]
    assert not calls.are_open
    assert response.owes_words


def test_a_request_is_granted_by_server_and_tool():
    out, response = Outgoing(), Response("R1")
    calls = FunctionCalls(out, (CRM, SHOP))

    told = [
        calls.take(request("Q1"), response),
        calls.take(request("Q2", name="delete"), response),
        calls.take(request("Q3", name="read"), response),
        calls.take(request("Q4", server_label="shop"), response),
    ]

    assert decisions(out) == [("Q1", True), ("Q2", False), ("Q3", False), ("Q4", False)]
    assert told == [
        [],
        [RemoteToolUsed("crm", "delete", "refused")],
        [RemoteToolUsed("crm", "read", "refused")],
        [RemoteToolUsed("shop", "change", "refused")],
    ]
    assert response.awaits_approval


@pytest.mark.parametrize("item", [request(None), function("call_1"), OutputItem(id="Q1")])
def test_what_asks_for_no_approval_gets_none(item):
    out, response = Outgoing(), Response("R1")

    FunctionCalls(out, (CRM,)).take(item, response)

    assert decisions(out) == []
    assert not response.awaits_approval


def test_a_request_is_answered_once():
    out, again = Outgoing(), Response("R2")
    calls = FunctionCalls(out, (CRM,))
    calls.take(request("Q1"), Response("R1"))

    assert calls.take(request("Q1"), again) == []
    assert decisions(out) == [("Q1", True)]
    assert not again.awaits_approval


def test_abandoned_calls_are_closed_in_their_order_but_one():
    out, response = Outgoing(), Response("R1")
    calls = FunctionCalls(out)
    for call_id in ("call_1", "call_2", "call_3"):
        calls.take(function(call_id), response)

    calls.abandon("call_2")

    assert [item["call_id"] for item in items_of(out)] == ["call_1", "call_3"]
    assert calls.answer("call_1", "{}", "") is None
    assert calls.answer("call_2", "{}", "") == "R1"


# What the provider does at remote servers.


def listing(item_id: str, **fields: Any) -> ItemAdded:
    item = {"id": item_id, "type": "mcp_list_tools", "server_label": "crm", **fields}
    return ItemAdded(item)


@pytest.mark.parametrize("ending", [RemoteCallCompleted("M1"), RemoteCallFailed("M1"), "item"])
def test_a_remote_server_works_from_the_beginning_of_its_call_to_any_end(ending):
    calls = FunctionCalls(Outgoing())
    before = calls.are_remote
    calls.follow(RemoteCallBegun("M1"))
    during = calls.are_remote

    if isinstance(ending, str):
        calls.take(OutputItem(type="mcp_call", id="M1"), Response("R1"))
    else:
        calls.follow(ending)

    assert (before, during, calls.are_remote) == (False, True, False)


def test_remote_servers_may_work_side_by_side():
    calls = FunctionCalls(Outgoing())
    calls.follow(RemoteCallBegun("M1"))
    calls.follow(RemoteCallBegun("M2"))

    calls.follow(RemoteCallCompleted("M1"))

    assert calls.are_remote


@pytest.mark.parametrize(
    ("added", "server"),
    [
        (listing("L1"), "crm"),
        (listing("L1", server_label=None), ""),
        (listing("L2"), ""),
        (listing("L1", type="mcp_call"), ""),
        (listing("L1", id=None), ""),
        (ItemAdded(), ""),
    ],
)
def test_a_failed_listing_is_told_with_its_server_where_that_is_known(added, server):
    calls = FunctionCalls(Outgoing())
    quiet = calls.follow(added)

    told = calls.follow(ListingFailed("L1"))

    assert (quiet, told) == ([], [RemoteToolUsed(server, LISTING, "failed")])


def test_approvals_are_those_of_all_servers():
    assert approved_by((CRM, SHOP)) == {("crm", "change")}
    assert approved_by(()) == frozenset()
