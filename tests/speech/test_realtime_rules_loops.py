"""A model that calls function after function must speak some time: a caller waits."""

from collections.abc import Callable

import pytest

from service.bots.port import McpServer
from service.speech.realtime_patience import MAX_SILENT_RESPONSES
from tests.speech.talk import RATE_LIMITED, Talk

CRM = McpServer(
    label="crm",
    url="https://crm.example.com/mcp",
    allowed_tools=("read", "delete"),
    needs_approval=("delete",),
)
Turn = Callable[[Talk, str], object]


def calls(talk: Talk, response_id: str) -> None:
    """The model calls a function of ours and is answered."""
    talk.call(response_id, f"call_{response_id}")
    talk.answers(f"call_{response_id}", '{"error":{"code":"unknown_tool"}}')


def asks(talk: Talk, response_id: str) -> None:
    """The model asks for a remote function and is refused it."""
    fields = {"server_label": "crm", "name": "delete", "arguments": "{}"}
    talk.item_done(response_id, type="mcp_approval_request", id=f"Q{response_id}", **fields)


def uses(talk: Talk, response_id: str) -> None:
    """The provider calls a remote function by itself."""
    fields = {"server_label": "crm", "name": "read", "error": {}}
    talk.item_done(response_id, type="mcp_call", id=f"M{response_id}", **fields)


def turns(talk: Talk, *turns: Turn, since: int = 0) -> list[str | None]:
    """The choice of tools in each `response.create` that follows such a response."""
    choices = []
    for number, turn in enumerate(turns, start=since):
        talk.created(f"R{number}")
        turn(talk, f"R{number}")
        talk.done(f"R{number}")
        creates = [event for event in talk.sends() if event["type"] == "response.create"]
        choices += [create["response"].get("tool_choice") for create in creates]
    return choices


def speaks(talk: Talk, response_id: str) -> None:
    talk.audio(response_id, f"A{response_id}")
    calls(talk, response_id)


FREE = [None] * (MAX_SILENT_RESPONSES - 1)


@pytest.mark.parametrize("turn", [calls, asks, uses])
def test_a_model_that_only_calls_functions_must_speak_at_last(talk, turn):
    choices = turns(talk, *[turn] * (MAX_SILENT_RESPONSES + 2))

    assert choices == [*FREE, "none", "none", "none"]


def test_a_response_that_says_something_gives_more_time(talk):
    choices = turns(talk, *[calls] * (MAX_SILENT_RESPONSES - 1), speaks, *[calls] * 4)

    assert choices == [None] * (MAX_SILENT_RESPONSES + 4)


def test_the_callers_turn_gives_more_time(talk):
    turns(talk, *[calls] * MAX_SILENT_RESPONSES)
    talk.caller_speaks()
    talk.caller_stops()

    assert turns(talk, *[calls] * MAX_SILENT_RESPONSES, since=90) == [*FREE, "none"]


@pytest.mark.parametrize(("speaker", "choice"), [("caller", None), ("system", "none")])
def test_what_the_caller_types_or_keys_in_gives_more_time_and_facts_do_not(talk, speaker, choice):
    turns(talk, *[calls] * MAX_SILENT_RESPONSES)
    talk.created("R90")
    talk.done("R90")
    talk.sends()

    talk.rules.add_text("Four.", speaker, talk.now, wants_reply=True)

    assert talk.sends()[-1]["response"].get("tool_choice") == choice


def test_a_failed_response_is_no_silent_one(talk):
    """It is asked for again, three times at most, and has its own end."""
    turns(talk, *[calls] * (MAX_SILENT_RESPONSES - 1))
    talk.created("R90")
    talk.failed("R90", RATE_LIMITED)
    talk.passes(6.2)

    assert "tool_choice" not in talk.sends()[-1]["response"]


def test_an_order_to_speak_that_the_server_refuses_is_repeated_as_such(talk):
    turns(talk, *[calls] * (MAX_SILENT_RESPONSES - 1))
    talk.created("R90")
    calls(talk, "R90")
    talk.done("R90")
    talk.error("server_error", talk.sends()[-1]["event_id"])

    talk.passes(2.0)

    (again,) = talk.sends()
    assert again["response"]["tool_choice"] == "none"


def test_a_model_that_was_told_to_speak_and_cannot_is_told_no_second_time(talk):
    turns(talk, *[calls] * (MAX_SILENT_RESPONSES - 1))
    talk.created("R90")
    calls(talk, "R90")
    talk.done("R90")
    talk.created("R91", talk.sends()[-1])

    talk.done("R91", "incomplete", status_details={"reason": "content_filter"})

    assert talk.sends() == []


def test_it_does_not_matter_which_functions_they_are():
    talk = Talk((CRM,))

    choices = turns(talk, *[asks, uses, calls] * 2)

    assert choices == [*FREE, "none", "none"]
