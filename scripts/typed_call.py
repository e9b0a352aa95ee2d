"""A call whose line is the keyboard: the service's agent, without AudioHook and without sound."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from scripts.keyboard import Keyboard
from service.agent import Agent
from service.alarm import Alarm
from service.audiohook import messages as hook
from service.bots.port import Bot, BotService
from service.budget import Budget
from service.ending import Ending
from service.functions import CallFacts
from service.prices import PriceTable
from service.recordings import Recordings
from service.silence import SilencePolicy
from service.speech import port as speech
from service.turns import Turns

KEYS = frozenset("0123456789*#ABCD")
"""What a telephone can send."""
COMMANDS = "/keys 123# presses keys, /language de changes the caller's language, /quit hangs up"
SETTLED_S = 0.7
"""Without news for so long, it is the caller's turn to type."""
LONGEST_S = 3_600.0
"""A conversation by hand may take its time; the bot's own limit still holds."""


class _HungUp(Exception):
    """The conversation is over."""


class _Patient:
    """The same bots, who do not mind silence: typing takes time."""

    def __init__(self, bots: BotService) -> None:
        self._bots = bots

    async def watch(self) -> None:
        await self._bots.watch()

    def knows(self, path: str) -> bool:
        return self._bots.knows(path)

    def get_bot(
        self,
        path: str,
        input_variables: Mapping[str, str] | None = None,
        language: str | None = None,
    ) -> Bot:
        bot = self._bots.get_bot(path, input_variables, language)
        return replace(bot, silence=SilencePolicy())


class TypedCall:
    """One conversation, from the greeting to the hand-over. Call `run` once."""

    def __init__(
        self,
        path: str,
        bots: BotService,
        inputs: Mapping[str, str],
        language: str | None,
        *,
        clock: Callable[[], float],
    ) -> None:
        patient = _Patient(bots)
        bot = patient.get_bot(path, inputs, language)
        self._clock = clock
        self._turns = Turns(bot)
        self._wake = Alarm()
        self._ending = Ending(
            may_begin=lambda: True, on_begin=self._wake.ring, on_withdraw=self._wake.ring
        )
        self._agent = Agent(
            bot,
            bots=patient,
            turns=self._turns,
            ending=self._ending,
            budget=Budget(0.0, PriceTable),
            recordings=Recordings({}),
            stop_speech=self._nothing_to_stop,
            wake=self._wake,
            clock=clock,
        )
        now = clock()
        facts = CallFacts(
            session_id="typed",
            conversation_id="typed",
            input_variables=inputs,
            opened_at=now,
            max_call_s=LONGEST_S,
        )
        self._turns.begin(now)
        self._agent.open(path, facts, language)
        self._news_at = now
        self._shown = 0

    @property
    def bot(self) -> Bot:
        """Who speaks now."""
        return self._agent.bot

    async def run(self, provider: speech.SpeechProvider) -> None:
        """Talk until one of the two hangs up.

        Raises:
            SpeechError: the model cannot be had, or was lost.
        """
        session = await provider.connect(await self._agent.prepare())
        try:
            async with asyncio.TaskGroup() as pumps:
                await self._agent.begin(session, pumps)
                if words := self.bot.greeting.words * bool(self.bot.greeting.clip):
                    self._show("agent", words)
                    self._agent.note_said(words)
                pumps.create_task(self._pump_model(session))
                pumps.create_task(self._pump_time(session))
                pumps.create_task(self._pump_keyboard(session))
        except* _HungUp:
            pass
        except* speech.SpeechError as errors:
            raise errors.exceptions[0] from None
        finally:
            self._agent.stop()
            await session.aclose()
        self._show_end()

    async def _pump_model(self, session: speech.SpeechSession) -> None:
        async for event in session:
            self._news_at = self._clock()
            match event:
                case speech.AgentTranscript(is_final=True):
                    self._show(self.bot.bot_id, event.text)
                case speech.ToolCall() | speech.RemoteToolUsed() | speech.BotChanged():
                    await self._agent.on_function(event)
                case speech.AgentTurnDone():
                    self._ending.turn_done()
                    self._agent.turn_done()
                case _:
                    pass
            self._wake.ring()

    async def _pump_time(self, session: speech.SpeechSession) -> None:
        while True:
            self._wake.reset()
            now = self._clock()
            await self._agent.on_time(now)
            if self._agent.is_over_in_s(now) <= 0:
                self._ending.begin("max_duration", now)
            if farewell := self._ending.farewell:
                if not farewell.is_asked:
                    farewell.is_asked = True
                    await self._agent.say_last_words(farewell.reason)
                if self._ending.is_over_in_s(now, 0.0) <= 0:
                    self._ending.note(farewell.reason)
                    raise _HungUp
            self._show_functions()
            await self._wake.wait(min(0.2, self._agent.next_due_s(now)))

    async def _pump_keyboard(self, session: speech.SpeechSession) -> None:
        keyboard = Keyboard()
        while True:
            await self._settled()
            line = await keyboard.next_line()
            text = "/quit" if line is None else line.strip()
            self._news_at = self._clock()
            if text.startswith("/"):
                self._carry_out(*text.split(maxsplit=1))
            elif text:
                self._agent.caller_started(self._clock())
                self._agent.caller_stopped()
                await session.send_text(text)

    def _carry_out(self, command: str, argument: str = "") -> None:
        match command:
            case "/keys":
                self._press(argument.replace(" ", "").upper())
            case "/language":
                self._change_language(argument.replace("_", "-"))
            case "/quit":
                self._ending.note("caller_hangup")
                raise _HungUp
            case _:
                self._show("chat", COMMANDS)
        self._wake.ring()

    def _press(self, keys: str) -> None:
        if keys and KEYS.issuperset(keys):
            self._agent.press(keys, self._clock())
        else:
            self._show("chat", "/keys wants keys of a telephone, such as /keys 123#")

    def _change_language(self, tag: str) -> None:
        wanted = "" if tag else "/language wants a tag, such as /language de"
        problem = wanted or language_problem(self.bot, tag)
        self._show("chat", problem or f"the caller's language is {tag} now")
        if not problem:
            self._agent.receive(hook.Update(tag), self._clock())

    async def _settled(self) -> None:
        """Wait until nothing more comes for now."""
        while (left_s := self._news_at + SETTLED_S - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)  # nothing tells that nothing comes

    async def _nothing_to_stop(self, now: float) -> None:
        """Do nothing: text is there at once, none of it can be stopped."""

    def _show_functions(self) -> None:
        uses = self._turns.receipt.tool_uses
        for use in uses[self._shown :]:
            self._show("function", f"{use.name}: {use.outcome}")
            self._news_at = self._clock()
        self._shown = len(uses)

    def _show_end(self) -> None:
        self._show_functions()
        reason = self._ending.reason or "caller_hangup"
        print(f"\nThe call is over ({reason}). The flow gets:")
        for name, value in self._agent.outputs.for_events(reason).items():
            print(f"  {name} = {value}")

    @staticmethod
    def _show(who: str, text: str) -> None:
        print(f"{who + ':':12} {text}", flush=True)


def language_problem(bot: Bot, tag: str) -> str:
    """Return why a language is not one that a bot goes over to; an empty text when it is."""
    primaries = {language.partition("-")[0].lower() for language in bot.languages}
    if tag.replace("_", "-").partition("-")[0].lower() in primaries:
        return ""
    spoken = f"speaks {' and '.join(bot.languages)}" if bot.languages else "names no languages"
    return f"{bot.bot_id} {spoken}; {tag} changes nothing"
