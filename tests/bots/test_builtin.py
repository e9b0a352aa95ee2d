import json

import pytest

from service.bots.builtin import DEFAULT_BOT, BuiltinBots
from service.bots.port import Bot


@pytest.mark.parametrize("bot_id", ["", "default", "bank%2Fretail", "never heard of"])
def test_one_bot_answers_whatever_was_dialled(bot_id: str):
    assert BuiltinBots("marin").get_bot(bot_id).bot_id == "default"


def test_bot_speaks_with_the_configured_voice():
    bots = BuiltinBots("cedar")

    assert bots.get_bot("x").voice == "cedar"
    assert DEFAULT_BOT.voice == "marin"


@pytest.fixture
def bot() -> Bot:
    return BuiltinBots("marin").get_bot("")


def test_bot_has_words_for_every_moment_of_a_call(bot: Bot):
    assert all((bot.instructions, bot.greeting, bot.farewell, bot.handover))
    assert bot.transcription_model


def test_bot_can_end_the_call_and_hand_it_over(bot: Bot):
    assert [tool.name for tool in bot.tools] == ["end_call", "transfer_to_agent"]


def test_tools_are_functions_in_json_schema(bot: Bot):
    for tool in bot.tools:
        schema = json.loads(json.dumps(tool.parameters))

        assert tool.description
        assert schema["type"] == "object"
        assert set(schema["required"]) <= set(schema["properties"])
        assert all(value["description"] for value in schema["properties"].values())


def test_person_who_takes_over_is_told_why(bot: Bot):
    (transfer,) = (tool for tool in bot.tools if tool.name == "transfer_to_agent")

    assert set(transfer.parameters["properties"]) == {"reason", "summary"}
    assert transfer.parameters["required"] == ["reason"]
