"""A call whose line is the keyboard: the service's agent, without AudioHook and without sound."""

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from service.agent import Agent
from service.alarm import Alarm
from service.bots.port import Bot, BotService
from service.ending import Ending
from service.functions import CallFacts
from service.silence import SilencePolicy
from service.speech import port as speech
from service.turns import Turns

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
        self._ending = Ending(may_begin=lambda: True, on_begin=self._wake.ring)
        self._agent = Agent(
            bot,
            bots=patient,
            turns=self._turns,
            ending=self._ending,
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

    async def run(self, provider: speech.SpeechProvider) -> None:
        """Talk until one of the two hangs up.

        Raises:
            SpeechError: the model cannot be had, or was lost.
        """
        session = await provider.connect(await self._agent.prepare())
        try:
            async with asyncio.TaskGroup() as pumps:
                await self._agent.begin(session, pumps)
                if words := self._agent.bot.greeting.words * bool(self._agent.bot.greeting.clip):
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
                    self._show(self._agent.bot.bot_id, event.text)
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
        keyboard = _Keyboard()
        while True:
            await self._settled()
            line = await keyboard.next_line()
            if line is None or line.strip() == "/quit":
                self._ending.note("caller_hangup")
                raise _HungUp
            self._news_at = self._clock()
            command, _, rest = line.strip().partition(" ")
            if command == "/keys":
                self._agent.press(rest.replace(" ", ""), self._clock())
                self._wake.ring()
            elif command.startswith("/"):
                self._show("chat", "there are /keys 123# and /quit")
            elif command:
                self._agent.caller_started()
                self._agent.caller_stopped()
                await session.send_text(line.strip())

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


class _Keyboard:
    """Lines of the standard input; reading them never holds up the end of the process."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    async def next_line(self) -> str | None:
        """Return the next line; None at the end of the input."""
        self._wanted.release()
        return await self._lines.get()

    def _read(self) -> None:
        line: str | None = ""
        while line is not None:
            self._wanted.acquire()
            if sys.stdin.isatty():
                sys.stdout.write("you:         ")
                sys.stdout.flush()
            line = sys.stdin.readline() or None
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
