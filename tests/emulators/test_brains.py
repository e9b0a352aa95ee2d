"""Scripted brains: exact words, rules, orders, tools and tolerance."""

import json
from typing import Any

import pytest

from scripts.emulators.brains import (
    Brain,
    CallTool,
    Dialogue,
    DialogueBrain,
    EchoBrain,
    Rule,
    Speak,
    ToolAnswer,
    exact_words,
)
from scripts.emulators.dialogues import DIALOGUES

TRANSFER = {"type": "function", "name": "transfer_to_agent"}
END = {"type": "function", "name": "end_call"}


def _said(text: str) -> Any:
    part = {"type": "input_audio", "transcript": text}
    return {"type": "message", "role": "user", "content": [part]}


def _written(text: str, role: str = "user") -> Any:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def _spoken(brain: Brain, *conversation: Any, tools: Any = (), instructions: str = "") -> str:
    [part] = brain.reply(conversation, tools, instructions)
    assert isinstance(part, Speak)
    return part.text


DEMO = DialogueBrain(DIALOGUES["default"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Say exactly: 'Welcome to Acme, how can I help?' Say nothing else.",
         "Welcome to Acme, how can I help?"),
        ("Greet now. Say exactly 'It's us!'", "It's us!"),
        ('Please say exactly "Good day."', "Good day."),
        ("Greet the caller by saying exactly: “Hello”", "Hello"),
        ("You are a text reader. Say exactly the following, word for word, and nothing else: "
         "This call is recorded.", "This call is recorded."),
        ("Speak briefly.", None),
        ("Say exactly what you think", None),
    ],
)  # fmt: skip
def test_exact_words_are_found(text, words):
    assert exact_words(text) == words


@pytest.mark.parametrize("brain", [EchoBrain(), DEMO])
def test_exact_words_of_the_instructions_are_the_greeting(brain):
    assert _spoken(brain, instructions="Say exactly 'Hi there'") == "Hi there"


@pytest.mark.parametrize("brain", [EchoBrain(), DEMO])
def test_exact_words_of_a_last_system_item_win_at_any_time(brain):
    system = _written("Say exactly 'One moment'", role="system")

    assert _spoken(brain, _said("hello"), system) == "One moment"


def test_session_instructions_do_not_answer_the_caller_for_ever():
    answer = _spoken(EchoBrain(), _said("hello"), instructions="Say exactly 'Hi there'")

    assert answer == "You said: hello"


def test_the_echo_repeats_the_last_turn():
    assert _spoken(EchoBrain(), _said("one"), _said("two")) == "You said: two"


@pytest.mark.parametrize("brain", [EchoBrain(), DEMO])
def test_a_tools_output_is_spoken(brain):
    output = {"type": "function_call_output", "call_id": "c", "output": "42 euros"}

    assert "42 euros" in _spoken(brain, _said("hello"), output)


def test_without_a_caller_turn_there_is_a_greeting():
    assert _spoken(DEMO) == DIALOGUES["default"].greeting


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("What are your OPENING hours?", "Monday to Friday"),
        ("when do you open, please", "Monday to Friday"),
        ("I have a question about my bill.", "eighty four euros"),
        ("I'd like to give you a meter reading", "key in"),
        ("Why is it so expensive?", "three parts"),
        ("qwertz", "did not get that"),
        ("", "still there"),
    ],
)
def test_the_demo_answers_what_it_heard(heard, expected):
    assert expected in _spoken(DEMO, _said(heard))


def test_the_explanation_is_long_enough_to_be_interrupted():
    assert len(_spoken(DEMO, _said("please explain my bill"))) * 0.065 > 20


def test_pressed_digits_are_repeated():
    item = _written("The caller pressed 4 2 7 # on the keypad.")

    assert "4 2 7 #" in _spoken(DEMO, item)


def test_asking_for_a_person_transfers_when_that_is_offered():
    parts = DEMO.reply([_said("I want to speak to a person")], [TRANSFER, END], "")

    assert isinstance(parts[0], Speak)
    assert isinstance(parts[1], CallTool)
    assert parts[1].name == "transfer_to_agent"
    assert "I want to speak to a person" in parts[1].arguments["summary"]
    assert set(parts[1].arguments) == {"reason", "summary"}


def test_asking_for_a_person_without_that_tool_is_declined():
    assert "none of my colleagues" in _spoken(DEMO, _said("a human please"), tools=[END])


@pytest.mark.parametrize("heard", ["Goodbye.", "good bye", "no thanks, that's all", "bye bye"])
def test_goodbye_ends_the_call(heard):
    parts = DEMO.reply([_said(heard)], [END], "")

    assert [part.name for part in parts if isinstance(part, CallTool)] == ["end_call"]


PLAIN = Dialogue(
    greeting="Welcome.",
    default="Pardon?",
    silence="Hm?",
    anything_else="Anything else?",
    rules=(
        Rule(("story",), (Speak("Once upon a time."),)),
        Rule(
            ("number",),
            (Speak("Key it in."), CallTool("collect", {"field": "a", "said": "{words}"})),
        ),
    ),
    tool_answers={
        "collect": (
            ToolAnswer((CallTool("note"), CallTool("look_up")), {"status": "collected"}),
            ToolAnswer((Speak("Once more."), CallTool("collect")), {"status": "short"}),
        ),
        "note": (ToolAnswer(()),),
        "look_up": (ToolAnswer((Speak("It is {amount} {currency}."),)),),
    },
    tool_error="That failed.",
    tool_errors={"look_up": "No such number."},
)
BRAIN = DialogueBrain(PLAIN)
OFFERED = [{"type": "function", "name": name} for name in ("collect", "note", "look_up")]


def _order(text: str) -> Any:
    return _written(text, role="system")


def _answered(text: str) -> Any:
    content = [{"type": "output_audio", "transcript": text}]
    return {"type": "message", "role": "assistant", "content": content}


def _results(*results: tuple[str, Any]) -> list[Any]:
    """Calls of one response, then their outputs."""
    calls = [
        {"type": "function_call", "call_id": f"c{at}", "name": name, "arguments": "{}"}
        for at, (name, _) in enumerate(results)
    ]
    outputs = [
        {"type": "function_call_output", "call_id": f"c{at}", "output": json.dumps(output)}
        for at, (_, output) in enumerate(results)
    ]
    return [*calls, *outputs]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Tell the caller in one sentence that you are still looking it up.", "still looking"),
        ("The look-up takes longer. Tell the caller.", "still looking"),
        ("The caller was silent. Ask whether the caller is still there.", "still there"),
        ("A person takes over now. Tell the caller so in one short sentence.", "colleague"),
        ("The call ends now. Say goodbye in one short sentence.", "Goodbye"),
        ("The call ends in a minute. Tell the caller so, and come to the point.", "minute"),
        ("The caller is still silent. Say that you will bring a person in.", "colleague"),
        ("The caller is still silent. Say that you cannot hear anything.", "cannot hear"),
        ("The caller is back. Ask what else the caller needs.", "Anything else?"),
        ("You have taken over this call. Greet the caller and go on.", "Welcome."),
        ("The call is connected. Greet the caller in one short sentence.", "Welcome."),
    ],
)
def test_an_order_at_the_end_is_followed(order, expected):
    assert expected in _spoken(BRAIN, _said("a story"), _answered("Once."), _order(order))


def test_an_order_wins_over_results_that_came_before_it():
    conversation = [_said("x"), *_results(("look_up", {"amount": 1, "currency": "euros"}))]

    spoken = _spoken(BRAIN, *conversation, _order("The call ends now. Say goodbye."))

    assert "Goodbye" in spoken


def test_a_fact_at_the_end_does_not_disturb():
    fact = _order("The caller's name is Anna.")

    assert _spoken(BRAIN, _said("a story"), fact) == "Once upon a time."
    assert _spoken(BRAIN, fact) == "Welcome."


def test_an_old_order_is_not_followed_again():
    order = _order("The caller was silent. Ask whether the caller is still there.")

    assert _spoken(BRAIN, order, _answered("Hm?"), _said("a story")) == "Once upon a time."


def test_after_a_mere_fact_an_answered_turn_is_not_answered_again():
    conversation = [_said("a story"), _answered("Once."), _order("It is ten o'clock.")]

    assert _spoken(BRAIN, *conversation) == "Anything else?"


def test_members_of_a_result_are_spoken():
    results = _results(("look_up", {"amount": 12.5, "currency": "euros"}))

    assert _spoken(BRAIN, _said("x"), *results, tools=OFFERED) == "It is 12.5 euros."


@pytest.mark.parametrize(
    ("tool", "result", "expected"),
    [
        ("look_up", {"error": {"code": "not_found", "message": "x"}}, "No such number."),
        ("look_up", {"amount": 3}, "No such number."),
        ("collect", {"error": "busy"}, "That failed."),
        ("collect", {"status": "odd"}, "That failed."),
        ("note", {"ok": True}, "Anything else?"),
    ],
)
def test_a_result_that_does_not_fit_has_its_own_sentence(tool, result, expected):
    assert _spoken(BRAIN, _said("x"), *_results((tool, result)), tools=OFFERED) == expected


def test_a_result_may_lead_to_further_calls():
    conversation = [_said("x"), *_results(("collect", {"status": "collected"}))]

    assert BRAIN.reply(conversation, OFFERED, "") == [CallTool("note"), CallTool("look_up")]


def test_calls_that_are_not_offered_are_left_out_of_the_reaction():
    conversation = [_said("x"), *_results(("collect", {"status": "short"}))]

    assert BRAIN.reply(conversation, [], "") == [Speak("Once more.")]


def test_all_results_of_one_response_are_told():
    results = _results(
        ("look_up", {"amount": 1, "currency": "euro"}),
        ("note", {"ok": True}),
        ("look_up", {"amount": 2, "currency": "euros"}),
    )

    parts = BRAIN.reply([_said("x"), *results], OFFERED, "")

    assert parts == [Speak("It is 1 euro."), Speak("It is 2 euros.")]


def test_the_result_of_an_mcp_tool_is_told_like_any_other():
    call = {"type": "mcp_call", "name": "look_up", "arguments": "{}", "error": None}
    good = {**call, "output": '{"amount": 7, "currency": "euros"}'}
    bad = {**call, "output": None, "error": {"type": "tool_execution_error", "message": "x"}}

    assert _spoken(BRAIN, _said("x"), good) == "It is 7 euros."
    assert _spoken(BRAIN, _said("x"), bad) == "No such number."


def test_a_listing_of_tools_at_the_end_does_not_disturb():
    listing = {"type": "mcp_list_tools", "server_label": "crm", "tools": []}

    assert _spoken(BRAIN, _said("x"), _order("Say exactly 'Yes.'"), listing) == "Yes."


def test_arguments_keep_to_the_schema_of_the_tool():
    properties = {"field": {"type": "string", "enum": ["b", "c"]}}
    tool = {"name": "collect", "parameters": {"type": "object", "properties": properties}}

    parts = BRAIN.reply([_said("a number")], [tool], "")

    assert parts == [Speak("Key it in."), CallTool("collect", {"field": "b"})]


def test_without_its_tool_a_rule_only_speaks():
    assert _spoken(BRAIN, _said("a number")) == "Key it in."
