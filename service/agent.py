"""The bot at work on one call: what it does besides hearing and speaking.

It begins the conversation, carries out what functions and keys ask for, lets callers key in
numbers, minds silence and time, and makes way for another bot. `service.call` drives it and owns
the line; the parts are `conversation`, `functions`, `keypad`, `manners`, `succession`, `outputs`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import assert_never

from service.alarm import Alarm
from service.audiohook import messages as hook
from service.bots.port import Bot, BotService
from service.call_events import EndReason
from service.conversation import Conversation
from service.ending import Ending
from service.functions import CallFacts, Functions
from service.keypad import AskedEntry, CallKeypad, KeyCommand, UnaskedEntry
from service.manners import Manners
from service.outputs import OutputVariables
from service.speech import port as speech
from service.succession import Succession
from service.tools import port as tools
from service.turns import Turns


class Agent:
    """One bot after the other, on one call.

    Attributes:
        bot: who speaks now.
        keypad: the caller's keys.
        outputs: what the flow gets back.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        bots: BotService,
        turns: Turns,
        ending: Ending,
        stop_speech: Callable[[float], Awaitable[None]],
        wake: Alarm,
        clock: Callable[[], float],
    ) -> None:
        """Wait for the call to open.

        `bot` will answer, as far as it is known, and others of `bots` may; `turns` and `ending`
        are the call's. `stop_speech` cuts what the caller hears at a moment, `wake` is rung to
        have `on_time` called soon, `clock` gives monotonic seconds.
        """
        self.bot = bot
        self.keypad = CallKeypad(bot.keypad)
        self.outputs = OutputVariables(bot.outputs)
        self._facts = CallFacts()
        self._language = bot.language
        self._bots = bots
        self._turns = turns
        self._ending = ending
        self._stop_speech = stop_speech
        self._wake = wake
        self._clock = clock
        self._manners = Manners(bot)
        self._conversation = Conversation()
        self._functions = Functions(
            turns,
            self._conversation,
            carry_out=self._carry_out,
            may_announce=self._may_announce,
            clock=clock,
        )
        self._succession = Succession(self._conversation, turns.receipt, clock=clock)
        self._is_held = self._must_forget_caller = self._must_stop = False
        self._was_line_free = False

    # The conversation begins and ends.

    def open(self, path: str, facts: CallFacts, language: str | None) -> Bot:
        """Return the bot as the flow's variables make it.

        Args:
            path: the Connector ID.
            facts: of the call.
            language: tag that the caller's side named, or None.
        """
        self._facts = self._functions.facts = facts
        self._manners.begin(facts.opened_at, facts.max_call_s)
        bot = self._bots.get_bot(path, facts.input_variables, language)
        self._language = bot.language
        self.outputs = OutputVariables(bot.outputs)
        self._become(bot)
        return bot

    async def prepare(self) -> Bot:
        """Return the bot as the provider should know it."""
        self.bot = await self._functions.with_schemas(self.bot)
        return self.bot

    async def begin(self, session: speech.SpeechSession, tasks: asyncio.TaskGroup) -> None:
        """Tell the model what is true of this call, and let it greet.

        Args:
            session: configured for the bot.
            tasks: of the call; functions run in it, and end with it.
        """
        self._conversation.session = session
        self._functions.tasks = tasks
        self._conversation.note(self.bot.facts)
        await self._conversation.tell()
        self._conversation.is_model_busy = False
        await self._conversation.say(self.bot.greeting.instruction)

    def stop(self) -> None:
        """Run no more functions: the call is over."""
        self._functions.tasks = None

    def flush_keys(self) -> None:
        """Note keys whose entry never ended."""
        if self.keypad.flush():
            self._note_keys()

    # What the provider tells.

    def caller_started(self) -> None:
        """Note that the caller speaks."""
        self._conversation.is_caller_speaking = True
        self._must_forget_caller = self._must_forget_caller or self._is_held
        self._manners.caller_acted()

    def caller_stopped(self) -> None:
        """Note that the caller has spoken; the model owes an answer."""
        self._conversation.is_caller_speaking = False
        self._conversation.is_model_busy = True

    def turn_done(self) -> None:
        """Note that the model has nothing more to say for now."""
        self._conversation.is_model_busy = False

    async def on_function(
        self, event: speech.ToolCall | speech.RemoteToolUsed | speech.BotChanged
    ) -> None:
        """Run a function beside the call, or note what the provider did."""
        match event:
            case speech.ToolCall():
                running = self._functions.run(
                    event, self.bot, language=self._language, digits=self.keypad.digits
                )
                self._functions.start(running)
            case speech.RemoteToolUsed():
                self._functions.used_remotely(event, self.bot)
            case speech.BotChanged():
                if bot := await self._succession.end(event):
                    self._become(bot)
                    await self._succession.take_over(bot)
            case _:
                assert_never(event)

    def _become(self, bot: Bot) -> None:
        self.bot = bot
        self.keypad.follow(bot.keypad)
        self._manners.follow(bot)
        self._turns.follow(bot)
        receipt = self._turns.receipt
        receipt.bot_ids.append(bot.bot_id)
        for word in bot.warnings:
            receipt.add_error(word)

    # What the caller's side tells; nothing here waits.

    def press(self, keys: str, now: float) -> None:
        """Take keys; `on_time` acts on them."""
        self.keypad.press(keys, now)
        self._manners.caller_acted()
        self._must_stop = self._must_stop or (self.bot.keypad.interrupts and not self._is_held)

    def receive(
        self, message: hook.Update | hook.Paused | hook.Resumed | hook.Discarded, now: float
    ) -> None:
        """Take what the caller's side says about the line."""
        match message:
            case hook.Update():
                self._change_language(message.language)
            case hook.Paused():  # process nothing, let no time pass: the pause is for secrecy
                self._is_held = True
                self._must_forget_caller = self._conversation.is_caller_speaking
                self.keypad.hold(now)
            case hook.Resumed():
                self._is_held = False
                self.keypad.resume(now)
            case hook.Discarded():
                pass  # the connection has done what there is to do
            case _:
                assert_never(message)

    def _change_language(self, tag: str | None) -> None:
        """Speak another language from now on, if the bot has it."""
        spoken = {_primary(language) for language in self.bot.languages}
        if tag and _primary(tag) in spoken:
            self._language = tag
            self._conversation.note(f"The caller's language is now {tag}. Speak it from now on.")

    def note_said(self, words: str) -> None:
        """Tell the model what the caller heard of a recorded clip."""
        self._conversation.note(words, "agent")

    # Time.

    async def on_time(self, now: float) -> None:
        """Do what is due now."""
        if self._conversation.session is None or self._ending.is_under_way:
            return
        await self._conversation.tell()
        if self._must_forget_caller:
            self._must_forget_caller = False
            await self._conversation.forget_caller()
        if self._must_stop:
            self._must_stop = False
            await self._stop_speech(now)
        if self._succession.due_in_s(now) <= 0:
            await self._succession.give_up()
        if not self._is_held:
            await self._mind_keys(now)
        await self._mind_manners(now)

    def next_due_s(self, now: float) -> float:
        """Seconds until `on_time` has something to do; infinite when it never has."""
        if self._conversation.session is None or self._ending.is_under_way:
            return math.inf
        if self._conversation.has_news or self._must_forget_caller or self._must_stop:
            return 0.0
        return min(
            self._succession.due_in_s(now),
            self.keypad.next_due_s(now),
            self._manners.due_in_s(now, is_held=self._is_held),
        )

    def is_over_in_s(self, now: float) -> float:
        """Seconds until the call has lasted as long as it may."""
        return self._manners.is_over_in_s(now)

    async def say_last_words(self, reason: EndReason) -> None:
        """Let the model say farewell before an end of our making, whatever else it works on."""
        await self._functions.abandon()
        is_goodbye = reason == "bot_completed" or self._turns.receipt.was_given_up
        last_words = self.bot.farewell if is_goodbye else self.bot.handover
        await self._conversation.say(last_words, may_use_tools=False)

    async def _mind_manners(self, now: float) -> None:
        is_callers_turn = self._is_callers_turn(now)
        due = self._manners.poll(now, is_callers_turn=is_callers_turn, is_held=self._is_held)
        if isinstance(due, str):
            await self._conversation.say(due)
        elif due is not None:
            self._turns.receipt.was_given_up = due.then == "end"
            self.outputs.note_transfer(reason="" if due.then == "end" else "no_input")
            self._ending.begin("no_input", now)

    def _is_callers_turn(self, now: float) -> bool:
        """True while nothing is worked on, no number is awaited, and the caller may speak."""
        is_working = self._functions.are_running or self._succession.is_under_way
        is_awaited = self.keypad.is_asking or self._conversation.is_model_busy
        return self._is_line_free(now) and not is_working and not is_awaited

    def _may_announce(self) -> bool:
        return self._is_line_free(self._clock()) and not self._ending.is_under_way

    def _is_line_free(self, now: float) -> bool:
        """True while nobody speaks, and the line is not paused."""
        is_silent = self._turns.playout.remaining_s(now) <= 0
        return is_silent and not self._conversation.is_caller_speaking and not self._is_held

    # Keys.

    async def _mind_keys(self, now: float) -> None:
        was_free, self._was_line_free = self._was_line_free, self._is_line_free(now)
        if not (was_free and self._was_line_free):  # just now somebody spoke
            self.keypad.wait_from(now)
        while event := self.keypad.poll(now):
            match event:
                case KeyCommand():
                    await self._stop_speech(now)
                    self._functions.start(self._carry_out(event.command, None))
                case UnaskedEntry():
                    await self._on_unasked(event)
                case AskedEntry():
                    await self._on_asked(event)
                case _:
                    assert_never(event)

    async def _on_unasked(self, event: UnaskedEntry) -> None:
        if not event.digits:
            return
        self._note_keys()
        if self.bot.keypad.is_told_to_model:
            text = f"The caller pressed {event.digits} on the phone's keys."
            await self._conversation.ask(text)

    async def _on_asked(self, event: AskedEntry) -> None:
        wanted, digits = event.digit_field, event.entry.digits
        if event.entry.status != "no_digits":
            self._note_keys()
        result: dict[str, object] = {"status": event.entry.status, "field": wanted.name}
        if event.entry.status == "complete":
            result |= {"status": "collected", "count": len(digits)}
            self.outputs.set(wanted.output, digits, is_sensitive=wanted.is_sensitive)
            if wanted.is_told_to_model and not wanted.is_sensitive:
                result["digits"] = digits
        await self._conversation.answer(event.call_id, result)

    def _note_keys(self) -> None:
        self._turns.transcript.caller_pressed(self._turns.ms(self.keypad.pressed_at))

    # Commands of functions (with their call) and of keys (without).

    async def _carry_out(self, command: tools.Command, call: speech.ToolCall | None) -> None:
        match command:
            case tools.CollectDigits() | tools.SwitchBot() if self._ending.is_under_way:
                if call:
                    await self._conversation.refuse(call.call_id, "ending", "the call ends now")
            case tools.EndCall():
                await self._end("bot_completed", self.bot.farewell, call)
            case tools.TransferToAgent():
                await self._transfer(command, call)
            case tools.CollectDigits():
                await self._collect(command, call)
            case tools.SwitchBot():
                await self._switch(command, call)
            case tools.SetOutputVariable():
                await self._set_output(command, call)
            case _:
                assert_never(command)
        self._wake.ring()

    async def _transfer(self, command: tools.TransferToAgent, call: speech.ToolCall | None) -> None:
        if not self._ending.is_under_way:  # else the first reason stays
            self.outputs.note_transfer(
                reason=command.reason, summary=command.summary, target=command.target
            )
        await self._end("transfer", self.bot.handover, call)

    async def _end(self, reason: EndReason, last_words: str, call: speech.ToolCall | None) -> None:
        """Begin the end; a model that has said goodbye before it called need not say it twice."""
        has_spoken = call is not None and call.has_spoken
        self._ending.begin(reason, self._clock(), is_asked=call is not None, is_said=has_spoken)
        if call:
            await self._functions.abandon(but=call.call_id)
        if call and not has_spoken:
            await self._conversation.answer(call.call_id, {"ok": True}, then_say=last_words)

    async def _collect(self, command: tools.CollectDigits, call: speech.ToolCall | None) -> None:
        if call is None:
            return  # no key asks for keys
        wanted = self.bot.digit_fields.get(command.field_name)
        if wanted is None:
            await self._conversation.refuse(call.call_id, "unknown_field", "no such number")
        elif superseded := self.keypad.ask(wanted, call.call_id, self._clock()):
            await self._conversation.refuse(superseded, "superseded", "another number is awaited")

    async def _switch(self, command: tools.SwitchBot, call: speech.ToolCall | None) -> None:
        if call and not self._bots.knows(command.bot_id):  # its file has gone meanwhile
            await self._conversation.refuse(
                call.call_id, "failed", "nobody answers; go on yourself"
            )
            return
        bot = self._bots.get_bot(command.bot_id, self._facts.input_variables, self._language)
        bot = await self._functions.with_schemas(bot)
        await self._succession.begin(bot, call.call_id if call else None)

    async def _set_output(
        self, command: tools.SetOutputVariable, call: speech.ToolCall | None
    ) -> None:
        is_set = self.outputs.set(command.name, command.value)
        if call and is_set:
            await self._conversation.answer(call.call_id, {"ok": True})
        elif call:
            await self._conversation.refuse(call.call_id, "unknown_variable", "no such variable")


def _primary(tag: str) -> str:
    """Return the language of a tag: `de` of `de-AT`."""
    return tag.split("-")[0].lower()
