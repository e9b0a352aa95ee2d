import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("boto3")

from botocore.exceptions import ClientError, EventStreamError
from botocore.validate import ParamValidator

from service.aws_session import make_session
from service.speech.cascade_parts import (
    ChatPiece,
    ChatUsage,
    FunctionCall,
    FunctionResult,
    Message,
)
from service.speech.llm_bedrock import AnswerEvents, BedrockChatModel, request
from service.speech.port import SpeechError
from service.tools.port import Tool

MODEL = "eu.anthropic.claude-haiku"
TOOL = Tool(name="look_up", description="Looks up.", parameters={"type": "object"}, run=None)  # type: ignore[arg-type]
CALL = FunctionCall("call_1", "look_up", '{"id": 1}')
TALK = (
    Message("system", "Be brief."),
    Message("assistant", "Hello."),
    Message("user", "Where is it?"),
    Message("assistant", "One moment.", (CALL,), (FunctionResult("call_1", '{"ok":true}'),)),
    Message("system", "Say goodbye."),
)
WORDS = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "It is "}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "here."}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
]
END = [
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 20, "outputTokens": 5, "cacheReadInputTokens": 10}}},
]
CALLING = [
    {
        "contentBlockStart": {
            "start": {"toolUse": {"toolUseId": "t1", "name": "look_up"}},
            "contentBlockIndex": 1,
        }
    },
    {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"id"'}}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": ": 1}"}}, "contentBlockIndex": 1}},
]


class Events:
    """What a stream of botocore is to its reader."""

    def __init__(self, *events: Any) -> None:
        self.events = events
        self.is_closed = False

    def __iter__(self) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.is_closed = True


class Bedrock:
    """Answers with events, and checks what it is asked against botocore's own model."""

    def __init__(self, client: Any, events: Events | Exception) -> None:
        self._client, self._events = client, events
        self.asked: list[dict[str, Any]] = []

    def converse_stream(self, **asked: Any) -> dict[str, Any]:
        shape = self._client.meta.service_model.operation_model("ConverseStream").input_shape
        assert not ParamValidator().validate(asked, shape).has_errors()
        self.asked.append(asked)
        if isinstance(self._events, Exception):
            raise self._events
        return {"stream": self._events}

    def close(self) -> None:
        self._client.close()


def answer(
    events: Events | Exception, messages: Sequence[Message] = TALK, tools: Sequence[Tool] = (TOOL,)
) -> list[ChatPiece]:
    async def ask() -> list[ChatPiece]:
        mind = BedrockChatModel(make_session("eu-central-1"), MODEL)
        mind._client = Bedrock(mind._client, events)
        try:
            return [piece async for piece in mind.answer(messages, tools)]
        finally:
            await mind.aclose()

    return asyncio.run(ask())


def refusal(code: str, status: int) -> ClientError:
    told = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "ConverseStream")


def test_words_come_as_they_are_made_then_calls_then_usage():
    events = Events(*WORDS, *CALLING, *END)
    assert answer(events) == [
        "It is ",
        "here.",
        FunctionCall("t1", "look_up", '{"id": 1}'),
        ChatUsage(30, 10, 5),
    ]
    assert events.is_closed


def test_turns_alternate_and_begin_with_the_user():
    asked = request(MODEL, TALK, (TOOL,))
    assert asked["system"] == [{"text": "Be brief."}]
    assert [turn["role"] for turn in asked["messages"]] == [
        "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    *_, called, after = asked["messages"]
    assert called["content"][1]["toolUse"]["input"] == {"id": 1}
    assert after["content"][0]["toolResult"]["toolUseId"] == "call_1"
    assert after["content"][1] == {"text": "(Instruction of the service: Say goodbye.)"}
    assert asked["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {
        "json": {"type": "object"}
    }


def test_without_functions_earlier_calls_are_told_in_words():
    asked = request(MODEL, TALK, ())
    assert "toolConfig" not in asked
    assert "toolUse" not in str(asked)
    assert '(The function look_up was called and gave: {"ok":true})' in str(asked)


def test_a_conversation_of_nothing_but_orders_is_one():
    asked = request(MODEL, TALK[:1], ())
    assert asked["messages"] == [{"role": "user", "content": [{"text": "(The call begins.)"}]}]


def test_arguments_that_are_no_object_are_none():
    wrong = Message(
        "assistant", "", (FunctionCall("c", "look_up", "[1"),), (FunctionResult("c", ""),)
    )
    (_, turn, result) = request(MODEL, (wrong,), (TOOL,))["messages"]
    assert turn["content"][0]["toolUse"]["input"] == {}
    assert result["content"][0]["toolResult"]["content"] == [{"text": "null"}]


@pytest.mark.parametrize(
 ("error", "code", "retryable"),
    [
        (refusal("ThrottlingException", 429), "llm_http_429", True),
        (refusal("AccessDeniedException", 403), "llm_http_403", False),
        (OSError("4711"), "llm_unreachable", True),
        (RuntimeError("4711"), "llm_failed", True),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_an_error_of_ours(error: Exception, code: str, retryable: bool):
    with pytest.raises(SpeechError) as caught:
        answer(error)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "4711" not in repr(caught.value.__context__)


def test_a_fault_in_mid_stream_is_told_after_the_words():
    fault = EventStreamError({"Error": {"Code": "throttlingException"}}, "ConverseStream")
    events = Events(*WORDS, fault)
    with pytest.raises(SpeechError) as caught:
        answer(events)
    assert caught.value.retryable
    assert events.is_closed


def test_an_answer_that_is_cut_short_is_a_bad_one():
    with pytest.raises(SpeechError, match="llm_bad_answer"):
        answer(Events(*WORDS))


def test_a_call_without_end_is_not_collected():
    stream = AnswerEvents()
    for event in CALLING[:1]:
        stream.take(event)
    with pytest.raises(SpeechError, match="llm_bad_answer"):
        for _ in range(10):
            piece = {"delta": {"toolUse": {"input": "x" * 10_000}}, "contentBlockIndex": 1}
            stream.take({"contentBlockDelta": piece})
    assert stream.take({"contentBlockDelta": {"delta": {"toolUse": {"input": "x"}}}}) == ""
