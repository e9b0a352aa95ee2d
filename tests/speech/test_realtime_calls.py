"""Which calls are open, and what their answers lead to (specification 7.4, 7.5)."""

from typing import Any

import pytest

from service.bots.port import McpServer
from service.speech.port import RemoteToolUsed, ToolCall
from service.speech.realtime_calls import FunctionCalls, approved_by
from service.speech.realtime_response import Response
from service.speech.realtime_wire import OutputItem

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


def test_a_call_is_open_until_it_is_answered():
    calls = FunctionCalls()
    begun = calls.begin(function("call_1", arguments="{}"), Response("R1"))
    was_open = calls.are_open

    response_id = calls.answer("call_1", "")

    assert begun == [ToolCall("call_1", "look_up", "{}")]
    assert (was_open, calls.are_open) == (True, False)
    assert response_id == "R1"


@pytest.mark.parametrize("call_id", ["call_1", "call_9"])
def test_an_answer_to_no_open_call_is_none(call_id):
    calls = FunctionCalls()
    calls.begin(function("call_1"), Response("R1"))
    calls.answer("call_1", "")

    assert calls.answer(call_id, "Say goodbye.") is None


@pytest.mark.parametrize(
    "item", [function("call_1", status="incomplete"), function(None), OutputItem(type="message")]
)
def test_what_is_no_complete_call_opens_nothing(item):
    calls = FunctionCalls()

    assert calls.begin(item, Response("R1")) == []
    assert not calls.are_open


def test_a_call_that_is_told_again_after_its_answer_stays_answered():
    calls = FunctionCalls()
    calls.begin(function("call_1"), Response("R1"))
    calls.answer("call_1", "")

    assert calls.begin(function("call_1"), Response("R1")) == []
    assert not calls.are_open


def test_the_answers_of_a_response_are_taken_when_all_are_there_and_once():
    calls, response = FunctionCalls(), Response("R1")
    calls.begin(function("call_1"), response)
    calls.begin(function("call_2"), response)
    calls.answer("call_1", "Say goodbye.")
    early = calls.take_answered("R1")
    calls.answer("call_2", "")

    taken = calls.take_answered("R1"), calls.take_answered("R1")

    assert early is None
    assert taken == ("Say goodbye.", None)


def test_the_last_instruction_of_parallel_calls_counts():
    calls, response = FunctionCalls(), Response("R1")
    for call_id in ("call_1", "call_2"):
        calls.begin(function(call_id), response)
        calls.answer(call_id, f"Say {call_id}.")

    assert calls.take_answered("R1") == "Say call_2."


def test_calls_of_another_response_are_not_waited_for():
    calls = FunctionCalls()
    calls.begin(function("call_1"), Response("R1"))
    calls.begin(function("call_2"), Response("R2"))
    calls.answer("call_1", "")

    assert calls.take_answered("R1") == ""
    assert calls.take_answered("R2") is None


def test_a_response_without_calls_of_ours_leads_to_nothing_unless_words_are_owed():
    calls = FunctionCalls()
    before = calls.take_answered("R1")
    calls.owe_words("R1")

    assert before is None
    assert (calls.take_answered("R1"), calls.take_answered("R1")) == ("", None)


@pytest.mark.parametrize("is_owed_first", [True, False])
def test_owed_words_wait_for_the_open_calls_and_keep_their_instruction(is_owed_first):
    calls = FunctionCalls()
    calls.begin(function("call_1"), Response("R1"))
    if is_owed_first:
        calls.owe_words("R1")
    early = calls.take_answered("R1")
    calls.answer("call_1", "Say goodbye.")
    if not is_owed_first:
        calls.owe_words("R1")

    assert early is None
    assert calls.take_answered("R1") == "Say goodbye."


def test_a_remote_call_is_told_opens_nothing_and_owes_words():
    calls, response = FunctionCalls(), Response("R1")
    item = OutputItem(type="mcp_call", id="M1", server_label="crm", name="read", has_error=True)

    assert calls.begin(item, response) == [RemoteToolUsed("crm", "read", "failed")]
    assert not calls.are_open
    assert response.owes_words


def test_a_request_is_granted_by_server_and_tool():
    calls, response = FunctionCalls((CRM, SHOP)), Response("R1")

    granted = [
        calls.is_granted(request("Q1"), response),
        calls.is_granted(request("Q2", name="delete"), response),
        calls.is_granted(request("Q3", name="read"), response),
        calls.is_granted(request("Q4", server_label="shop"), response),
    ]

    assert granted == [True, False, False, False]
    assert response.awaits_approval


@pytest.mark.parametrize("item", [request(None), function("call_1"), OutputItem(id="Q1")])
def test_what_asks_for_no_approval_gets_none(item):
    response = Response("R1")

    assert FunctionCalls((CRM,)).is_granted(item, response) is None
    assert not response.awaits_approval


def test_a_request_is_granted_once():
    calls = FunctionCalls((CRM,))

    assert calls.is_granted(request("Q1"), Response("R1")) is True
    assert calls.is_granted(request("Q1"), Response("R1")) is None


def test_approvals_are_those_of_all_servers():
    assert approved_by((CRM, SHOP)) == {("crm", "change")}
    assert approved_by(()) == frozenset()
