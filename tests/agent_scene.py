"""An agent at work in virtual time: its writer goes round as that of a call does.

The model is a `FakeSession`: what it says is put into the playout here, and what it is told is
kept there.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from service.agent import Agent
from service.alarm import Alarm
from service.audiohook import messages as hook
from service.bots.port import Bot
from service.budget import Budget
from service.call_events import EndReason
from service.ending import Ending
from service.functions import CallFacts
from service.prices import PriceTable
from service.recordings import Recordings
from service.speech import port as speech
from service.turns import Turns
from tests.emulators.realtime_client import run
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT, Bots

OPENED_AT_S = 100.0
MAX_ROUNDS = 50
"""Of the writer at one moment; a timer in the past would wake it for ever."""

Script = Callable[["Scene"], Coroutine[Any, Any, None]]


class _Over(Exception):
    """The call has ended."""


class Scene:
    """A call that is open; the first bot answers it."""

    def __init__(self, *bots: Bot, max_call_s: float = 840.0, budget_usd: float = 0.0) -> None:
        self.clock = asyncio.get_running_loop().time
        self.bots = Bots(*bots)
        self.session = FakeSession()
        self.stops: list[float] = []
        self.is_open = True
        self.wake = Alarm()
        self.ending = Ending(
            may_begin=lambda: self.is_open, on_begin=lambda: None, on_withdraw=lambda: None
        )
        bot = bots[0] if bots else PLAIN_BOT
        self.turns = Turns(bot)
        self.budget = Budget(budget_usd, PriceTable.load)
        self.agent = Agent(
            bot,
            bots=self.bots,
            turns=self.turns,
            ending=self.ending,
            budget=self.budget,
            recordings=Recordings({}),
            stop_speech=self._stop_speech,
            wake=self.wake,
            clock=self.clock,
        )
        self._facts = CallFacts(
            session_id="session",
            conversation_id="conversation",
            input_variables={"CUSTOMER": "17"},
            opened_at=self.clock(),
            max_call_s=max_call_s,
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._said = 0

    # What the call does.

    def open(self, language: str | None = None) -> None:
        """Let the caller's `open` come."""
        self.turns.begin(self.clock())
        self.agent.open("", self._facts, language)

    async def connect(self) -> None:
        """Let the model be there."""
        assert self._tasks is not None
        await self.agent.prepare()
        await self.agent.begin(self.session, self._tasks)
        self.wake.ring()

    async def _stop_speech(self, now: float) -> None:
        self.stops.append(self.now)
        await self.session.interrupt(self.turns.cut(now))

    async def write(self) -> None:
        """Go round as the call's writer does; fails when it is woken for nothing."""
        looked_at, rounds = -1.0, 0
        while True:
            self.wake.reset()
            now = self.clock()
            rounds = rounds + 1 if now == looked_at else 0
            looked_at = now
            assert rounds < MAX_ROUNDS, "the writer spins"
            self.turns.advance(now)
            await self.agent.on_time(now)
            packet = self.turns.playout.pop(now)
            if not isinstance(packet, bytes):
                due_s = min(self.turns.playout.next_finish_s(now), self.agent.next_due_s(now))
                await self.wake.wait(min(packet, due_s))

    # Time.

    @property
    def now(self) -> float:
        """Seconds since the caller's `open`, to the millisecond."""
        return round(self.clock() - OPENED_AT_S, 3)

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, at_s: float) -> None:
        await asyncio.sleep(OPENED_AT_S + at_s - self.clock())

    # The model.

    async def hears(self, event: speech.SpeechEvent) -> None:
        """Let an event of the provider come, as the call passes it on."""
        match event:
            case speech.CallerSpeechStarted():
                self.agent.caller_started(self.clock())
                self.turns.interrupt(event, self.clock())
            case speech.CallerSpeechStopped():
                self.turns.take(event, self.clock())
                self.agent.caller_stopped()
            case speech.AgentTurnDone():
                self.ending.turn_done()
                self.agent.turn_done()
            case speech.ToolCall() | speech.RemoteToolUsed() | speech.BotChanged():
                await self.agent.on_function(event)
            case _:
                self.turns.take(event, self.clock())
        self.wake.ring()
        await asyncio.sleep(0)

    async def says(self, seconds: float) -> None:
        """Let the model say something, and be done."""
        self._said += 1
        item_id = f"item_{self._said}"
        await self.hears(speech.AgentAudio(item_id, b"\x20" * round(8_000 * seconds)))
        await self.hears(speech.AgentAudioDone(item_id))
        await self.hears(speech.AgentTurnDone())

    async def is_done(self) -> None:
        """Let the model have nothing more to say."""
        await self.hears(speech.AgentTurnDone())

    async def calls(
        self, name: str, call_id: str = "call_1", /, *, has_spoken: bool = False, **given: object
    ) -> None:
        """Let the model call a function, and the function take its first steps."""
        text = json.dumps(given)
        await self.hears(speech.ToolCall(call_id, name, text, has_spoken=has_spoken))
        await self.settles()

    async def becomes(self, bot_id: str, *, was_refused: bool = False) -> None:
        await self.hears(speech.BotChanged(bot_id, was_refused=was_refused))
        await self.settles()

    async def settles(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(20):
            await asyncio.sleep(0)

    # The caller.

    async def speaks(self, seconds: float) -> None:
        """Let the caller say something, and the model owe an answer."""
        await self.hears(speech.CallerSpeechStarted("caller", 0))
        await asyncio.sleep(seconds)
        await self.hears(speech.CallerSpeechStopped("caller", 0))

    async def presses(self, keys: str) -> None:
        self.agent.press(keys, self.clock())
        self.wake.ring()
        await self.settles()

    async def line(self, *messages: hook.Update | hook.Paused | hook.Resumed) -> None:
        """Let messages of the caller's side come, all at the same moment."""
        for message in messages:
            self.agent.receive(message, self.clock())
        self.wake.ring()
        await self.settles()

    # What became of it.

    @property
    def answers(self) -> dict[str, Any]:
        """What the functions were answered, by their calls."""
        return {call_id: json.loads(output) for call_id, output, _ in self.session.results}

    @property
    def then_say(self) -> dict[str, str]:
        """What the model was to say next, by the functions' calls."""
        return {call_id: then_say for call_id, _, then_say in self.session.results}

    def error(self, call_id: str = "call_1") -> str:
        """The code of the error that a function was answered with; empty when it was none."""
        answer = self.answers[call_id]
        return str(answer.get("error", {}).get("code", ""))

    @property
    def end(self) -> EndReason | None:
        """Why the call ends, once an end has begun."""
        return self.ending.farewell.reason if self.ending.farewell else None

    @property
    def told(self) -> list[str]:
        """The texts that were added to the conversation."""
        return [text for _, text, _ in self.session.notes]


def play(script: Script, *bots: Bot, is_connected: bool = True, **settings: float) -> Scene:
    """Run a script beside a call that ends with it."""
    scenes: list[Scene] = []

    async def call() -> None:
        await asyncio.sleep(OPENED_AT_S)
        scene = Scene(*bots, **settings)
        scenes.append(scene)
        await _perform(scene, script, is_connected=is_connected)

    run(call())
    return scenes[0]


async def _perform(scene: Scene, script: Script, *, is_connected: bool) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            scene._tasks = tasks
            tasks.create_task(scene.write())
            if is_connected:
                scene.open()
                await scene.connect()
            await script(scene)
            raise _Over
    except* _Over:
        pass
