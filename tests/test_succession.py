import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from service.bots.port import Bot
from service.conversation import Conversation
from service.receipt import Receipt
from service.speech.port import BotChanged
from service.succession import NOT_TO_BE_HAD, SWITCH_S, Succession
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT

CARDS = replace(PLAIN_BOT, bot_id="cards", takeover="Say that you are for cards.", facts="F.")
LOANS = replace(PLAIN_BOT, bot_id="loans", takeover="Say that you are for loans.")


class Change:
    """A succession by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.session = FakeSession()
        self.conversation = Conversation()
        self.conversation.session = self.session
        self.receipt = Receipt()
        self.succession = Succession(self.conversation, self.receipt, clock=lambda: self.now)

    async def answered(self, bot_id: str, *, was_refused: bool = False) -> Bot | None:
        """Take the provider's answer as the agent does."""
        bot = await self.succession.end(BotChanged(bot_id, was_refused=was_refused))
        if bot:
            await self.succession.take_over(bot)
        return bot

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """The function calls that were answered with an error, and its codes."""
        answers = [(call_id, json.loads(output)) for call_id, output, _ in self.session.results]
        return [(call_id, it["error"]["code"]) for call_id, it in answers if "error" in it]


def play(script: Callable[[Change], Coroutine[Any, Any, None]]) -> Change:
    change = Change()
    asyncio.run(script(change))
    return change


def test_the_provider_is_asked_to_become_the_bot():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")

    change = play(script)

    assert change.session.bots == [CARDS]
    assert change.succession.is_under_way
    assert change.succession.due_in_s(change.now + 2) == SWITCH_S - 2


def test_nothing_is_due_without_a_change():
    assert Change().succession.due_in_s(100.0) == math.inf


def test_without_a_model_no_change_begins():
    async def script(change: Change) -> None:
        change.conversation.session = None
        await change.succession.begin(CARDS, "call_1")

    assert not play(script).succession.is_under_way


def test_the_new_bot_learns_the_facts_before_it_speaks():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        assert await change.answered("cards") is CARDS

    change = play(script)

    assert change.session.notes == [("system", "F.", False)]
    assert change.session.results == [("call_1", '{"ok":true}', CARDS.takeover)]
    assert change.session.deeds == ["change_bot", "send_text", "send_tool_result"]
    assert not change.succession.is_under_way


def test_a_key_is_answered_by_the_new_bots_voice():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, None)
        await change.answered("cards")

    change = play(script)

    assert change.session.said == [CARDS.takeover]
    assert change.session.results == []


def test_while_a_change_is_under_way_another_one_is_refused():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        await change.succession.begin(LOANS, "call_2")
        await change.succession.begin(LOANS, None)

    change = play(script)

    assert change.session.bots == [CARDS]
    assert change.refusals == [("call_2", "busy")]


def test_a_refused_change_lets_the_old_bot_go_on():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        assert await change.answered("cards", was_refused=True) is None

    change = play(script)

    assert change.refusals == [("call_1", "failed")]
    assert change.receipt.errors == ["switch_failed"]
    assert not change.succession.is_under_way


@pytest.mark.parametrize("was_refused", [True, False])
def test_a_caller_who_chose_by_a_key_is_told_when_it_fails(was_refused: bool):
    """The agent was stopped by the key, and no function waits for an answer."""

    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, None)
        if was_refused:
            await change.answered("cards", was_refused=True)
        else:
            await change.succession.give_up()

    assert play(script).session.said == [NOT_TO_BE_HAD]


def test_a_change_that_takes_too_long_has_failed():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        change.now += SWITCH_S
        assert change.succession.due_in_s(change.now) <= 0
        await change.succession.give_up()
        await change.succession.give_up()

    change = play(script)

    assert change.refusals == [("call_1", "failed")]
    assert change.receipt.errors == ["switch_failed"]


def test_a_bot_that_comes_late_is_followed_all_the_same():
    """The provider has its instructions and functions now: ours must not be another's."""

    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        await change.succession.give_up()
        assert await change.answered("cards") is CARDS

    change = play(script)

    assert change.session.said == [CARDS.takeover]
    assert change.session.notes == [("system", "F.", False)]


def test_a_late_refusal_changes_nothing():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        await change.succession.give_up()
        assert await change.answered("cards", was_refused=True) is None
        assert await change.answered("cards") is None

    change = play(script)

    assert change.receipt.errors == ["switch_failed"]
    assert change.session.said == []


def test_a_late_bot_does_not_end_the_change_that_came_after_it():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        await change.succession.give_up()
        await change.succession.begin(LOANS, "call_2")
        assert await change.answered("cards") is CARDS
        assert change.succession.is_under_way
        assert await change.answered("loans") is LOANS

    change = play(script)

    assert change.session.results[-1] == ("call_2", '{"ok":true}', LOANS.takeover)


def test_a_bot_that_was_asked_for_twice_takes_over_once():
    async def script(change: Change) -> None:
        await change.succession.begin(CARDS, "call_1")
        await change.succession.give_up()
        await change.succession.begin(CARDS, "call_2")
        assert await change.answered("cards") is CARDS
        assert await change.answered("cards") is None

    change = play(script)

    assert change.session.results[-1] == ("call_2", '{"ok":true}', CARDS.takeover)
    assert change.session.said == []


def test_a_bot_that_nobody_asked_for_is_not_followed():
    async def script(change: Change) -> None:
        assert await change.answered("loans") is None
        await change.succession.begin(CARDS, "call_1")
        assert await change.answered("loans") is None

    assert play(script).succession.is_under_way
