"""The functions by which a model acts on its own call."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import fastjsonschema
import pytest

from service.audiohook.variables import MAX_OUTPUT_CHARS
from service.speech.realtime_config import session_update
from service.tools.call_control import (
    LONGEST_COLLECTION_S,
    control_tools,
)
from service.tools.port import (
    CONTROL_NAMES,
    CollectDigits,
    EndCall,
    SetOutputVariable,
    SwitchBot,
    Tool,
    ToolContext,
    TransferToAgent,
)
from tests.openai_schema import assert_client_event
from tests.plain_bot import PLAIN_BOT

CONTEXT = ToolContext(call_id="call_1", session_id="s", conversation_id="c", bot_id="reception")
CHOICES: dict[str, Any] = {
    "targets": ("sales", "billing"),
    "specialists": {"repairs": "broken meters", "bills": ""},
    "digit_fields": {"meter": "the number on the meter"},
    "outputs": {"TOPIC": "what the call was about", "MOOD": ""},
}


def tool(name: str, **choices: Any) -> Tool:
    (made,) = control_tools((name,), **CHOICES | choices)
    return made


def is_valid(made: Tool, arguments: Any) -> bool:
    assert made.parameters is not None
    try:
        fastjsonschema.compile(made.parameters)(arguments)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def command(name: str, arguments: dict[str, Any], **choices: Any) -> object:
    made = tool(name, **choices)
    assert is_valid(made, arguments)
    return asyncio.run(made.run(arguments, CONTEXT))  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [CONTROL_NAMES, CONTROL_NAMES[::-1], CONTROL_NAMES[2:4], ()])
def test_the_model_sees_the_functions_in_the_order_of_their_names(names):
    assert tuple(made.name for made in control_tools(names, **CHOICES)) == names


def test_a_name_that_is_no_control_function_is_a_mistake():
    with pytest.raises(KeyError):
        control_tools(("hang_up",))


def test_all_functions_are_taken_by_the_model():
    bot = replace(PLAIN_BOT, tools=control_tools(CONTROL_NAMES, **CHOICES))

    event = json.loads(session_update(bot, "cfg_1"))

    assert_client_event(event)
    assert [sent["name"] for sent in event["session"]["tools"]] == list(CONTROL_NAMES)


@pytest.mark.parametrize("name", CONTROL_NAMES)
def test_a_schema_is_of_an_object_with_what_it_requires(name):
    made = tool(name)

    assert made.parameters is not None
    assert made.parameters["type"] == "object"
    assert set(made.parameters["required"]) <= made.parameters["properties"].keys()
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made.name)
    assert made.description
    strangers: list[Any] = [[], "text", None, 7]
    assert not any(is_valid(made, stranger) for stranger in strangers)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("end_call", {}, EndCall()),
        ("end_call", {"reason": "more than it knows"}, EndCall()),
        ("transfer_to_agent", {"reason": "angry"}, TransferToAgent("angry")),
        (
            "transfer_to_agent",
            {"reason": "angry", "summary": "A bill.", "target": "billing"},
            TransferToAgent("angry", "A bill.", "billing"),
        ),
        ("collect_digits", {"field": "meter"}, CollectDigits("meter")),
        ("switch_bot", {"bot": "repairs"}, SwitchBot("repairs")),
        ("switch_bot", {"bot": "bills", "reason": "a bill"}, SwitchBot("bills", "a bill")),
        (
            "set_output_variable",
            {"name": "TOPIC", "value": "a bill"},
            SetOutputVariable("TOPIC", "a bill"),
        ),
    ],
)
def test_a_function_returns_what_is_to_be_done(name, arguments, expected):
    assert command(name, arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transfer_to_agent", {"reason": "angry", "target": "the boss"}),
        ("transfer_to_agent", {"reason": "angry", "target": ""}),
        ("collect_digits", {"field": "card"}),
        ("collect_digits", {"field": "METER"}),
        ("switch_bot", {"bot": "reception"}),
        ("switch_bot", {"bot": "../secrets"}),
        ("set_output_variable", {"name": "BOT_STATUS", "value": "failed"}),
    ],
)
def test_what_is_not_offered_is_refused(name, arguments):
    assert not is_valid(tool(name), arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transfer_to_agent", {}),
        ("transfer_to_agent", {"summary": "A bill."}),
        ("collect_digits", {}),
        ("switch_bot", {"reason": "a bill"}),
        ("set_output_variable", {"name": "TOPIC"}),
        ("set_output_variable", {"value": "a bill"}),
        ("set_output_variable", {"name": "TOPIC", "value": 7}),
        ("switch_bot", {"bot": ["repairs"]}),
    ],
)
def test_what_is_missing_or_of_another_type_is_refused(name, arguments):
    assert not is_valid(tool(name), arguments)


@pytest.mark.parametrize(
    ("name", "key", "rest"),
    [
        ("transfer_to_agent", "reason", {}),
        ("transfer_to_agent", "summary", {"reason": "angry"}),
        ("switch_bot", "reason", {"bot": "repairs"}),
        ("set_output_variable", "value", {"name": "TOPIC"}),
    ],
)
def test_a_text_fits_into_an_output_variable(name, key, rest):
    made = tool(name)

    assert is_valid(made, {**rest, key: "x" * MAX_OUTPUT_CHARS})
    assert not is_valid(made, {**rest, key: "x" * (MAX_OUTPUT_CHARS + 1)})


@pytest.mark.parametrize("target", ["sales", {"odd": 1}])
def test_a_target_is_ignored_where_none_is_offered(target):
    """Then the schema does not look at it, and it must not become an output variable."""
    arguments = {"reason": "angry", "target": target}

    assert command("transfer_to_agent", arguments, targets=()) == TransferToAgent("angry")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("end_call", {"news": 1}, EndCall()),
        ("switch_bot", {"bot": "repairs", "news": 1}, SwitchBot("repairs")),
    ],
)
def test_what_a_model_writes_beyond_the_schema_is_ignored(name, arguments, expected):
    assert command(name, arguments) == expected


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("collect_digits", "Numbers: meter (the number on the meter)."),
        ("switch_bot", "Specialists: repairs (broken meters), bills."),
        ("set_output_variable", "Variables: TOPIC (what the call was about), MOOD."),
    ],
)
def test_the_model_is_told_what_the_names_mean(name, told):
    assert tool(name).description.endswith(told)


def test_a_collection_may_take_as_long_as_a_caller_needs():
    assert tool("collect_digits").timeout_s == LONGEST_COLLECTION_S
    assert tool("end_call").timeout_s < LONGEST_COLLECTION_S
