import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from service.speech.port import ToolCall
from service.tool_calls import MAX_CALLS, MAX_RESULT_BYTES, MAX_RUNNING, Outcome, ToolCalls
from service.tools.arguments import BROKEN
from service.tools.port import (
    Arguments,
    CollectDigits,
    Command,
    EndCall,
    SetOutputVariable,
    SwitchBot,
    Tool,
    ToolContext,
    ToolError,
    TransferToAgent,
)
from tests.emulators.realtime_client import run

CONTEXT = ToolContext(call_id="call_1", session_id="s", conversation_id="c", bot_id="bank")
ORDER = {
    "type": "object",
    "properties": {"size": {"type": "string"}},
    "required": ["size"],
}


class Work:
    """A function that does what a test wants, and keeps what it was given."""

    def __init__(self, deed: Callable[[], Any] = lambda: {"ok": True}) -> None:
        self._deed = deed
        self.given: list[tuple[Arguments, ToolContext]] = []

    async def __call__(self, arguments: Arguments, context: ToolContext) -> object:
        self.given.append((arguments, context))
        result = self._deed()
        return await result if asyncio.iscoroutine(result) else result

    def tool(self, **changes: Any) -> Tool:
        tool = Tool(name="order", description="", parameters=ORDER, run=self)
        return replace(tool, **changes)


def raises(error: BaseException) -> Callable[[], object]:
    def deed() -> object:
        raise error

    return deed


def outcome_of(
    tool: Tool | None,
    arguments: str = '{"size": "small"}',
    digits: Mapping[str, str] | None = None,
    calls: ToolCalls | None = None,
) -> Outcome:
    call = ToolCall("call_1", "order", arguments)
    return run((calls or ToolCalls()).run(tool, call, CONTEXT, digits or {}))


def error_of(outcome: Outcome) -> dict[str, str]:
    error: dict[str, str] = json.loads(outcome.output)["error"]
    assert error["code"] == outcome.word
    return error


def test_a_function_gets_its_arguments_and_its_call():
    work = Work()

    outcome = outcome_of(work.tool())

    assert outcome == Outcome('{"ok":true}')
    assert work.given == [({"size": "small"}, CONTEXT)]


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (None, "null"),
        ("words", '"words"'),
        ([1, 2.5, True], "[1,2.5,true]"),
        ({"a": {"b": "ü"}}, '{"a":{"b":"ü"}}'),
        (2**70, str(2**70)),
    ],
)
def test_any_json_value_is_a_result(result: object, output: str):
    assert outcome_of(Work(lambda: result).tool()).output == output


def test_a_command_is_for_the_call_and_not_for_the_model():
    outcome = outcome_of(Work(lambda: EndCall()).tool())

    assert outcome == Outcome(command=EndCall())


def _endless() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    "result", [object(), {("a", "b"): 1}, "\ud800", _endless()], ids=["object", "key", "text", "∞"]
)
def test_a_result_that_is_no_json_is_an_error(result: object):
    assert error_of(outcome_of(Work(lambda: result).tool()))["code"] == "bad_answer"


@pytest.mark.parametrize(("chars", "word"), [(MAX_RESULT_BYTES - 2, "ok"), (MAX_RESULT_BYTES, "")])
def test_a_result_beyond_the_bound_is_an_error(chars: int, word: str):
    outcome = outcome_of(Work(lambda: "x" * chars).tool())

    assert outcome.word == (word or "too_large")
    assert len(outcome.output) <= MAX_RESULT_BYTES


@pytest.mark.parametrize("tool", [None, Work().tool(parameters=None)], ids=["none", "no schema"])
def test_a_function_that_is_not_there_is_an_error(tool: Tool | None):
    assert error_of(outcome_of(tool))["code"] == "unknown_function"


@pytest.mark.parametrize("arguments", ["", "{}", "{", '{"size": 5}', "[]"])
def test_arguments_are_checked_before_anything_runs(arguments: str):
    work = Work()

    outcome = outcome_of(work.tool(), arguments)

    assert error_of(outcome)["code"] == "invalid_arguments"
    assert work.given == []


def test_a_bad_schema_does_not_end_the_call():
    tool = Work().tool(parameters={"type": "colour"})

    assert error_of(outcome_of(tool)) == {"code": "failed", "message": BROKEN}


def test_what_a_function_says_of_its_failure_is_told():
    tool = Work(raises(ToolError("no_such_account", "ask for the number again"))).tool()

    assert error_of(outcome_of(tool)) == {
        "code": "no_such_account",
        "message": "ask for the number again",
    }


@pytest.mark.parametrize(
    "bug",
    [ValueError("secret"), KeyError("secret"), RecursionError(), ExceptionGroup("", [OSError()])],
)
def test_a_bug_of_a_function_is_told_without_its_words(bug: Exception):
    assert error_of(outcome_of(Work(raises(bug)).tool())) == {"code": "failed", "message": BROKEN}


def test_a_function_that_was_cancelled_by_itself_is_answered_all_the_same():
    """Or the model would wait for ever for something that nobody does any more."""
    tool = Work(raises(asyncio.CancelledError())).tool()

    assert error_of(outcome_of(tool)) == {"code": "failed", "message": BROKEN}


def test_a_function_that_hangs_is_given_up_at_its_deadline():
    async def timed() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        tool = Work(lambda: asyncio.sleep(3_600)).tool(timeout_s=7.0)
        outcome = await ToolCalls().run(tool, ToolCall("1", "order", '{"size":""}'), CONTEXT, {})
        return outcome.word, loop.time() - began

    word, took_s = run(timed())
    assert word == "timeout"
    assert took_s == pytest.approx(7.0)


def test_the_end_of_the_call_is_no_failure_of_the_function():
    calls = ToolCalls()

    async def hang_up() -> bool:
        tool = Work(lambda: asyncio.sleep(3_600)).tool()
        call = ToolCall("1", "order", '{"size":""}')
        task = asyncio.create_task(calls.run(tool, call, CONTEXT, {}))
        await asyncio.sleep(1)
        assert calls.running == 1
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert run(hang_up())
    assert calls.running == 0


# Digits that the caller keyed in.


def test_keyed_digits_are_put_in_by_the_service():
    work = Work()
    tool = work.tool(fill={"account": "account_number"})

    outcome = outcome_of(tool, digits={"account_number": "4711", "pin": "0815"})

    assert outcome.word == "ok"
    assert work.given[0][0] == {"size": "small", "account": "4711"}


def test_the_model_cannot_write_what_the_caller_should_key_in():
    work = Work()
    tool = work.tool(fill={"account": "account_number"})

    outcome_of(tool, '{"size": "small", "account": "1"}', {"account_number": "4711"})

    assert work.given[0][0]["account"] == "4711"


def test_digits_that_were_not_keyed_in_are_to_be_collected_first():
    work = Work()
    tool = work.tool(fill={"account": "account_number", "code": "pin"})

    error = error_of(outcome_of(tool, digits={"account_number": "4711"}))

    assert error["code"] == "digits_missing"
    assert "pin" in error["message"]
    assert "account_number" not in error["message"]
    assert work.given == []


# Bounds.


def test_a_function_has_its_own_bound_in_a_call():
    calls, work = ToolCalls(), Work()
    tool = work.tool(max_calls=2)

    words = [outcome_of(tool, calls=calls).word for _ in range(4)]

    assert words == ["ok", "ok", "used_up", "used_up"]
    assert len(work.given) == 2


def test_all_functions_together_have_a_bound_in_a_call():
    calls = ToolCalls()
    for number in range(MAX_CALLS):
        outcome_of(Work().tool(name=f"f{number}"), calls=calls)

    assert outcome_of(Work().tool(), calls=calls).word == "used_up"


def test_only_so_many_functions_run_at_once():
    calls = ToolCalls()
    tool = Work(lambda: asyncio.sleep(5)).tool(max_calls=100)
    call = ToolCall("1", "order", '{"size":""}')

    async def all_at_once() -> list[Outcome]:
        runs = [calls.run(tool, call, CONTEXT, {}) for _ in range(MAX_RUNNING + 2)]
        return await asyncio.gather(*runs)

    words = [outcome.word for outcome in run(all_at_once())]

    assert words == ["ok"] * MAX_RUNNING + ["busy"] * 2
    assert calls.running == 0


# What is written about it.


def test_a_name_that_the_model_made_up_is_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="service")

    run(ToolCalls().run(None, ToolCall("1", "call_555_0199", "{}"), CONTEXT, {}))

    (record,) = caplog.records
    assert vars(record)["tool"] == "unknown"
    assert "0199" not in str(vars(record))


def test_arguments_digits_and_results_are_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="service")
    tool = Work(raises(ToolError("declined", "0815"))).tool(fill={"account": "account_number"})

    outcome_of(tool, '{"size": "medium"}', {"account_number": "4711"})

    (record,) = caplog.records
    assert (vars(record)["tool"], vars(record)["code"]) == ("order", "declined")
    assert not any(word in str(vars(record)) for word in ("medium", "4711", "0815"))


def test_a_function_that_will_not_be_cancelled_is_left_behind_at_its_deadline():
    ended: list[float] = []

    async def stubborn() -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + 100
        while loop.time() < until:
            try:
                await asyncio.sleep(until - loop.time())
            except asyncio.CancelledError:
                continue
        ended.append(loop.time())

    async def call() -> tuple[Outcome, float]:
        began = asyncio.get_running_loop().time()
        calls = ToolCalls()
        tool = Work(stubborn).tool(timeout_s=2.0)
        outcome = await calls.run(tool, ToolCall("c", "order", '{"size":"s"}'), CONTEXT, {})
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(200)  # it comes to its end, of which nobody hears
        return outcome, took

    outcome, took = run(call())

    assert outcome.word == "timeout"
    assert took == pytest.approx(2.0)
    assert len(ended) == 1


def test_a_function_that_fails_after_its_deadline_is_not_heard_of(
    caplog: pytest.LogCaptureFixture,
):
    async def late() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise RuntimeError("the caller's words")

    async def call() -> Outcome:
        tool = Work(late).tool(timeout_s=1.0)
        outcome = await ToolCalls().run(tool, ToolCall("c", "order", '{"size":"s"}'), CONTEXT, {})
        await asyncio.sleep(1)
        return outcome

    assert run(call()).word == "timeout"
    assert "words" not in caplog.text


# Whoever writes a function may get anything wrong.


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ToolError("failed", RuntimeError("inner")), "failed"),  # type: ignore[arg-type]
        (ToolError(404, "not there"), "failed"),  # type: ignore[arg-type]
        (ToolError("Ann Smith, 4711", "x"), "failed"),
        (ToolError("failed", "half a pair \ud800"), "failed"),
        (ToolError("closed", "x" * 1_000_000), "closed"),
    ],
    ids=["message-is-no-text", "code-is-no-text", "code-is-no-code", "no-utf8", "endless"],
)
def test_an_odd_error_is_told_in_an_orderly_way(error: ToolError, code: str):
    outcome = outcome_of(Work(raises(error)).tool())

    assert outcome.word == code
    assert len(outcome.output) < 700
    assert error_of(outcome)["code"] == code


@pytest.mark.parametrize(
    "command",
    [
        SetOutputVariable("MOOD", 5),  # type: ignore[arg-type]
        SetOutputVariable(["x"], "y"),  # type: ignore[arg-type]
        CollectDigits(["x"]),  # type: ignore[arg-type]
        SwitchBot("loans", None),  # type: ignore[arg-type]
        TransferToAgent("x" * 4_001),
    ],
)
def test_a_command_whose_members_are_no_texts_is_a_bad_answer(command: Command):
    assert outcome_of(Work(lambda: command).tool()).word == "bad_answer"


def test_a_function_cannot_end_the_process():
    assert outcome_of(Work(raises(SystemExit(3))).tool()).word == "failed"


def test_a_function_that_repeats_what_was_keyed_in_does_not_show_it_to_the_model():
    given = {"note": "account 4711 not found", "sum": 4711, "other": "147110", "of": ["4711"]}
    tool = Work(lambda: given).tool(fill={"account": "account_number"})

    outcome = outcome_of(tool, digits={"account_number": "4711"})

    assert json.loads(outcome.output) == {
        "note": "account [masked] not found",
        "sum": "[masked]",
        "other": "147110",
        "of": ["[masked]"],
    }
