"""The bot at work on one call: what it does besides hearing and speaking.

It begins the conversation, carries out what functions and keys ask for, lets callers key in
numbers, minds silence and time, and makes way for another bot. `service.call` drives it and owns
the line; the parts are `conversation`, `functions`, `keypad`, `manners`, `succession`, `outputs`.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import assert_never

from service.alarm import Alarm
from service.audiohook import messages as hook
from service.bots.port import Bot, BotService
from service.budget import WARNING, Budget, Verdict
from service.call_events import EndReason
from service.commands import Commands, Stage
from service.conversation import Conversation
from service.ending import Ending
from service.functions import CallFacts, Functions
from service.keypad import AskedEntry, CallKeypad, KeyCommand, UnaskedEntry
from service.manners import Manners
from service.outputs import OutputVariables
from service.recordings import Recordings
from service.silence import GiveUp
from service.speech import port as speech
from service.succession import Succession
from service.tools import port as tools
from service.turns import Turns
from service.watchdog import Watchdog

_log = logging.getLogger(__name__)
LAST_WORD_S = 1.0
"""Whoever speaks over the last second of a goodbye says goodbye as well."""


class Agent:
    """One bot after the other, on one call.

    It is made with `stop_speech`, which cuts what the caller hears at a moment, `wake`, which is
    rung to have `on_time` called soon, and `clock`, which gives monotonic seconds.

    Attributes:
        keypad: the caller's keys.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        bots: BotService,
        turns: Turns,
        ending: Ending,
        budget: Budget,
        recordings: Recordings,
        stop_speech: Callable[[float], Awaitable[None]],
        wake: Alarm,
        clock: Callable[[], float],
    ) -> None:
        """Wait for the call to open; `bot` will answer it, as far as is known."""
        self._stage = Stage(
            bot=bot,
            outputs=OutputVariables(bot.outputs),
            bots=bots,
            conversation=Conversation(),
            keypad=CallKeypad(bot.keypad),
            ending=ending,
            clock=clock,
        )
        self.keypad, self._conversation = self._stage.keypad, self._stage.conversation
        self._turns, self._ending, self._clock, self._wake = turns, ending, clock, wake
        self._manners, self._budget, self._stop_speech = Manners(bot), budget, stop_speech
        self._functions = Functions(
            turns,
            self._conversation,
            carry_out=self._carry_out,
            may_announce=self._may_announce,
            clock=clock,
        )
        line = self._is_line_free, self._is_working
        self._watchdog = Watchdog(turns, self._conversation, recordings, *line)
        self._succession = Succession(self._conversation, turns.receipt, clock=clock)
        self._commands = Commands(self._stage, self._functions, self._succession)
        self._is_held = self._must_forget_caller = self._must_stop = False
        self._must_abandon = self._was_line_free = False

    @property
    def bot(self) -> Bot:
        """Who speaks now."""
        return self._stage.bot

    @property
    def outputs(self) -> OutputVariables:
        """What the flow gets back."""
        return self._stage.outputs

    # The conversation begins and ends.

    def open(self, path: str, facts: CallFacts, language: str | None) -> Bot:
        """Return the bot as the flow's variables make it.

        Args:
            path: the Connector ID.
            facts: of the call.
            language: tag that the caller's side named, or None.
        """
        self._stage.facts = self._functions.facts = facts
        self._watchdog.begin()
        self._manners.begin(facts.opened_at, facts.max_call_s)
        bot = self._stage.bots.get_bot(path, facts.input_variables, language)
        self._stage.language = bot.language
        self._stage.outputs = OutputVariables(bot.outputs)
        self._become(bot)
        return bot

    async def prepare(self) -> Bot:
        """Return the bot as the provider should know it."""
        self._stage.bot = await self._functions.with_schemas(self.bot)
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

    def caller_started(self, now: float) -> None:
        """Note that the caller speaks; a goodbye that is broken into ends nothing."""
        if self._turns.playout.remaining_s(now) > LAST_WORD_S and self._ending.withdraw():
            self._must_abandon = True
        self._conversation.is_caller_speaking = True
        self._must_forget_caller = self._must_forget_caller or self._is_held
        self._manners.caller_acted()

    def caller_stopped(self) -> None:
        """Note that the caller has spoken; the model owes an answer."""
        self._conversation.is_caller_speaking = False
        self._conversation.is_model_busy = True

    def excuse_failure(self) -> None:
        """Tell the caller by a recording that a person takes over: no model can say it."""
        self._watchdog.play("handover", self._clock(), self._stage.language)

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
                    event, self.bot, language=self._stage.language, digits=self.keypad.digits
                )
                self._functions.start(running)
            case speech.RemoteToolUsed():
                self._functions.used_remotely(event, self.bot)
            case speech.BotChanged():
                await self._on_change(event)
            case _:
                assert_never(event)

    async def _on_change(self, changed: speech.BotChanged) -> None:
        """Go on as another bot; one that comes while the call ends has nothing to say any more."""
        bot = await self._succession.end(changed)
        if changed.was_reduced:
            self._turns.receipt.add_error("session_reduced")
        if bot is not None and not self._ending.is_under_way:
            self._become(bot)
            await self._functions.abandon(but=self._succession.call_id)
            await self._succession.take_over(bot)

    def _become(self, bot: Bot) -> None:
        self._stage.bot = bot
        self.keypad.follow(bot.keypad)
        self._manners.follow(bot, self._clock())
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
            self._stage.language = tag
            self._conversation.note(f"The caller's language is now {tag}. Speak it from now on.")

    def note_said(self, words: str) -> None:
        """Tell the model what the caller heard of a recorded clip."""
        self._conversation.note(words, "agent")

    # Time.

    async def on_time(self, now: float) -> None:
        """Do what is due now."""
        if self._ending.is_under_way:
            return
        await self._watchdog.on_time(now, self._stage.language)
        if self._conversation.session is None:
            return
        if verdict := self._budget.review(self._turns.receipt):
            await self._mind_budget(verdict, now)
        if self._has_news:
            await self._pass_on_news(now)
        if self._succession.due_in_s(now) <= 0:
            await self._succession.give_up()
        if not self._is_held and (self.keypad.is_asking or self.keypad.next_due_s(now) <= 0):
            await self._mind_keys(now)
        # This is done for every packet: nothing is awaited when there is nothing to do.
        is_callers_turn = self._is_callers_turn(now)
        due = self._manners.poll(now, is_callers_turn=is_callers_turn, is_held=self._is_held)
        if due is not None:
            await self._mind_manners(due, now)

    @property
    def _has_news(self) -> bool:
        must_act = self._must_abandon or self._must_forget_caller or self._must_stop
        return must_act or self._conversation.has_news

    async def _pass_on_news(self, now: float) -> None:
        """Tell the provider what came in by the caller's side, which does not wait."""
        await self._conversation.tell()
        if self._must_abandon:
            self._must_abandon = False
            await self._functions.abandon()
        if self._must_forget_caller:
            self._must_forget_caller = False
            await self._conversation.forget_caller()
        if self._must_stop:
            self._must_stop = False
            await self._stop_speech(now)

    def next_due_s(self, now: float) -> float:
        """Seconds until `on_time` has something to do; infinite when it never has."""
        if self._ending.is_under_way:
            return math.inf
        if self._conversation.session is None:
            return self._watchdog.due_in_s(now)
        if self._has_news:
            return 0.0
        return min(
            self._watchdog.due_in_s(now),
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

    async def _mind_budget(self, verdict: Verdict, now: float) -> None:
        match verdict:
            case "cheaper":
                await self._conversation.use_model(self._budget.cheaper_model)
            case "warn":
                _log.warning("the call is near its budget")
                self._conversation.note(WARNING)
            case "over":
                self.outputs.note_transfer(reason="budget")
                self._ending.begin("budget", now)

    async def _mind_manners(self, due: str | GiveUp, now: float) -> None:
        if isinstance(due, str):
            await self._conversation.say(due)
        else:
            self._turns.receipt.was_given_up = due.then == "end"
            self.outputs.note_transfer(reason="" if due.then == "end" else "no_input")
            self._ending.begin("no_input", now)

    def _is_callers_turn(self, now: float) -> bool:
        """True while nothing is worked on, no number is awaited, and the caller may speak."""
        if self._conversation.is_model_busy:
            return False
        return not self._is_working() and self._is_line_free(now)

    def _is_working(self) -> bool:
        """True while a function runs, keys are awaited, or one bot makes way for another."""
        is_busy = self.keypad.is_asking or self._succession.is_under_way
        return is_busy or self._functions.are_running

    def _may_announce(self) -> bool:
        return self._is_line_free(self._clock()) and not self._ending.is_under_way

    def _is_line_free(self, now: float) -> bool:
        """True while nobody speaks, and the line is not paused."""
        if self._is_held or self._conversation.is_caller_speaking:
            return False
        return self._turns.playout.remaining_s(now) <= 0

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

    async def _carry_out(self, command: tools.Command, call: speech.ToolCall | None) -> None:
        await self._commands.carry_out(command, call)
        self._wake.ring()


def _primary(tag: str) -> str:
    """Return the language of a tag: `de` of `de-AT`."""
    return tag.split("-")[0].lower()
