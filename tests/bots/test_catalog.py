"""The catalog that comes with the service, as a deployment reads it."""

from pathlib import Path

import pytest

from service.bots.files import FileBots
from service.bots.functions import Deployment
from service.bots.port import Bot
from service.settings import VOICES
from service.tools.arguments import compiled
from service.tools.call_control import control_tools
from service.tools.port import SwitchBot, TransferToAgent

CATALOG = Path(__file__).parents[2] / "service/bots/catalog"


@pytest.fixture(scope="module")
def catalog() -> FileBots:
    from service.tools.http import HttpKind

    deployment = Deployment(
        kinds={"http": HttpKind()},
        values={},
        control_tools=control_tools,
        check_schema=compiled,
        voices=VOICES,
        default_voice="marin",
    )
    return FileBots(CATALOG, deployment)


def _names(bot: Bot) -> list[str]:
    return [tool.name for tool in bot.tools]


@pytest.mark.parametrize(
    "bot_id", ["default", "bank", "bilingual", "reception", "billing", "support"]
)
def test_each_bot_has_manners_and_ways_out(catalog, bot_id):
    bot = catalog.get_bot(bot_id)

    assert bot.bot_id == bot_id
    assert {"end_call", "transfer_to_agent"} <= set(_names(bot))
    assert len(bot.silence.reprompts) >= 1
    assert bot.limits.warning
    assert "{{" not in bot.instructions + bot.facts


def test_default_bot_tells_the_model_what_is_keyed_in(catalog):
    bot = catalog.get_bot("nobody")

    assert bot.bot_id == "default"
    assert bot.keypad.is_told_to_model
    assert bot.silence.then == "transfer"


def test_bank_never_shows_the_model_the_account_number(catalog):
    bot = catalog.get_bot("bank")
    (balance,) = (tool for tool in bot.tools if tool.name == "get_balance")

    assert balance.fill == {"account": "account_number"}
    assert balance.parameters is not None
    assert balance.parameters["properties"] == {}
    field = bot.digit_fields["account_number"]
    assert (field.is_sensitive, field.is_told_to_model, field.output) == (True, False, "")
    assert (field.rules.min_digits, field.rules.max_digits) == (6, 10)


def test_bank_says_what_it_is_and_knows_its_ways_out(catalog):
    bot = catalog.get_bot("bank")

    assert "You are speaking with a computer." in bot.greeting.instruction
    assert bot.keypad.interrupts
    assert isinstance(bot.keypad.keys["0"], TransferToAgent)
    assert bot.outputs == {"INTENT": "unknown"}


def test_bilingual_keeps_its_instructions_for_every_caller(catalog):
    english = catalog.get_bot("bilingual", {"CUSTOMER_NAME": "Ann"}, "en-GB")
    german = catalog.get_bot("bilingual", {"CUSTOMER_NAME": "Eva", "BOT_LANGUAGE": "de"}, "en-GB")

    assert english.instructions == german.instructions
    assert (english.language, german.language) == ("en", "de")
    assert '"Eva"' in german.facts
    assert "Willkommen" in english.greeting.instruction


def test_reception_plays_its_clip_and_knows_the_specialists(catalog):
    bot = catalog.get_bot("reception")
    (switch,) = (tool for tool in bot.tools if tool.name == "switch_bot")

    assert bot.greeting.clip
    assert "You are speaking with a computer." in bot.greeting.words
    assert switch.parameters is not None
    assert switch.parameters["properties"]["bot"]["enum"] == ["billing", "support"]
    assert bot.keypad.keys["1"] == SwitchBot("billing", "the caller chose it by key")
    assert bot.keypad.keys["2"] == SwitchBot("support", "the caller chose it by key")
    assert bot.outputs == {"DEPARTMENT": ""}


@pytest.mark.parametrize("bot_id", ["billing", "support"])
def test_specialists_take_over_in_their_own_words(catalog, bot_id):
    reception, bot = catalog.get_bot("reception"), catalog.get_bot(bot_id)

    assert bot.takeover != reception.takeover
    assert bot.instructions != reception.instructions
    assert bot.voice == reception.voice  # it cannot change after the first words
