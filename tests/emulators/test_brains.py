"""Scripted brains: exact words, rules, tools and tolerance."""

from typing import Any

import pytest

from scripts.emulators.brains import (
    Brain,
    CallTool,
    DialogueBrain,
    EchoBrain,
    Speak,
    exact_words,
)
from scripts.emulators.dialogue import ELECTRICITY_COMPANY

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


DEMO = DialogueBrain(ELECTRICITY_COMPANY)


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
    assert _spoken(DEMO) == ELECTRICITY_COMPANY.greeting


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
