"""The bots of the catalog, each on a whole call: real files, real tools, real sockets."""

from typing import Any

import pytest

from scripts.emulators import genesys
from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.genesys import CallFailed, GenesysCall
from scripts.sample_bank import ACCOUNTS
from tests.e2e.bridge import CLIENT_SECRET, SHOUT, Bridge, Played, bridge, play
from tests.e2e.quick_calls import HANDOVER, OUTPUTS, greeted, hear, quick, say
from tests.e2e.real_bots import real_bots, sample_bank
from tests.e2e.side_by_side import Outcomes

ACCOUNT = next(iter(ACCOUNTS))
NAME = "Anna Keller"


def model_of(bot_id: str) -> DialogueBrain:
    return DialogueBrain(DIALOGUES[bot_id])


# The scenarios, each with a service and a model of its own.


async def default() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call)
        await call.press("47#")
        await hear(call)
        await call.say(SHOUT)
        await call.disconnected()

    words = ("When are you open?", "I want to speak with a person")
    async with (
        real_bots() as bots,
        bridge(bots=bots, **quick(model_of("default"), *words)) as running,
    ):
        return await play(running, script)


async def bank() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call)
        await call.press(f"{ACCOUNT}#")
        await hear(call, min_ms=200)
        await call.press("0")
        await call.disconnected()

    words = ("I would like to know my balance",)
    async with (
        sample_bank() as web,
        real_bots(tool_secrets={"BANK_API_URL": web.url}) as bots,
        bridge(bots=bots, **quick(model_of("bank"), *words)) as running,
    ):
        played = await play(running, script, bot_id="bank")
    played.notes["asked"] = web.asked
    return played


async def bilingual() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call, 2)
        await call.say(SHOUT)
        await call.disconnected()

    words = ("Wann haben Sie geöffnet?", "And what is it on Sunday, please?", "Auf Wiederhören")
    inputs = {"CUSTOMER_NAME": NAME, "BOT_LANGUAGE": "de", "UNHEARD_OF": "left out"}
    async with (
        real_bots() as bots,
        bridge(bots=bots, **quick(model_of("bilingual"), *words)) as running,
    ):
        return await play(
            running, script, bot_id="bilingual", input_variables=inputs, language="de-DE"
        )


ADDRESSES = {"bank": "bank", "BANK": "bank", "b%61nk": "bank", "nobody": "default", "": "default"}


async def by_address() -> dict[str, str]:
    """Who answers at which Connector ID."""
    async with real_bots() as bots, bridge(bots=bots, **quick(model_of("default"))) as running:
        return {address: await _who_answers(running, address) for address in ADDRESSES}


async def _who_answers(running: Bridge, address: str) -> str:
    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.sleep(0.1)

    played = await play(running, script, bot_id=address)
    (started,) = played.sink.of(played.setup.session_id, "call.started.v1")
    bot_id: str = started["data"]["bot_id"]
    return bot_id


async def refusing() -> dict[str, int | None]:
    """The status that an upgrade is answered with where unknown bots are refused."""
    wrong = CLIENT_SECRET.replace("VGhl", "dGhl")
    async with (
        real_bots() as bots,
        bridge(bots=bots, refuses_unknown_bots=True, **quick(model_of("default"))) as running,
    ):
        return {
            "known": await _status(running, "bank"),
            "unknown": await _status(running, "nobody"),
            "empty": await _status(running, ""),
            "unknown and not authentic": await _status(running, "nobody", client_secret=wrong),
            "known and not authentic": await _status(running, "bank", client_secret=wrong),
            "probe": await _status(running, "bank", is_probe=True),
            "probe of an unknown one": await _status(running, "nobody", is_probe=True),
            "probe of the empty one": await _status(running, "", is_probe=True),
        }


async def _status(
    running: Bridge, address: str, *, is_probe: bool = False, **changes: Any
) -> int | None:
    setup = running.setup(address, **changes)
    try:
        if is_probe:
            return (await genesys.probe(setup)).http_status
        return (await genesys.play_call(setup, GenesysCall.opened)).http_status
    except CallFailed as failure:
        assert failure.report is not None
        return failure.report.http_status


SCENARIOS = (
    default,
    bank,
    bilingual,
    by_address,
    refusing,
)
CALLS = SCENARIOS[:3]


# What is true of every bot.


@pytest.mark.parametrize("scenario", CALLS)
def test_the_call_is_clean_on_both_sides(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).blemishes == []


def test_no_call_logs_an_error(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


OWN_OUTPUTS = {"bank": {"INTENT"}}


@pytest.mark.parametrize("scenario", CALLS)
def test_the_flow_gets_the_complete_set_of_output_variables(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)
    own = OWN_OUTPUTS.get(played.ended["bot_id"], set())

    assert played.outputs.keys() == OUTPUTS | own
    assert all(isinstance(value, str) for value in played.outputs.values())
    assert played.outputs == played.ended["output_variables"]


ENDS = {
    default: ("transfer", "escalated"),
    bank: ("transfer", "escalated"),
    bilingual: ("completed", "contained"),
}


@pytest.mark.parametrize("scenario", CALLS)
def test_the_end_is_told_to_the_flow_and_to_the_analysts(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert (played.outputs["BOT_STATUS"], played.ended["disposition"]) == ENDS[scenario]


@pytest.mark.parametrize("scenario", CALLS)
def test_the_last_word_is_heard_before_the_disconnect(outcome_of: Outcomes, scenario):
    played = outcome_of(scenario)

    assert played.report.unplayed_ms == 0
    assert not played.turns[-1]["interrupted"]


# `default`.


def test_default_answers_speech_and_keys_and_hands_over(outcome_of: Outcomes):
    played = outcome_of(default)

    assert played.agent_words == [
        "Welcome to Northwind Power. How can I help you today?",
        "Our office is open Monday to Friday, from eight in the morning to six.",
        "Thank you, I have noted 47. Is there anything else?",
        "Of course, I will connect you with a colleague. One moment, please.",
    ]
    assert played.outputs["SUMMARY"].endswith("I want to speak with a person")


# `bank`.


def test_bank_speaks_the_balance_that_its_web_service_gave(outcome_of: Outcomes):
    played = outcome_of(bank)

    assert "Your balance is 1250.40 euros." in played.agent_words
    assert played.notes["asked"] == [ACCOUNT]
    assert played.uses == [
        ("collect_digits", "ok"),
        ("set_output_variable", "ok"),
        ("get_balance", "ok"),
    ]


def test_bank_tells_nobody_but_the_web_service_the_account_number(outcome_of: Outcomes):
    call = outcome_of(bank)

    assert ACCOUNT not in call.all_told_to_model
    assert ACCOUNT not in call.all_events
    assert ACCOUNT not in repr(call.outputs)
    assert ACCOUNT not in outcome_of.log.text
    assert call.results[0] == {"status": "collected", "field": "account_number", "count": 8}


def test_bank_leaves_out_what_of_the_answer_is_not_for_the_model(outcome_of: Outcomes):
    assert ACCOUNTS[ACCOUNT]["holder"] not in outcome_of(bank).all_told_to_model


def test_bank_hands_over_by_key_after_the_farewell(outcome_of: Outcomes):
    played = outcome_of(bank)

    assert played.agent_words[-1] == HANDOVER
    assert played.outputs["TRANSFER_TARGET"] == "service"
    assert played.outputs["INTENT"] == "balance"


# `bilingual`.


def test_bilingual_speaks_the_language_of_the_caller(outcome_of: Outcomes):
    assert outcome_of(bilingual).agent_words[1:] == [
        "Wir haben von Montag bis Freitag geöffnet, von acht bis achtzehn Uhr.",
        "I am sorry, we are closed on Saturday and Sunday.",
        "Vielen Dank für Ihren Anruf. Auf Wiederhören!",
    ]


def test_bilingual_discloses_in_its_greeting_that_it_is_a_computer(outcome_of: Outcomes):
    greeting = outcome_of(bilingual).agent_words[0]

    assert "You are speaking with a computer. Sie sprechen mit einem Computer." in greeting


def test_the_callers_name_is_a_fact_at_the_tail_and_nothing_else(outcome_of: Outcomes):
    call = outcome_of(bilingual)
    (fact,) = (text for text in call.texts_of("system") if NAME in text)

    assert f'"{NAME}"' in fact
    assert call.all_told_to_model.count(NAME) == 1
    assert NAME not in call.all_events
    assert NAME not in outcome_of.log.text


def test_the_flow_chooses_the_language_to_begin_in(outcome_of: Outcomes):
    played = outcome_of(bilingual)

    assert "the language with the tag de." in played.texts_of("system")[0]
    assert "left out" not in played.all_told_to_model


# Connector IDs.


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_connector_id_chooses_the_bot(outcome_of: Outcomes, address):
    assert outcome_of(by_address)[address] == ADDRESSES[address]


def test_an_unknown_bot_can_be_refused_to_whom_is_authentic(outcome_of: Outcomes):
    assert outcome_of(refusing) == {
        "known": 101,
        "unknown": 404,
        "empty": 101,
        "unknown and not authentic": 401,
        "known and not authentic": 401,
        "probe": 101,
        "probe of an unknown one": 404,
        "probe of the empty one": 101,
    }
