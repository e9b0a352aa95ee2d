"""A speech provider in memory: it keeps what it is told, and says what a test puts into it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech import port as speech


class FakeSession:
    """A conversation that yields what a test puts into it, exceptions included.

    `deeds` has the names of the methods that were called, in order, without the caller's audio.
    """

    model = "a-model"
    is_reduced = False

    def __init__(self) -> None:
        self.events: asyncio.Queue[speech.SpeechEvent | Exception] = asyncio.Queue()
        self.deeds: list[str] = []
        self.said: list[str] = []
        self.said_without_tools: list[str] = []
        self.notes: list[tuple[speech.TextSpeaker, str, bool]] = []
        self.bots: list[Bot] = []
        self.memories: list[speech.Remembered] = []
        self.forgotten = 0
        self.abandoned: list[str] = []
        self.results: list[tuple[str, str, str]] = []
        self.interruptions: list[list[HeardItem]] = []
        self.audio = bytearray()
        self.is_closed = False
        self.audio_fault: Exception | None = None
        self.say_faults: dict[str, Exception] = {}

    def yields(self, *events: speech.SpeechEvent | Exception) -> None:
        for event in events:
            self.events.put_nowait(event)

    async def send_audio(self, pcmu: bytes) -> None:
        if self.audio_fault:
            raise self.audio_fault
        self.audio += pcmu

    async def send_text(
        self, text: str, *, speaker: speech.TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        self.deeds.append("send_text")
        self.notes.append((speaker, text, wants_reply))

    async def restore(self, memories: Sequence[speech.Remembered]) -> None:
        self.deeds.append("restore")
        self.memories = list(memories)

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        self.deeds.append("send_tool_result")
        self.results.append((call_id, output, then_say))

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        self.deeds.append("say")
        if fault := self.say_faults.get(instruction):
            raise fault
        self.said.append(instruction)
        if not may_use_tools:
            self.said_without_tools.append(instruction)

    async def abandon_calls(self, *, but: str = "") -> None:
        self.abandoned.append(but)

    async def change_bot(self, bot: Bot) -> None:
        self.deeds.append("change_bot")
        self.bots.append(bot)

    async def use_model(self, model: str) -> None:
        self.deeds.append(f"use {model}")

    async def forget_caller(self) -> None:
        self.deeds.append("forget_caller")
        self.forgotten += 1

    async def revive(self, *, elsewhere: bool) -> None:
        self.deeds.append("leave" if elsewhere else "ask")

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        self.deeds.append("interrupt")
        self.interruptions.append(list(heard))

    async def aclose(self) -> None:
        self.is_closed = True

    def __aiter__(self) -> AsyncIterator[speech.SpeechEvent]:
        return self

    async def __anext__(self) -> speech.SpeechEvent:
        event = await self.events.get()
        if isinstance(event, Exception):
            self.events.put_nowait(event)  # a lost conversation stays lost
            raise event
        return event


class FakeProvider:
    """Connects to the one session once `is_reachable`."""

    def __init__(self) -> None:
        self.session = FakeSession()
        self.is_reachable = asyncio.Event()
        self.is_reachable.set()
        self.asked: list[Bot] = []

    async def connect(self, bot: Bot) -> FakeSession:
        self.asked.append(bot)
        await self.is_reachable.wait()
        if len(self.asked) == 1:
            ready = speech.SpeechReady("fake", self.session.model, self.session.is_reduced)
            self.session.yields(ready)
        return self.session

    async def aclose(self) -> None:
        """Nothing is shared."""
