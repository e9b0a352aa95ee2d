"""Tools that are Python functions of whoever runs the service. See README.md beside this file.

Only functions that are marked with `tool` can be named in a bot's file: a file cannot reach any
other code.
"""

import asyncio
import contextvars
import importlib
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from service.tools.json_values import checked
from service.tools.port import (
    Arguments,
    Command,
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolDeclaration,
)

MAX_THREADS = 16
"""Plain functions that run at once. They have threads of their own: one that hangs must not keep
the service from looking up hosts or reading files."""

Function = Callable[[Arguments, ToolContext], object]
"""Returns a JSON value or a `Command`, or a coroutine of one; raises `ToolError`."""


@dataclass(frozen=True, slots=True)
class MarkedFunction:
    """A function that bots' files may name. Calling it calls the function.

    Attributes:
        function: does the work.
        description: for the model, where the file has none.
        parameters: JSON Schema of an object, where the file has none.
    """

    function: Function
    description: str = ""
    parameters: dict[str, Any] | None = None

    def __call__(self, arguments: Arguments, call: ToolContext) -> object:
        """Do what the function does."""
        return self.function(arguments, call)


def tool(
    *, description: str = "", parameters: dict[str, Any] | None = None
) -> Callable[[Function], MarkedFunction]:
    """Mark a function as one that bots' files may name."""

    def mark(function: Function) -> MarkedFunction:
        return MarkedFunction(function, description, parameters)

    return mark


class PythonDeclaration(ToolDeclaration, kw_only=True):
    """A `[[tools]]` table of the kind `python`: `function` is `package.module:name`."""

    function: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z", max_length=256)
    ]


class PythonKind:
    """Makes tools of marked functions; plain ones run in threads, async ones on the loop."""

    declaration = PythonDeclaration

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="tool")

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        """Return the tool; see `ToolKind`. Imports the module of the function."""
        del surroundings
        marked = _found(declared.function)
        parameters = declared.parameters or marked.parameters
        return Tool(
            name=declared.name,
            description=declared.description or marked.description,
            parameters=parameters or {"type": "object", "properties": {}},
            run=_PythonWork(marked.function, self._threads).run,
            timeout_s=declared.timeout_s,
            announce_after_s=declared.announce_after_s,
            max_calls=declared.max_calls,
            fill=declared.fill,
        )

    async def aclose(self) -> None:
        """Begin no further function; those that run in threads cannot be stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _PythonWork:
    """What one tool does when it is called."""

    def __init__(self, function: Function, threads: ThreadPoolExecutor) -> None:
        self._function = function
        self._threads = threads

    async def run(self, arguments: Arguments, call: ToolContext) -> object:
        """See `Run`."""
        if inspect.iscoroutinefunction(self._function):
            result = await self._function(arguments, call)
        else:
            result = await self._in_thread(arguments, call)
        return result if isinstance(result, Command) else checked(result)

    def _in_thread(self, arguments: Arguments, call: ToolContext) -> Awaitable[object]:
        context = contextvars.copy_context()

        def work() -> object:
            try:
                return context.run(self._function, arguments, call)
            except BaseException as error:
                if isinstance(error, Exception) and not isinstance(error, StopIteration):
                    raise
                # On the loop an exit would end the process, and a cancellation would look like
                # one of ours; StopIteration no future can carry: who waits would wait for ever.
                raise RuntimeError(f"the function let {type(error).__name__} out") from error

        return asyncio.get_running_loop().run_in_executor(self._threads, work)


def _found(path: str) -> MarkedFunction:
    module_name, _, name = path.partition(":")
    try:
        marked = getattr(importlib.import_module(module_name), name, None)
    except BaseException as error:
        # Foreign code may raise anything, an exit too; a bot's file must not stop the service.
        problem = f"a module that can be imported; {module_name} raised {type(error).__name__}"
        raise DeclarationError([("function", problem)]) from error
    if not isinstance(marked, MarkedFunction):
        problem = f"{name} in {module_name}, marked with @tool() of service.tools.python"
        raise DeclarationError([("function", problem)])
    if not _takes_two(marked.function):
        problem = f"def {name}(arguments, call); it takes other parameters"
        raise DeclarationError([("function", problem)])
    return marked


def _takes_two(function: Function) -> bool:
    try:
        inspect.signature(function).bind({}, None)
    except (TypeError, ValueError):
        return False
    return True
