"""Runs one function for the model: checked, bounded, and never fatal to the call.

Whatever goes wrong becomes a result that the model can act on. What a tool says is data: it
reaches the model as the output of that one call and can name no function, key or address.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

import msgspec

from service.speech.port import ToolCall
from service.tools.arguments import BROKEN, read_arguments
from service.tools.port import Arguments, Command, Tool, ToolContext, ToolError

MAX_RUNNING = 8
"""At once, in one call; a model that asks for more is answered with an error."""
MAX_RESULT_BYTES = 16_384
"""Of one result: about 4,000 tokens, that every later answer pays for again."""
MAX_CALLS = 200
"""Of all functions together in one phone call."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a function call.

    Attributes:
        output: JSON for the model; empty when a command decides what it is told.
        command: what the function brings about on the call.
        word: `ok`, or the code of what went wrong.
    """

    output: str = ""
    command: Command | None = None
    word: str = "ok"


class ToolCalls:
    """The function calls of one phone call, counted.

    Attributes:
        running: how many run at this moment.
    """

    def __init__(self) -> None:
        self.running = 0
        self._strays: set[asyncio.Task[object]] = set()
        self._used: Counter[str] = Counter()

    async def run(
        self,
        tool: Tool | None,
        call: ToolCall,
        context: ToolContext,
        digits: Mapping[str, str],
    ) -> Outcome:
        """Run a function to its end, its deadline, or the end of the phone call.

        Args:
            tool: what the bot has under the name, or None.
            call: by the model.
            context: what the function may know.
            digits: what the caller has keyed in, by digit field.
        """
        self.running += 1
        try:
            result = await self._run(tool, call, context, digits)
            return _outcome_of(result)
        except ToolError as error:
            # Not the name that the model wrote: it may have written anything.
            name = tool.name if tool else "unknown"
            _log.info("a tool gave no result", extra={"tool": name, "code": error.code})
            return _failed(error)
        finally:
            self.running -= 1

    async def _run(
        self,
        tool: Tool | None,
        call: ToolCall,
        context: ToolContext,
        digits: Mapping[str, str],
    ) -> object:
        if tool is None or tool.parameters is None:
            raise ToolError("unknown_function", "there is no such function; use those you have")
        self._count(tool)
        arguments = read_arguments(call.arguments, tool.parameters)
        arguments |= _filled(tool, digits)
        try:
            return await self._in_time(tool, arguments, context)
        except ToolError:
            raise
        except Exception as error:  # a foreign function's bug must not end the call
            _log.exception("a tool failed inside", extra={"tool": tool.name})
            raise ToolError("failed", BROKEN) from error

    async def _in_time(self, tool: Tool, arguments: Arguments, context: ToolContext) -> object:
        """Return the function's result, or stop waiting for it.

        It works in a task of its own, outside of the call's group: a function that swallows its
        cancellation would hold up the end of the call for as long as it likes.
        """
        work = asyncio.create_task(_awaited(tool.run(arguments, context)))
        try:
            await asyncio.wait({work}, timeout=tool.timeout_s)
        finally:
            if not work.done():
                work.cancel()
                self._strays.add(work)
                work.add_done_callback(self._forget)
        if not work.done():
            raise ToolError("timeout", "it took too long; go on without it")
        if work.cancelled():  # by itself: what it waited for was cancelled
            raise ToolError("failed", BROKEN)
        return work.result()

    def _forget(self, stray: asyncio.Task[object]) -> None:
        self._strays.discard(stray)
        if not stray.cancelled():
            stray.exception()  # looked at, or it would be logged with its words

    def _count(self, tool: Tool) -> None:
        self._used[tool.name] += 1
        if self._used[tool.name] > tool.max_calls or self._used.total() > MAX_CALLS:
            raise ToolError("used_up", "it was used too often in this call; go on without it")
        if self.running > MAX_RUNNING:
            raise ToolError("busy", "too many functions run already; wait for their results")


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _filled(tool: Tool, digits: Mapping[str, str]) -> Arguments:
    """Return the arguments that the caller keyed in and the model never sees."""
    missing = [name for name in tool.fill.values() if name not in digits]
    if missing:
        raise ToolError("digits_missing", f"first use collect_digits for {', '.join(missing)}")
    return {argument: digits[name] for argument, name in tool.fill.items()}


def _outcome_of(result: object) -> Outcome:
    if isinstance(result, Command):
        return Outcome(command=result)
    try:
        output = msgspec.json.encode(result)
    except (TypeError, ValueError, RecursionError):
        raise ToolError("bad_answer", "its result could not be read") from None
    if len(output) > MAX_RESULT_BYTES:
        raise ToolError("too_large", "its result was too large; ask for less")
    return Outcome(output.decode())


def _failed(error: ToolError) -> Outcome:
    message = {"error": {"code": error.code, "message": error.message}}
    return Outcome(msgspec.json.encode(message).decode(), word=error.code)
