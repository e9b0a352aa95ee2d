import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from service.conversation import Conversation
from tests.fake_speech import FakeSession


def after(*steps: Callable[[Conversation], Awaitable[None]]) -> tuple[Conversation, FakeSession]:
    """A conversation whose model is connected and owes nothing, after these steps."""
    conversation, session = Conversation(), FakeSession()
    conversation.session = session
    conversation.is_model_busy = False

    async def take_steps() -> None:
        for step in steps:
            await step(conversation)

    asyncio.run(take_steps())
    return conversation, session


def test_facts_wait_until_they_are_told():
    async def note_two(conversation: Conversation) -> None:
        conversation.note("Her name is Ada.")
        conversation.note("Welcome.", "agent")

    conversation, session = after(note_two)

    assert conversation.has_news
    assert session.notes == []


def test_facts_are_told_once_in_order_and_want_no_answer():
    async def note_two(conversation: Conversation) -> None:
        conversation.note("Her name is Ada.")
        conversation.note("Welcome.", "agent")

    conversation, session = after(note_two, Conversation.tell, Conversation.tell)

    assert session.notes == [
        ("system", "Her name is Ada.", False),
        ("agent", "Welcome.", False),
    ]
    assert not conversation.has_news
    assert not conversation.is_model_busy


def test_an_empty_fact_is_none():
    conversation = Conversation()

    conversation.note("")

    assert not conversation.has_news


def test_without_a_model_facts_wait_and_nothing_is_said():
    conversation = Conversation()
    conversation.note("Her name is Ada.")

    async def speak() -> None:
        await conversation.tell()
        await conversation.ask("The caller pressed 1.")
        await conversation.say("Greet.")
        await conversation.answer("call_1", {})
        await conversation.refuse("call_1", "busy", "later")
        await conversation.forget_caller()

    asyncio.run(speak())

    assert conversation.has_news


def test_what_the_caller_did_is_reacted_to():
    conversation, session = after(lambda it: it.ask("The caller pressed 1."))

    assert session.notes == [("caller", "The caller pressed 1.", True)]
    assert conversation.is_model_busy


@pytest.mark.parametrize("may_use_tools", [True, False])
def test_the_model_speaks_by_an_instruction(may_use_tools: bool):
    conversation, session = after(lambda it: it.say("Greet.", may_use_tools=may_use_tools))

    assert session.said == ["Greet."]
    assert session.said_without_tools == ([] if may_use_tools else ["Greet."])
    assert conversation.is_model_busy


def test_an_empty_instruction_makes_nobody_wait():
    conversation, session = after(lambda it: it.say(""))

    assert session.said == []
    assert not conversation.is_model_busy


@pytest.mark.parametrize("result", [{"ok": True}, msgspec.Raw(b'{"ok":true}')])
def test_a_function_is_answered_in_json(result: object):
    conversation, session = after(lambda it: it.answer("call_1", result, then_say="Go on."))

    assert session.results == [("call_1", '{"ok":true}', "Go on.")]
    assert conversation.is_model_busy


def test_a_refusal_is_an_error_that_the_model_can_act_on():
    _, session = after(lambda it: it.refuse("call_1", "busy", "wait a little"))

    assert session.results == [
        ("call_1", '{"error":{"code":"busy","message":"wait a little"}}', "")
    ]


def test_a_caller_who_is_forgotten_does_not_speak_any_more():
    async def speak(conversation: Conversation) -> None:
        conversation.is_caller_speaking = True

    conversation, session = after(speak, Conversation.forget_caller)

    assert session.forgotten == 1
    assert not conversation.is_caller_speaking
