"""The reception of the catalog on whole calls: a recorded greeting, then specialists."""

from typing import Any

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.genesys import GenesysCall
from tests.e2e.bridge import SHOUT, Played, bridge, play
from tests.e2e.quick_calls import HANDOVER, OUTPUTS, Script, greeted, hear, quick, say
from tests.e2e.real_bots import real_bots
from tests.e2e.side_by_side import Outcomes

SLOW_HELLO_MS = 2_500
"""Until the model says anything at all; the service would wait for 3 s."""
WELCOME = "Welcome to Northwind. You are speaking with a computer. How can I help you?"
MODEL = DialogueBrain(DIALOGUES["reception"])


async def _call_reception(script: Script, *words: str, **changes: Any) -> Played:
    model = quick(MODEL, *words, **changes)
    async with real_bots() as bots, bridge(bots=bots, **model) as running:
        return await play(running, script, bot_id="reception")


# The scenarios, each with a service and a model of its own.


async def welcomed() -> Played:
    """The recording is heard in full; what the caller asks then is answered."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call)

    return await _call_reception(script, "Hello, good morning", hello_delay_ms=SLOW_HELLO_MS)


async def reception() -> Played:
    """The caller speaks into the recording, is passed to billing, and then to a person."""

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_speaks(min_ms=1_500)
        await call.say(SHOUT)
        await hear(call)
        await say(call)
        await call.say(SHOUT)
        await call.disconnected()

    words = (
        "I have a question about my bill",
        "Why is it so high?",
        "I want to speak with the manager",
    )
    return await _call_reception(script, *words)


async def reception_by_key() -> Played:
    """A key in the recorded greeting stops it and leads to support, another one to a person."""

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_speaks(min_ms=700)
        await call.press("2")
        await call.sleep(0.5)
        await hear(call, min_ms=200)
        await call.press("0")
        await call.disconnected()

    return await _call_reception(script)


async def reception_to_a_person_by_key() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_speaks(min_ms=700)
        await call.press("0")
        await call.disconnected()

    return await _call_reception(script)


async def from_one_specialist_to_the_next() -> Played:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_speaks(min_ms=300)
        await call.press("1")
        await call.sleep(0.5)
        await hear(call, min_ms=200)
        await say(call)
        await call.say(SHOUT)
        await call.disconnected()

    words = ("My internet is broken", "Goodbye")
    return await _call_reception(script, *words)


PASSED_ON = (
    reception,
    reception_by_key,
    reception_to_a_person_by_key,
    from_one_specialist_to_the_next,
)
SCENARIOS = (welcomed, *PASSED_ON)


def offered(session: dict[str, Any]) -> list[str]:
    """The functions of a session's settings, by name."""
    return [tool["name"] for tool in session["tools"]]


def sessions_of(played: Played) -> list[dict[str, Any]]:
    """What the service made of the model's session, one bot after the other."""
    return [event["session"] for event in played.told_model("session.update")]


# What is true of all of them.


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_both_sides(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).blemishes == []


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


@pytest.mark.parametrize("scenario", PASSED_ON)
def test_the_flow_gets_the_complete_set_of_output_variables(outcome_of: Outcomes, scenario):
    """Also those of the specialists who were never met."""
    played = outcome_of(scenario)

    assert played.outputs.keys() == OUTPUTS | {"DEPARTMENT"}
    assert played.outputs == played.ended["output_variables"]


ENDS = {
    reception: ("transfer", "escalated"),
    reception_by_key: ("transfer", "escalated"),
    reception_to_a_person_by_key: ("transfer", "escalated"),
    from_one_specialist_to_the_next: ("completed", "contained"),
}


@pytest.mark.parametrize("scenario", PASSED_ON)
def test_the_end_is_told_to_the_flow_and_to_the_analysts(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert (played.outputs["BOT_STATUS"], played.ended["disposition"]) == ENDS[scenario]
    assert played.report.unplayed_ms == 0
    assert not played.turns[-1]["interrupted"]


# The recorded greeting.


def test_the_recorded_greeting_is_heard_before_there_is_a_model(outcome_of: Outcomes):
    played = outcome_of(welcomed)

    assert played.report.first_agent_audio_ms is not None
    assert played.report.first_agent_audio_ms < 500 < SLOW_HELLO_MS
    assert played.agent_words == [WELCOME, "Hello! What can I do for you?"]
    assert not played.turns[0]["interrupted"]


def test_the_model_is_told_what_the_recording_said(outcome_of: Outcomes):
    assert outcome_of(welcomed).texts_of("assistant") == [WELCOME]


def test_a_caller_can_speak_into_the_recording(outcome_of: Outcomes):
    played = outcome_of(reception)

    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]
    assert played.turns[0]["interrupted"]
    assert played.texts_of("assistant") == [played.agent_words[0]]
    assert played.agent_words[0].startswith("Welcome to Northwind.")


def test_of_a_recording_that_a_key_stopped_the_model_is_told_what_was_heard(outcome_of: Outcomes):
    played = outcome_of(reception_by_key)

    assert played.turns[0]["interrupted"]
    assert played.turns[0]["text_generated"] == WELCOME
    assert played.texts_of("assistant") == ["Welcome to"]
    assert [barge.stopped_audio for barge in played.report.barge_ins] == [True]


def test_a_recording_is_never_truncated_at_the_model(outcome_of: Outcomes):
    played = outcome_of(reception_by_key)

    assert played.told_model("conversation.item.truncate") == []
    assert played.told_model("conversation.item.delete") == []


# Passing on.


def test_reception_passes_on_by_words(outcome_of: Outcomes):
    assert outcome_of(reception).agent_words[1:5] == [
        "I will bring you to our billing team.",
        "This is the billing team. What would you like to know about your bill?",
        "A bill has three parts: the base price, the energy itself, and taxes with network fees.",
        "Is there anything else I can do for you?",
    ]


def test_reception_passes_on_by_key(outcome_of: Outcomes):
    assert outcome_of(reception_by_key).agent_words == [
        "Welcome to",
        "This is the technical support. What does not work?",
        HANDOVER,
    ]


def test_a_specialist_passes_on_to_another(outcome_of: Outcomes):
    played = outcome_of(from_one_specialist_to_the_next)

    assert played.ended["bot_ids"] == ["reception", "billing", "support"]
    assert "This is the technical support. What does not work?" in played.agent_words


SERVED_BY = {
    reception: ["reception", "billing"],
    reception_by_key: ["reception", "support"],
    reception_to_a_person_by_key: ["reception"],
}


@pytest.mark.parametrize("scenario", SERVED_BY)
def test_the_receipt_names_all_who_served_the_call(outcome_of: Outcomes, scenario):
    ended = outcome_of(scenario).ended

    assert ended["bot_id"] == "reception"
    assert ended["bot_ids"] == SERVED_BY[scenario]


def test_the_specialist_has_instructions_and_functions_of_its_own(outcome_of: Outcomes):
    played = outcome_of(reception)
    first, second = sessions_of(played)
    assert played.session is not None

    assert "You are the reception of Northwind" in first["instructions"]
    assert offered(first) == ["end_call", "transfer_to_agent", "switch_bot"]
    assert "You are the billing specialist" in second["instructions"]
    assert played.session.settings["instructions"] == second["instructions"]
    assert offered(played.session.settings) == [*offered(first), "set_output_variable"]


def test_of_the_old_bots_functions_none_is_left(outcome_of: Outcomes):
    session = outcome_of(reception).session
    assert session is not None
    (switch,) = (tool for tool in session.settings["tools"] if tool["name"] == "switch_bot")
    (person,) = (tool for tool in session.settings["tools"] if tool["name"] == "transfer_to_agent")

    assert switch["parameters"]["properties"]["bot"]["enum"] == ["support"]
    assert person["parameters"]["properties"]["target"]["enum"] == ["billing"]


def test_the_voice_stays_once_it_was_heard(outcome_of: Outcomes):
    _, second = sessions_of(outcome_of(reception))

    assert "voice" not in second["audio"]["output"]


TARGETS = {
    reception: "billing",
    reception_by_key: "technicians",
    reception_to_a_person_by_key: "",
}


@pytest.mark.parametrize("scenario", TARGETS)
def test_the_target_is_that_of_the_bot_who_hands_over(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert played.outputs["TRANSFER_TARGET"] == TARGETS[scenario]
    assert played.agent_words[-1].endswith("One moment, please.")


def test_a_value_that_a_specialist_has_set_comes_back_to_the_flow(outcome_of: Outcomes):
    assert outcome_of(reception).outputs["DEPARTMENT"] == "billing"
    assert outcome_of(reception_by_key).outputs["DEPARTMENT"] == ""
