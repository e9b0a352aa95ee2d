"""Runs one function for the model: checked, bounded, and never fatal to the call.

Whatever goes wrong becomes a result that the model can act on. What a tool says is data: it
reaches the model as the output of that one call and can name no function, key or address. What
the caller keyed in is masked, should a tool repeat it.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, fields, replace

import msgspec

from service.audiohook.variables import MAX_OUTPUT_CHARS
from service.outputs import MASK
from service.speech.port import ToolCall
from service.tools.arguments import BROKEN, read_arguments
from service.tools.port import Arguments, Command, Tool, ToolContext, ToolError

MAX_RUNNING = 8
"""At once, in one call; a model that asks for more is answered with an error."""
MAX_RESULT_BYTES = 16_384
"""Of one result: about 4,000 tokens, that every later answer pays for again."""
MAX_CALLS = 200
"""Of all functions together in one phone call."""

MAX_MESSAGE_CHARS = 500
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")

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
            outcome = _outcome_of(await self._run(tool, call, context, digits))
        except ToolError as error:
            outcome = _failed(error)
            # Not the name that the model wrote: it may have written anything.
            name = tool.name if tool else "unknown"
            _log.info("a tool gave no result", extra={"tool": name, "code": outcome.word})
        finally:
            self.running -= 1
        return _without_digits(outcome, _filled(tool, digits) if tool else {})

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
        filled = _filled(tool, digits)
        if missing := tool.fill.keys() - filled.keys():
            names = ", ".join(sorted(tool.fill[argument] for argument in missing))
            raise ToolError("digits_missing", f"first use collect_digits for {names}")
        arguments |= filled
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
    try:
        return await result
    except SystemExit:  # it would end the service, with the calls of others
        raise RuntimeError("a tool asked the process to end") from None


def _filled(tool: Tool, digits: Mapping[str, str]) -> Arguments:
    """Return the arguments that the caller has keyed in and the model never sees."""
    return {argument: digits[name] for argument, name in tool.fill.items() if name in digits}


def _outcome_of(result: object) -> Outcome:
    if isinstance(result, Command):
        _check_command(result)
        return Outcome(command=result)
    try:
        output = msgspec.json.encode(result)
    except (TypeError, ValueError, RecursionError):
        raise ToolError("bad_answer", "its result could not be read") from None
    if len(output) > MAX_RESULT_BYTES:
        raise ToolError("too_large", "its result was too large; ask for less")
    return Outcome(output.decode())


def _check_command(command: Command) -> None:
    """Do nothing when a function of ours or of others gave texts where texts are wanted.

    Raises:
        ToolError: it did not.
    """
    values = [getattr(command, member.name) for member in fields(command)]
    if not all(isinstance(value, str) and len(value) <= MAX_OUTPUT_CHARS for value in values):
        raise ToolError("bad_answer", "its result could not be read")


def _failed(error: ToolError) -> Outcome:
    """Return an error for the model; whoever raised it may have put in anything."""
    is_code = isinstance(error.code, str) and _CODE.fullmatch(error.code)
    code = error.code if is_code else "failed"
    text = str(error.message).encode(errors="replace").decode()[:MAX_MESSAGE_CHARS]
    message = {"error": {"code": code, "message": text}}
    return Outcome(msgspec.json.encode(message).decode(), word=code)


def _without_digits(outcome: Outcome, filled: Arguments) -> Outcome:
    """Return the outcome without what the caller keyed in: a tool may repeat what it was given."""
    if not filled or not outcome.output:
        return outcome
    alternatives = "|".join(re.escape(digits) for digits in filled.values())
    keyed = re.compile(rf"(?<!\d)(?:{alternatives})(?!\d)")
    try:
        value = _masked(msgspec.json.decode(outcome.output), keyed)
    except RecursionError:  # nested as no answer that means something
        return _failed(ToolError("bad_answer", "its result could not be read"))
    return replace(outcome, output=msgspec.json.encode(value).decode())


def _masked(value: object, keyed: re.Pattern[str]) -> object:
    match value:
        case str():
            return keyed.sub(MASK, value)
        case list():
            return [_masked(item, keyed) for item in value]
        case dict():
            return {_masked(key, keyed): _masked(item, keyed) for key, item in value.items()}
        case int() | float() if keyed.fullmatch(str(value)):
            return MASK
        case _:
            return value
