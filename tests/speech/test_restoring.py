"""What happened before is put into a new conversation, and a silence is acted upon."""

import asyncio

from service.speech.cascade_parts import FunctionCall, FunctionResult, Message, Reply
from service.speech.cascade_rules import CascadeRules
from service.speech.port import MODEL_SILENT, Remembered, RemoteToolUsed, Said, SpeechError, Used
from tests.plain_bot import PLAIN_BOT
from tests.speech.talk import Talk
from tests.speech.test_cascade import Everything, opened
from tests.speech.test_realtime import emulated, failure_of, until

MEMORIES: list[Remembered] = [
    Said("system", "It goes on."),
    Said("caller", "Where is it?"),
    Used("call_m2", "look_up", '{"id":1}', '{"ok":true}'),
    Said("agent", "Here."),
]


def test_a_realtime_conversation_gets_items_that_a_server_takes(talk: Talk):
    talk.rules.restore(MEMORIES)
    items = [event["item"] for event in talk.sends()]
    assert [(item["type"], item.get("role")) for item in items] == [
        ("message", "system"),
        ("message", "user"),
        ("function_call", None),
        ("function_call_output", None),
        ("message", "assistant"),
    ]
    assert items[2]["call_id"] == items[3]["call_id"] == "call_m2"
    assert items[4]["content"] == [{"type": "output_text", "text": "Here."}]


def test_a_cascade_reads_what_happened_before():
    rules = CascadeRules(PLAIN_BOT)
    rules.restore(MEMORIES)
    assert not rules.work
    rules.say("Go on.", may_use_tools=True)
    reply = rules.work.popleft()
    assert isinstance(reply, Reply)
    assert reply.messages[1:] == (
        Message("system", "It goes on."),
        Message("user", "Where is it?"),
        Message(
            "assistant",
            "",
            (FunctionCall("call_m2", "look_up", '{"id":1}'),),
            (FunctionResult("call_m2", '{"ok":true}'),),
        ),
        Message("assistant", "Here."),
        Message("system", "Go on."),
    )


def test_a_response_that_was_forgotten_is_asked_for_again(talk: Talk):
    talk.rules.ask_again(talk.now)
    assert talk.sends_kinds() == ["response.create"]
    talk.rules.ask_again(talk.now)  # it is asked for already
    assert talk.sends() == []


def test_nothing_is_asked_for_while_a_response_is_alive(talk: Talk):
    talk.created("r")
    talk.rules.ask_again(talk.now)
    assert talk.sends() == []


def test_a_realtime_conversation_is_given_up_elsewhere():
    async def scene() -> SpeechError:
        async with emulated() as (_, session):
            await session.restore(MEMORIES)
            await session.revive(elsewhere=False)
            await session.revive(elsewhere=True)
            return await failure_of(until(session, RemoteToolUsed))

    failure = asyncio.run(scene())
    assert (failure.code, failure.retryable) == (MODEL_SILENT, True)


def test_a_cascade_is_given_up_elsewhere():
    async def scene() -> SpeechError:
        session = await opened(Everything("Hello."))
        try:
            await session.restore(MEMORIES)
            await session.revive(elsewhere=False)
            await session.revive(elsewhere=True)
            return await failure_of(until(session, RemoteToolUsed))
        finally:
            await session.aclose()

    failure = asyncio.run(scene())
    assert (failure.code, failure.retryable) == (MODEL_SILENT, True)
