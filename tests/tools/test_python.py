import asyncio
import threading
from typing import Any

import msgspec
import pytest

from service.tools.port import (
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolError,
    ToolKind,
    TransferToAgent,
)
from service.tools.python import PythonDeclaration, PythonKind, tool
from tests.tools import python_examples

HERE = "tests.tools.python_examples"
CALL = ToolContext(call_id="c", session_id="s", conversation_id="v", bot_id="b", language="de")
AROUND = Surroundings(input_names=frozenset(), allowed_hosts=(), values={})


def make(name: str, kind: PythonKind | None = None, **keys: Any) -> Tool:
    function = name if ":" in name else f"{HERE}:{name}"
    table = {"kind": "python", "name": "work", "function": function, **keys}
    return (kind or PythonKind()).make(msgspec.convert(table, PythonDeclaration), AROUND)


def run(name: str, arguments: dict[str, Any] | None = None) -> object:
    async def scenario() -> object:
        kind = PythonKind()
        try:
            return await make(name, kind).run(arguments or {}, CALL)
        finally:
            await kind.aclose()

    return asyncio.run(scenario())


def problem(name: str) -> str:
    with pytest.raises(DeclarationError) as refused:
        make(name)
    ((key, expected),) = refused.value.problems
    assert key == "function"
    return expected


def test_the_kind_has_the_shape_of_one():
    kind: ToolKind = PythonKind()

    assert kind.declaration is PythonDeclaration


def test_a_plain_function_works_in_a_thread_of_the_kind():
    assert run("weather", {"city": "Ulm"}) == {"city": "Ulm", "language": "de"}
    assert str(run("thread")).startswith("tool_")


def test_an_async_function_works_on_the_loop():
    assert run("later", {"a": 1}) == {"a": 1}


def test_a_command_passes_as_it_is():
    assert run("to_a_person") == TransferToAgent(reason="asked")


def test_an_error_for_the_model_passes_as_it_is():
    with pytest.raises(ToolError, match="closed: The office is closed"):
        run("refuses")


def test_a_bug_stays_a_bug():
    with pytest.raises(ZeroDivisionError):
        run("breaks")


def test_an_iterator_that_ran_out_does_not_hang_the_call():
    with pytest.raises(RuntimeError, match="StopIteration"):
        run("runs_out")


@pytest.mark.parametrize(
    "by", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]
)
def test_an_exit_of_a_plain_function_is_an_ordinary_failure(by):
    with pytest.raises(RuntimeError, match=f"the function let {by.__name__} out"):
        run("leaves", {"by": by})


def test_a_result_that_is_no_json_is_a_bad_answer():
    with pytest.raises(ToolError, match="bad_answer"):
        run("gives_no_json")


def test_a_cancelled_async_function_stops():
    async def scenario() -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await make("waits").run(arguments, CALL)
        return arguments

    assert asyncio.run(scenario()) == {"stopped": True}


def test_a_cancelled_plain_function_does_not_hold_up_the_call():
    async def scenario() -> bool:
        go = threading.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await make("blocks").run({"go": go}, CALL)
        was_free = not go.is_set()
        go.set()
        return was_free

    assert asyncio.run(scenario())


def test_what_the_file_says_goes_before_what_the_function_says():
    parameters = {"type": "object", "properties": {}}
    own = make("weather", description="Mine.", parameters=parameters, max_calls=3)
    theirs = make("weather")

    assert (own.description, own.parameters, own.max_calls) == ("Mine.", parameters, 3)
    assert theirs.description == "Says the weather."
    assert theirs.parameters == python_examples.PARAMETERS


def test_a_function_without_parameters_takes_an_empty_object():
    assert make("later").parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("function", "expectation"),
    [
        ("os:system", "marked with @tool()"),
        ("builtins:eval", "marked with @tool()"),
        (f"{HERE}:not_marked", "marked with @tool()"),
        (f"{HERE}:missing", "marked with @tool()"),
        (f"{HERE}:PARAMETERS", "marked with @tool()"),
        (f"{HERE}:takes_one", "def takes_one(arguments, call)"),
        ("no_such_module_here:f", "no_such_module_here raised ModuleNotFoundError"),
        ("tests.tools.python_broken:f", "tests.tools.python_broken raised ZeroDivisionError"),
        ("tests.tools.python_leaving:f", "tests.tools.python_leaving raised SystemExit"),
        ("tests.tools.python_interrupting:f", "raised KeyboardInterrupt"),
    ],
)
def test_a_function_that_cannot_be_used_is_told_with_what_to_do(function, expectation):
    assert expectation in problem(function)


@pytest.mark.parametrize(
    "function", ["", "module", "module:", ":f", "a b:f", "m:f()", "../m:f", "m:f\n"]
)
def test_other_texts_do_not_fit_the_form(function):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "python", "name": "x", "function": function}, PythonDeclaration)


def test_a_marked_function_can_still_be_called():
    @tool()
    def double(arguments: dict[str, Any], call: ToolContext) -> object:
        return arguments["n"] * 2

    assert double({"n": 2}, CALL) == 4
