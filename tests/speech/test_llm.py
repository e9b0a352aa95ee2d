import json

import pytest

from scripts.emulators.brains import CallTool, Dialogue, Rule, Speak
from scripts.emulators.speech_http import LLM, Fault
from service.speech.cascade_parts import ChatUsage, FunctionCall, FunctionResult, Message
from service.speech.llm import MAX_ARGUMENTS_CHARS, MAX_LINE_BYTES, AnswerStream, HttpChatModel
from service.speech.port import SpeechError
from tests.plain_bot import PLAIN_BOT
from tests.speech.http_services import run, services

DIALOGUE = Dialogue(
    greeting="Welcome.",
    default="Certainly.",
    silence="Hm?",
    rules=(
        Rule(
            ("person",),
            (
                Speak("I will connect you."),
                CallTool("transfer_to_agent", {"reason": "asked", "summary": "x"}),
                CallTool("end_call", {"reason": "done"}),
            ),
        ),
    ),
)
ORDERS = Message("system", "Be kind.")


def ask(messages, tools=(), faults: tuple[Fault, ...] = ()):
    async def work():
        async with services(path=LLM, faults=faults, dialogue=DIALOGUE) as (running, web):
            model = HttpChatModel(web, "mind")
            return [it async for it in model.answer(messages, tools)], running.asked(LLM)

    return run(work)


def read(*lines: str, size: int = 7):
    stream, data = AnswerStream(), "".join(f"{line}\n" for line in lines).encode()
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return [word for piece in pieces for word in stream.read(piece)], stream.finish()


def test_words_calls_and_usage_come_in_order():
    pieces, _ = ask([ORDERS, Message("user", "A person, please")], PLAIN_BOT.tools)

    assert "".join(it for it in pieces if isinstance(it, str)) == "I will connect you. "
    assert pieces[-3:] == [
        FunctionCall("call_0", "transfer_to_agent", '{"reason": "asked", "summary": "x"}'),
        FunctionCall("call_1", "end_call", "{}"),
        ChatUsage(100, 60, 10),
    ]


def test_the_request_has_the_conversation_and_the_functions():
    call = FunctionCall("c1", "end_call", "{}")
    messages = [
        ORDERS,
        Message("user", "Bye"),
        Message("assistant", "Goodbye.", (call,), (FunctionResult("c1", '"ok"'),)),
    ]
    _, (request,) = ask(messages, PLAIN_BOT.tools[:1])
    asked = request.json

    tool = PLAIN_BOT.tools[0]
    assert (asked["model"], asked["stream"]) == ("mind", True)
    assert [it["role"] for it in asked["messages"]] == ["system", "user", "assistant", "tool"]
    assert asked["messages"][2]["tool_calls"][0]["function"] == {
        "name": "end_call",
        "arguments": "{}",
    }
    assert asked["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": '"ok"'}
    assert asked["tools"][0]["function"]["parameters"] == tool.parameters


def test_a_call_without_words_has_no_empty_text():
    call = FunctionCall("c1", "end_call", "{}")
    _, (request,) = ask([ORDERS, Message("assistant", "", (call,), (FunctionResult("c1", "1"),))])

    assert request.json["messages"][1]["content"] is None


def test_without_functions_none_are_named():
    _, (request,) = ask([ORDERS])

    assert "tools" not in request.json


@pytest.mark.parametrize("faults", [("nonsense",), ("cut",)])
def test_what_is_no_whole_answer_is_an_error(faults: tuple[Fault, ...]):
    with pytest.raises(SpeechError) as caught:
        ask([ORDERS], faults=faults)
    assert caught.value.retryable


def test_a_stream_is_read_whatever_its_pieces():
    lines = (
        ": keep alive",
        'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}',
        "",
        'data:{"choices":[{"delta":{"content":"Grüße"}}],"usage":null}',
        'data: {"choices":[]}',
        "data: [DONE]",
    )

    for size in (1, 5, 1_000):
        assert read(*lines, size=size) == (["Grüße"], [])


def test_an_answer_that_ends_too_early_is_not_trusted():
    call = {"index": 0, "id": "c", "function": {"name": "pay", "arguments": '{"amount": 1'}}
    line = json.dumps({"choices": [{"delta": {"tool_calls": [call]}}]})

    with pytest.raises(SpeechError, match="llm_bad_answer"):
        read(f"data: {line}")


def test_an_error_in_the_middle_of_a_stream_is_one():
    with pytest.raises(SpeechError, match="llm_failed"):
        read('data: {"error":{"message":"the secret 4711"}}')


def test_a_stream_without_bounds_is_given_up():
    stream = AnswerStream()
    with pytest.raises(SpeechError, match="llm_bad_answer"):
        stream.read(b"x" * (MAX_LINE_BYTES + 1))

    long = {"index": 0, "function": {"arguments": "x" * (MAX_ARGUMENTS_CHARS + 1)}}
    line = json.dumps({"choices": [{"delta": {"tool_calls": [long]}}]})
    with pytest.raises(SpeechError, match="llm_bad_answer"):
        read(f"data: {line}", size=1_000_000)
