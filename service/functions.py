"""The functions that the model calls in one phone call, each running beside it.

Audio, pings and interruptions go on meanwhile. A function that takes long is announced once; all of
them end with the call.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from service.bots.port import Bot
from service.call_events import ToolUse
from service.conversation import Conversation
from service.speech.port import LISTING, RemoteToolUsed, ToolCall
from service.tool_calls import Outcome, ToolCalls
from service.tools.arguments import compiled
from service.tools.port import Command, Tool, ToolContext, ToolError
from service.turns import Turns

FETCH_S = 2.0
"""For the schema of a function to be fetched; without it the function is left out."""
LOOK_S = 0.2
"""How often a slow function is looked at until it is announced: it must not cut into speech."""

CarryOut = Callable[[Command, ToolCall | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when it opens.

    Attributes:
        session_id: of AudioHook.
        conversation_id: of Genesys Cloud.
        input_variables: all that the flow sent; each bot takes those it allows.
        opened_at: monotonic seconds.
        max_call_s: the deployment's limit.
    """

    session_id: str = ""
    conversation_id: str = ""
    input_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    opened_at: float = 0.0
    max_call_s: float = math.inf


class Functions:
    """Runs them as tasks of the call; `carry_out` does what their commands ask for.

    `may_announce` tells whether the agent may say at this moment that something takes long.

    Attributes:
        tasks: of the call; None before it talks and once it is over.
        facts: of the call.
    """

    def __init__(
        self,
        turns: Turns,
        conversation: Conversation,
        *,
        carry_out: CarryOut,
        may_announce: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self.tasks: asyncio.TaskGroup | None = None
        self.facts = CallFacts()
        self._turns = turns
        self._conversation = conversation
        self._carry_out = carry_out
        self._may_announce = may_announce
        self._clock = clock
        self._calls = ToolCalls()
        self._working: dict[str, asyncio.Task[Outcome]] = {}
        self._has_announced = False

    @property
    def are_running(self) -> bool:
        """True while a function works."""
        return self._calls.running > 0

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the call; nothing any more once it is over."""
        if self.tasks is None:
            work.close()
        else:
            self.tasks.create_task(work)

    async def run(
        self, call: ToolCall, bot: Bot, *, language: str | None, digits: dict[str, str]
    ) -> None:
        """Run a function and give its result to the model, or its command to the call."""
        if self.tasks is None:
            return  # the call was over before this could begin
        tool = next((tool for tool in bot.tools if tool.name == call.name), None)
        context = ToolContext(
            call_id=call.call_id,
            session_id=self.facts.session_id,
            conversation_id=self.facts.conversation_id,
            bot_id=bot.bot_id,
            language=language,
            inputs=bot.inputs,
        )
        task = self.tasks.create_task(self._calls.run(tool, call, context, digits))
        self._working[call.call_id] = task
        try:
            outcome = await self._receipted(tool, self._watched(tool, task, bot.waiting))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            return  # abandoned
        finally:
            del self._working[call.call_id]
        if outcome.command is not None:
            await self._carry_out(outcome.command, call)
        else:
            await self._conversation.answer(call.call_id, msgspec.Raw(outcome.output))

    async def abandon(self, *, but: str = "") -> None:
        """Stop all functions except for the call `but`, and let the model wait for none."""
        for call_id, task in self._working.items():
            if call_id != but:
                task.cancel()
        await self._conversation.abandon_calls(but=but)

    def used_remotely(self, use: RemoteToolUsed, bot: Bot) -> None:
        """Note a function that the provider ran itself, by names that the bot has allowed."""
        allowed = {
            (server.label, name)
            for server in bot.mcp_servers
            for name in (*server.allowed_tools, LISTING)
        }
        is_known = (use.server, use.name) in allowed
        self._turns.receipt.add_tool_use(
            ToolUse(
                name=use.name if is_known else "unknown",
                server=use.server if is_known else "unknown",
                at_ms=self._turns.ms(self._clock()),
                outcome=use.outcome,
            )
        )

    async def with_schemas(self, bot: Bot) -> Bot:
        """Return the bot with the schemas of all its functions; what cannot be had is left out."""
        if all(tool.parameters is not None for tool in bot.tools):
            return bot
        found = await asyncio.gather(*(self._with_schema(tool) for tool in bot.tools))
        return replace(bot, tools=tuple(tool for tool in found if tool))

    async def _with_schema(self, tool: Tool) -> Tool | None:
        if tool.parameters is not None:
            return tool
        if parameters := await _fetched(tool):
            return replace(tool, parameters=parameters)
        self._turns.receipt.add_error(f"tool_without_schema:{tool.name}")
        return None

    async def _receipted(self, tool: Tool | None, work: Awaitable[Outcome]) -> Outcome:
        """Wait for an outcome and note it; a function that the end of the call cut is noted too."""
        began, word = self._clock(), "cancelled"
        receipt = self._turns.receipt
        receipt.answers.tool_began(self._turns.ms(began))
        try:
            outcome = await work
            word = outcome.word
            return outcome
        finally:
            receipt.answers.tool_ended(self._turns.ms(self._clock()))
            receipt.add_tool_use(
                ToolUse(
                    name=tool.name if tool else "unknown",
                    at_ms=self._turns.ms(began),
                    duration_ms=round((self._clock() - began) * 1_000),
                    outcome=word,
                )
            )

    async def _watched(
        self, tool: Tool | None, task: asyncio.Task[Outcome], instruction: str
    ) -> Outcome:
        if tool:
            await self._announce_if_slow(tool, task, instruction)
        outcome = await task
        self._has_announced = self._has_announced and self.are_running
        return outcome

    async def _announce_if_slow(
        self, tool: Tool, task: asyncio.Task[Outcome], instruction: str
    ) -> None:
        """Let the agent say, once, that it takes a moment: the line must not seem dead."""
        await asyncio.wait({task}, timeout=tool.announce_after_s)
        while not task.done() and not self._has_announced:
            if self._may_announce():
                self._has_announced = True
                await self._conversation.say(instruction, may_use_tools=False)
            else:
                await asyncio.wait({task}, timeout=LOOK_S)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _fetched(tool: Tool) -> dict[str, Any] | None:
    if tool.fetch_parameters is None:
        return None
    try:
        async with asyncio.timeout(FETCH_S):
            parameters = await tool.fetch_parameters()
        compiled(parameters)  # a provider that meets a bad schema refuses the whole session
    except (ToolError, TimeoutError, ValueError):
        return None
    return parameters
