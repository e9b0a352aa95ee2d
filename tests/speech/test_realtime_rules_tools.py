"""Functions in a Realtime conversation (specification 7.4 and 7.5): ours and those of others."""

import math
from typing import Any

import pytest

from service.bots.port import McpServer
from service.speech.port import (
    LISTING,
    AgentTurnDone,
    RemoteToolUsed,
    SpeechError,
    SpeechEvent,
    ToolCall,
)
from service.speech.realtime_patience import REMOTE_DEADLINE_S, SILENCE_DEADLINE_S
from tests.speech.talk import RATE_LIMITED, Talk

CRM = McpServer(
    label="crm",
    url="https://crm.example.com/mcp",
    allowed_tools=("read", "change", "delete"),
    needs_approval=("change", "delete"),
    approved=("change",),
)


# 7.4: function calls.


def test_a_completed_function_call_is_handed_out_as_the_model_wrote_it(talk):
    talk.created("R1")

    assert talk.call("R1", "call_1", arguments="{not json") == [
        ToolCall("call_1", "look_up", "{not json")
    ]


@pytest.mark.parametrize("status", ["in_progress", None])
def test_a_function_call_with_an_odd_status_is_handed_out(talk, status):
    """`output_item.done` has been seen with `in_progress` (6.5)."""
    talk.created("R1")

    assert talk.call("R1", "call_1", status=status) == [
        ToolCall("call_1", "look_up", '{"id":"42"}')
    ]


def test_a_function_call_without_name_and_arguments_is_for_the_caller_to_refuse(talk):
    assert talk.call("R1", "call_1", name=None, arguments=None) == [ToolCall("call_1", "", "")]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "call_id": "call_1", "status": "incomplete"},
        {"type": "function_call", "call_id": None, "status": "completed"},
        {"type": "function_call", "status": "completed"},
        {"type": "message", "status": "completed"},
    ],
)
def test_what_is_no_complete_function_call_does_not_run(talk, item):
    talk.created("R1")

    assert talk.item_done("R1", **item) == []


def test_the_model_goes_on_after_its_call_is_answered(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")

    talk.answers("call_1", '{"status":"shipped"}')

    output, create = talk.sends()
    assert output["item"] == {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": '{"status":"shipped"}',
    }
    assert create["type"] == "response.create"


def test_a_turn_with_an_open_call_is_not_done(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    open_turn = talk.done("R1")
    talk.answers("call_1")
    talk.created("R2", talk.sends()[-1])

    assert open_turn == []
    assert talk.done("R2") == [AgentTurnDone()]


def test_parallel_calls_are_all_answered_before_the_one_create(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.call("R1", "call_2")
    talk.done("R1")

    talk.answers("call_2")
    first = talk.sends_kinds()
    talk.answers("call_1")
    second = talk.sends_kinds()

    assert first == ["conversation.item.create"]
    assert second == ["conversation.item.create", "response.create"]


def test_calls_answered_while_the_response_goes_on_ask_once_it_is_over(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.answers("call_1")
    before = talk.sends_kinds()

    ended = talk.done("R1")

    assert before == ["conversation.item.create"]
    assert talk.sends_kinds() == ["response.create"]
    assert ended == []


def test_a_quick_answer_does_not_go_on_before_a_later_parallel_call_is_answered(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.answers("call_1", then_say="Say goodbye.")
    talk.call("R1", "call_2")
    talk.done("R1")
    early = talk.sends_kinds()

    talk.answers("call_2")

    output, system, create = talk.sends()
    assert early == ["conversation.item.create"]
    assert output["item"]["type"] == "function_call_output"
    assert system["item"]["content"][0]["text"] == "Say goodbye."
    assert create["response"]["tool_choice"] == "none"


def test_then_say_tells_the_model_what_to_say_after_the_output(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")

    talk.answers("call_1", then_say="Say goodbye.")

    output, system, create = talk.sends()
    assert output["item"]["type"] == "function_call_output"
    assert system["item"]["role"] == "system"
    assert system["item"]["content"] == [{"type": "input_text", "text": "Say goodbye."}]
    assert create["response"]["tool_choice"] == "none"


@pytest.mark.parametrize("then_say", [("Say goodbye.", ""), ("", "Say goodbye.")])
def test_then_say_of_any_parallel_call_is_followed(talk, then_say):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.call("R1", "call_2")
    talk.done("R1")

    talk.answers("call_1", then_say=then_say[0])
    talk.answers("call_2", then_say=then_say[1])

    system, create = talk.sends()[-2:]
    assert system["item"]["content"][0]["text"] == "Say goodbye."
    assert create["response"]["tool_choice"] == "none"


@pytest.mark.parametrize("call_id", ["call_1", "call_unknown"])
def test_an_answer_to_no_open_call_is_not_sent(talk, call_id):
    """The server would refuse it: exactly one output per call."""
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.answers("call_1")
    talk.sends()

    talk.answers(call_id)

    assert talk.sends() == []


def test_a_call_answered_during_the_next_response_is_owed_until_its_end(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.caller_speaks()
    talk.created("R2")

    talk.answers("call_1")
    during = talk.sends_kinds()
    talk.done("R2")

    assert during == ["conversation.item.create"]
    assert talk.sends_kinds() == ["response.create"]


def test_a_function_call_that_is_told_twice_runs_once(talk):
    talk.created("R1")

    assert len(talk.call("R1", "call_1")) == 1
    assert talk.call("R1", "call_1") == []


def test_a_function_call_tells_whether_something_was_said_before_it(talk):
    talk.created("R1")
    (silent,) = talk.call("R1", "call_1")
    talk.audio("R1", "A1")
    (spoken,) = talk.call("R1", "call_2")

    assert (silent.has_spoken, spoken.has_spoken) == (False, True)


def test_a_response_that_follows_a_failed_one_waits_for_its_rate_limit(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.answers("call_1")
    talk.failed("R1", RATE_LIMITED)
    at_once = talk.sends_kinds()

    talk.passes(6.2)

    assert at_once == ["conversation.item.create"]
    assert talk.sends_kinds() == ["response.create"]


def test_what_is_said_meanwhile_waits_for_a_rate_limit_too(talk):
    """A create before its time would fail like the first, and use up a try."""
    talk.created("R1")
    talk.failed("R1", RATE_LIMITED)
    talk.rules.say("Announce.", talk.now)
    at_once = talk.sends_kinds()

    talk.passes(6.2)

    assert at_once == ["conversation.item.create"]
    assert talk.sends_kinds() == ["response.create"]


# 7.5: functions of remote servers, which the provider runs.


def remote_call(talk: Talk, response_id: str, item_id: str, **item: Any) -> list[SpeechEvent]:
    fields = {"server_label": "crm", "name": "read", "arguments": "{}", "output": "{}", **item}
    return talk.item_done(response_id, type="mcp_call", id=item_id, **fields)


def request(talk: Talk, response_id: str, item_id: str, **item: Any) -> list[SpeechEvent]:
    fields = {"server_label": "crm", "name": "change", "arguments": "{}", **item}
    return talk.item_done(response_id, type="mcp_approval_request", id=item_id, **fields)


@pytest.mark.parametrize(
    ("error", "has_failed"),
    [
        (None, False),
        ({"type": "http_error", "code": 500, "message": "secret words"}, True),
        ({"type": "tool_execution_error", "message": "secret words"}, True),
        ({}, True),
    ],
)
def test_a_remote_call_is_told_without_its_words(talk, error, has_failed):
    talk.created("R1")

    events = remote_call(talk, "R1", "M1", error=error)

    assert events == [RemoteToolUsed("crm", "read", "failed" if has_failed else "ok")]


def test_a_remote_call_without_its_names_is_told_all_the_same(talk):
    assert talk.item_done("R1", type="mcp_call") == [RemoteToolUsed("", "", "ok")]


def test_a_remote_call_that_is_told_twice_is_one(talk):
    """`output_item.done` has been seen before the item was done (6.5)."""
    talk.created("R1")

    assert len(remote_call(talk, "R1", "M1") + remote_call(talk, "R1", "M1")) == 1
    assert len(remote_call(talk, "R1", "M2")) == 1


def test_the_model_is_asked_to_speak_about_a_remote_call(talk):
    talk.created("R1")
    talk.audio("R1", "A1")
    remote_call(talk, "R1", "M1")

    ended = talk.done("R1")

    (create,) = talk.sends()
    assert create["type"] == "response.create"
    assert AgentTurnDone() not in ended
    talk.created("R2", create)
    assert talk.done("R2") == [AgentTurnDone()]
    assert talk.sends() == []


def test_a_model_that_spoke_after_its_remote_call_is_not_asked_to(talk):
    """Whether it goes on by itself is not known of every model: it may, or not (7.5)."""
    talk.created("R1")
    remote_call(talk, "R1", "M1")
    talk.audio("R1", "A1")

    assert talk.done("R1")[-1] == AgentTurnDone()
    assert talk.sends() == []


@pytest.mark.parametrize("is_callers_doing", [True, False])
def test_an_interrupted_response_owes_no_words_about_its_remote_call(talk, is_callers_doing):
    talk.created("R1")
    remote_call(talk, "R1", "M1")
    if is_callers_doing:
        talk.caller_speaks()
    else:
        talk.rules.interrupt([])

    ended = talk.cancelled("R1")

    assert "response.create" not in talk.sends_kinds()
    assert ended == [AgentTurnDone()]


def test_words_about_a_remote_call_are_owed_while_the_server_fails(talk):
    talk.created("R1")
    remote_call(talk, "R1", "M1")
    talk.failed("R1", RATE_LIMITED)
    at_once = talk.sends()

    talk.passes(6.2)

    assert at_once == []
    assert talk.sends_kinds() == ["response.create"]


@pytest.mark.parametrize("is_remote_first", [True, False])
def test_words_about_a_remote_call_wait_for_the_answer_to_a_function(talk, is_remote_first):
    """A create before all outputs are there has the model speak of half of them (7.4)."""
    talk.created("R1")
    if is_remote_first:
        remote_call(talk, "R1", "M1")
    talk.call("R1", "call_1")
    if not is_remote_first:
        remote_call(talk, "R1", "M1")
    ended = talk.done("R1")
    early = talk.sends()

    talk.answers("call_1")

    assert (ended, early) == ([], [])
    assert talk.sends_kinds() == ["conversation.item.create", "response.create"]


def test_a_function_answered_at_once_and_a_remote_call_are_spoken_about_once(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.answers("call_1")
    remote_call(talk, "R1", "M1")
    talk.done("R1")

    kinds = talk.sends_kinds()
    assert kinds == ["conversation.item.create", "response.create"]
    talk.created("R2")
    assert talk.done("R2") == [AgentTurnDone()]
    assert talk.sends() == []


def test_then_say_of_a_function_is_followed_beside_a_remote_call(talk):
    talk.created("R1")
    remote_call(talk, "R1", "M1")
    talk.call("R1", "call_1")
    talk.done("R1")

    talk.answers("call_1", then_say="Say goodbye.")

    _, system, create = talk.sends()
    assert system["item"]["content"][0]["text"] == "Say goodbye."
    assert create["response"]["tool_choice"] == "none"


@pytest.mark.parametrize(
    ("item", "approve"),
    [
        ({}, True),
        ({"name": "delete"}, False),
        ({"name": "drop_everything"}, False),
        ({"server_label": "other"}, False),
        ({"name": None}, False),
        ({"server_label": None}, False),
    ],
)
def test_only_what_the_bot_approves_is_granted(item, approve):
    talk = Talk((CRM,))
    talk.created("R1")

    events = request(talk, "R1", "mcpr_1", **item)

    asked = {"server_label": "crm", "name": "change"} | item
    refused = RemoteToolUsed(asked["server_label"] or "", asked["name"] or "", "refused")
    assert events == ([] if approve else [refused])
    (answer,) = talk.sends()
    assert answer["type"] == "conversation.item.create"
    assert len(answer["item"].pop("id")) <= 32
    assert answer["item"] == {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": approve,
    }


def test_a_bot_without_remote_servers_grants_nothing(talk):
    request(talk, "R1", "mcpr_1")

    assert talk.sends()[0]["item"]["approve"] is False


@pytest.mark.parametrize("name", ["change", "delete"])
@pytest.mark.parametrize("speaks_after", [False, True])
def test_the_model_goes_on_after_an_approval_was_answered(name, speaks_after):
    """It cannot use the tool within the response that asked, whatever else it says in it."""
    talk = Talk((CRM,))
    talk.created("R1")
    request(talk, "R1", "mcpr_1", name=name)
    if speaks_after:
        talk.audio("R1", "A1")
    ended = talk.done("R1")

    answer, create = talk.sends()
    assert answer["item"]["type"] == "mcp_approval_response"
    assert create["type"] == "response.create"
    assert AgentTurnDone() not in ended


def test_several_approvals_are_all_answered_before_the_one_create():
    talk = Talk((CRM,))
    talk.created("R1")
    request(talk, "R1", "mcpr_1")
    request(talk, "R1", "mcpr_2", name="delete")
    talk.done("R1")

    first, second, create = talk.sends()
    assert [first["item"]["approve"], second["item"]["approve"]] == [True, False]
    assert first["item"]["id"] != second["item"]["id"]
    assert create["type"] == "response.create"


def test_a_request_is_answered_once(talk):
    talk.created("R1")
    request(talk, "R1", "mcpr_1")
    request(talk, "R1", "mcpr_1")

    assert len(talk.sends()) == 1


def test_a_request_that_has_no_id_cannot_be_answered(talk):
    talk.created("R1")
    talk.item_done("R1", type="mcp_approval_request", server_label="crm", name="change")

    assert talk.done("R1") == [AgentTurnDone()]
    assert talk.sends() == []


@pytest.mark.parametrize("is_late", [True, False])
def test_a_request_in_an_interrupted_response_is_answered_and_the_server_goes_on(is_late):
    talk = Talk((CRM,))
    talk.created("R1")
    if not is_late:
        request(talk, "R1", "mcpr_1")
    talk.caller_speaks()
    if is_late:
        request(talk, "R1", "mcpr_1")
    ended = talk.cancelled("R1")
    talk.caller_stops()
    talk.created("R2")

    assert talk.sends_kinds() == ["conversation.item.create"]
    assert ended == [AgentTurnDone()]
    assert remote_call(talk, "R2", "M1", name="change") == [RemoteToolUsed("crm", "change", "ok")]


def work(talk: Talk, stage: str, item_id: str = "M1") -> list[SpeechEvent]:
    """The provider tells how far a remote call is; it does not say of which response (6.4)."""
    return talk.gets(f"response.mcp_call.{stage}", item_id=item_id, output_index=0)


def test_a_remote_server_has_more_time_than_a_silent_model(talk):
    talk.created("R1")
    work(talk, "in_progress")
    talk.passes(SILENCE_DEADLINE_S)
    talk.caller_stops()
    talk.now += REMOTE_DEADLINE_S - 1
    talk.rules.poll(talk.now)

    with pytest.raises(SpeechError, match="model_silent"):
        talk.passes(1)


@pytest.mark.parametrize("ending", ["completed", "failed", "item"])
def test_a_model_has_its_usual_time_once_the_remote_server_has_answered(talk, ending):
    talk.created("R1")
    work(talk, "in_progress")
    if ending == "item":
        remote_call(talk, "R1", "M1")
    else:
        work(talk, ending)

    assert talk.waits_s() == SILENCE_DEADLINE_S


def test_nothing_is_awaited_of_a_remote_server_once_its_response_is_over(talk):
    talk.created("R1")
    work(talk, "in_progress")
    talk.cancelled("R1")

    assert talk.waits_s() == math.inf


def listing(talk: Talk, item_id: str, stage: str) -> list[SpeechEvent]:
    """The provider asks a server for its functions, outside of any response."""
    if stage == "added":
        item = {"id": item_id, "type": "mcp_list_tools", "server_label": "crm", "tools": []}
        return talk.gets("conversation.item.added", item=item)
    return talk.gets(f"mcp_list_tools.{stage}", item_id=item_id)


def test_a_server_whose_functions_cannot_be_listed_is_told_once_and_nobody_speaks_of_it(talk):
    quiet = listing(talk, "L1", "added") + listing(talk, "L1", "in_progress")

    told = listing(talk, "L1", "failed")

    assert (quiet, told) == ([], [RemoteToolUsed("crm", LISTING, "failed")])
    assert talk.sends() == []


def test_a_server_whose_functions_were_listed_is_not_told(talk):
    assert listing(talk, "L1", "added") + listing(talk, "L1", "completed") == []


def told_of(talk: Talk, item_id: str, **item: Any) -> list[SpeechEvent]:
    """The conversation has a request that its response did not tell of."""
    request = {"id": item_id, "type": "mcp_approval_request", "server_label": "crm"}
    request |= {"name": "change", "arguments": "{}"} | item
    return talk.gets("conversation.item.done", previous_item_id="U1", item=request)


@pytest.mark.parametrize(("name", "approve"), [("change", True), ("delete", False)])
@pytest.mark.parametrize("is_over", [True, False])
def test_a_request_that_only_the_conversation_tells_of_is_answered(name, approve, is_over):
    talk = Talk((CRM,))
    talk.created("R1")
    if is_over:
        talk.done("R1")
    told = told_of(talk, "mcpr_1", name=name)
    if not is_over:
        talk.done("R1")

    answer, create = talk.sends()
    assert answer["item"]["approval_request_id"] == "mcpr_1"
    assert answer["item"]["approve"] is approve
    assert create["type"] == "response.create"
    assert told == ([] if approve else [RemoteToolUsed("crm", name, "refused")])


@pytest.mark.parametrize("is_response_first", [True, False])
def test_a_request_that_both_tell_of_is_answered_once(is_response_first):
    talk = Talk((CRM,))
    talk.created("R1")
    tellers = [request, lambda talk, response_id, item_id: told_of(talk, item_id)]
    for tell in tellers if is_response_first else reversed(tellers):
        tell(talk, "R1", "mcpr_1")
    talk.done("R1")

    assert talk.sends_kinds() == ["conversation.item.create", "response.create"]
    told_of(talk, "mcpr_1")
    assert talk.sends() == []


def test_a_request_told_of_while_the_caller_speaks_is_left_to_the_servers_answer():
    talk = Talk((CRM,))
    talk.caller_speaks()

    told_of(talk, "mcpr_1")

    assert talk.sends_kinds() == ["conversation.item.create"]
    talk.caller_stops()
    assert talk.sends() == []


@pytest.mark.parametrize("kind", ["function_call", "mcp_call", "message"])
def test_the_conversation_tells_of_nothing_else_that_is_acted_on(talk, kind):
    """All that belongs to a response comes with that response."""
    talk.created("R1")

    assert told_of(talk, "item_1", type=kind, call_id="call_1", status="completed") == []
    assert talk.sends() == []


# The end of a conversation waits for no function.


def test_abandoned_calls_are_closed_and_the_farewell_comes_next(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.call("R1", "call_2")
    talk.done("R1")
    talk.sends()

    talk.rules.abandon_calls("")
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)

    sent = talk.sends()
    outputs = [event["item"] for event in sent if "item" in event]
    assert [item.get("call_id") for item in outputs] == ["call_1", "call_2", None]
    assert all("ending" in item["output"] for item in outputs[:2])
    assert [event["type"] for event in sent].count("response.create") == 1
    assert sent[-1]["response"]["tool_choice"] == "none"


def test_after_the_farewell_of_abandoned_calls_the_turn_is_done(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.rules.abandon_calls("")
    talk.rules.say("Say goodbye.", talk.now, may_use_tools=False)
    talk.created("R2", talk.sends()[-1])

    assert talk.done("R2") == [AgentTurnDone()]


def test_results_of_abandoned_calls_come_too_late(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.done("R1")
    talk.rules.abandon_calls("")
    talk.sends()

    talk.rules.add_tool_result("call_1", "{}", "", talk.now)

    assert talk.sends() == []


def test_the_call_that_ends_the_conversation_is_not_held_up_by_the_others(talk):
    talk.created("R1")
    talk.call("R1", "call_1")
    talk.call("R1", "call_2")
    talk.done("R1")
    talk.sends()

    talk.rules.abandon_calls("call_2")
    talk.rules.add_tool_result("call_2", '{"ok":true}', "Say goodbye.", talk.now)

    sent = talk.sends()
    assert [e["item"].get("call_id") for e in sent if "item" in e] == ["call_1", "call_2", None]
    assert sent[-1]["type"] == "response.create"
