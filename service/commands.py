"""What functions and keys bring about on the call: its end, a hand-over, a number, another bot."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from service.bots.port import Bot, BotService
from service.call_events import EndReason
from service.conversation import Conversation
from service.ending import Ending
from service.functions import CallFacts, Functions
from service.keypad import CallKeypad
from service.outputs import OutputVariables
from service.speech.port import ToolCall
from service.succession import Succession
from service.tools.port import (
    CollectDigits,
    Command,
    EndCall,
    SetOutputVariable,
    SwitchBot,
    TransferToAgent,
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """What the parts of an agent share.

    Attributes:
        bot: who speaks now.
        outputs: variables for the flow.
        facts: of the call.
        language: tag of the conversation, or None.
        bots: who may take over.
        conversation: with the provider.
        keypad: the caller's keys.
        ending: of the call.
        clock: monotonic seconds.
    """

    bot: Bot
    outputs: OutputVariables
    facts: CallFacts = CallFacts()
    language: str | None = None
    bots: BotService
    conversation: Conversation
    keypad: CallKeypad
    ending: Ending
    clock: Callable[[], float]


class Commands:
    """Carries commands out; `call` is the function call that gave one, None for a key."""

    def __init__(self, stage: Stage, functions: Functions, succession: Succession) -> None:
        self._stage = stage
        self._conversation = stage.conversation
        self._ending = stage.ending
        self._functions = functions
        self._succession = succession

    async def carry_out(self, command: Command, call: ToolCall | None) -> None:
        """Do what the command asks for, and answer the function call that gave it."""
        if objection := self._objection(command, call):
            if call:
                await self._conversation.refuse(call.call_id, *objection)
            return
        match command:
            case EndCall():
                await self._end("bot_completed", self._stage.bot.farewell, call)
            case TransferToAgent():
                await self._transfer(command, call)
            case CollectDigits():
                await self._collect(command, call)
            case SwitchBot():
                await self._switch(command, call)
            case SetOutputVariable():
                await self._set_output(command, call)
            case _:
                assert_never(command)

    def _objection(self, command: Command, call: ToolCall | None) -> tuple[str, str] | None:
        """Return why a command comes at the wrong moment, if it does: a code, and words."""
        if isinstance(command, CollectDigits | SwitchBot) and self._ending.is_under_way:
            return "ending", "the call ends now"
        if isinstance(command, EndCall) and call and self._conversation.is_caller_speaking:
            return "interrupted", "the caller speaks again"
        return None

    async def _transfer(self, command: TransferToAgent, call: ToolCall | None) -> None:
        if not self._ending.is_under_way:  # else the first reason stays
            self._stage.outputs.note_transfer(
                reason=command.reason, summary=command.summary, target=command.target
            )
        await self._end("transfer", self._stage.bot.handover, call)

    async def _end(self, reason: EndReason, last_words: str, call: ToolCall | None) -> None:
        """Begin the end; a model that has said goodbye before it called need not say it twice."""
        has_spoken = call is not None and call.has_spoken
        self._ending.begin(
            reason, self._stage.clock(), is_asked=call is not None, is_said=has_spoken
        )
        if call:
            await self._functions.abandon(but=call.call_id)
        if call and not has_spoken:
            await self._conversation.answer(call.call_id, {"ok": True}, then_say=last_words)

    async def _collect(self, command: CollectDigits, call: ToolCall | None) -> None:
        if call is None:
            return  # no key asks for keys
        wanted = self._stage.bot.digit_fields.get(command.field_name)
        if wanted is None:
            await self._conversation.refuse(call.call_id, "unknown_field", "no such number")
        elif superseded := self._stage.keypad.ask(wanted, call.call_id, self._stage.clock()):
            await self._conversation.refuse(superseded, "superseded", "another number is awaited")

    async def _switch(self, command: SwitchBot, call: ToolCall | None) -> None:
        call_id = call.call_id if call else None
        stage = self._stage
        if not stage.bots.knows(command.bot_id):  # its file has gone meanwhile
            await self._succession.refuse(call_id)
            return
        bot = stage.bots.get_bot(command.bot_id, stage.facts.input_variables, stage.language)
        bot = await self._functions.with_schemas(bot)
        await self._succession.begin(bot, call_id, command.reason)

    async def _set_output(self, command: SetOutputVariable, call: ToolCall | None) -> None:
        is_set = self._stage.outputs.set(command.name, command.value)
        if call and is_set:
            await self._conversation.answer(call.call_id, {"ok": True})
        elif call:
            await self._conversation.refuse(call.call_id, "unknown_variable", "no such variable")
