"""A card number that is spoken and keyed is in no event of the call."""

import asyncio
from dataclasses import replace

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import GenesysCall
from service.bots.port import Privacy
from service.privacy import Retention
from tests.e2e.bridge import SHOUT, SMALL_TALK, Played, bridge, play
from tests.e2e.quick_calls import PROMPT, greeted, quiet
from tests.plain_bot import PLAIN_BOT, Bots

CARD = "4111 1111 1111 1111"
WORDS = f"My card is {CARD}."


def played(retention: Retention) -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await quiet(call)
        await call.press("4111111111111111#")
        await quiet(call)

    async def scene() -> Played:
        scenario = replace(PROMPT, caller_words=(WORDS,))
        bots = Bots(replace(PLAIN_BOT, privacy=Privacy(retention)))
        dialogue = replace(SMALL_TALK, default=f"You said {CARD}.")
        async with bridge(scenario, brain=DialogueBrain(dialogue), bots=bots) as running:
            return await play(running, script)

    return asyncio.run(scene(), debug=False)


def test_private_parts_are_masked_in_all_events():
    call = played("redacted")

    plain = call.all_events.replace(" ", "")
    assert "4111" not in plain
    assert ("caller", "My card is [card].") in call.words
    assert "You said [card]." in call.agent_words
    assert call.ended["privacy"]["retention"] == "redacted"
    assert call.ended["privacy"]["redactions"]["card"] >= 2


def test_a_bot_that_keeps_every_word_keeps_them_but_no_keys():
    call = played("full")

    assert ("caller", WORDS) in call.words
    assert ("caller", "[keys]") in call.words
    assert "4111111111111111" not in call.all_events
    assert call.ended["privacy"] == {"retention": "full", "redactions": {}}


def test_a_bot_that_keeps_no_word_keeps_the_times():
    call = played("none")

    assert {text for _, text in call.words} == {""}
    assert all(turn["end_ms"] > 0 for turn in call.turns)
