"""The tasks of a cascade, with parts in memory."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from service.speech.cascade import CascadeProvider, CascadeSession
from service.speech.cascade_parts import ChatPiece, Message, Parts
from service.speech.port import AgentAudio, AgentTranscript, AgentTurnDone, SpeechError, SpeechEvent
from service.tools.port import Tool
from tests.plain_bot import PLAIN_BOT
from tests.speech.http_services import run


class Everything:
    """Ears, mind and voice; a gate holds the voice back."""

    model = "mind"

    def __init__(self, *pieces: ChatPiece | Exception) -> None:
        self.pieces = pieces
        self.spoken: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stopped = 0

    async def transcribe(self, pcmu: bytes, languages: Sequence[str]) -> str:
        return "hello"

    async def answer(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> AsyncGenerator[ChatPiece, None]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                await asyncio.sleep(0.05)  # what came before is being spoken
                raise piece
            yield piece

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        self.spoken.append(text)
        try:
            yield b"\x01" * len(text)
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def aclose(self) -> None:
        self.stopped += 100


async def opened(parts: Everything) -> CascadeSession:
    provider = CascadeProvider(lambda: Parts(parts, parts, parts))
    return await provider.connect(PLAIN_BOT)


async def events_until(session: CascadeSession, kind: type) -> list[SpeechEvent]:
    events: list[SpeechEvent] = []
    async for event in session:
        events.append(event)
        if isinstance(event, kind):
            break
    return events


def test_sentences_are_spoken_while_the_others_are_made():
    async def work():
        parts = Everything("This is the first. ", "This is", " the second. ", "And the third")
        session = await opened(parts)
        await session.say("Greet.")
        events = await events_until(session, AgentTurnDone)
        await session.aclose()
        return parts.spoken, events

    spoken, events = run(work)

    assert spoken == ["This is the first.", "This is the second.", "And the third"]
    assert len([it for it in events if isinstance(it, AgentAudio)]) == 3


def test_an_interruption_stops_the_voice_and_the_mind():
    async def work():
        parts = Everything("This is the first. ", "This is the second. ", "And the third")
        parts.gate.clear()
        session = await opened(parts)
        await session.say("Greet.")
        await events_until(session, AgentAudio)
        await session.interrupt([])
        await events_until(session, AgentTurnDone)
        await asyncio.sleep(0.05)
        left = len(session._tasks)
        await session.aclose()
        return parts, left

    parts, left = run(work)

    assert (parts.spoken, parts.stopped, left) == (["This is the first."], 1, 0)


def test_closing_stops_everything():
    async def work():
        parts = Everything("This is the first. ")
        parts.gate.clear()
        session = await opened(parts)
        await session.say("Greet.")
        await events_until(session, AgentAudio)
        await session.aclose()
        await session.say("More.")
        return parts, len(session._tasks)

    parts, left = run(work)

    assert (parts.stopped, left) == (1, 0)


def test_what_was_said_is_told_before_the_failure_and_the_failure_stays():
    async def work():
        failure = SpeechError("llm_timeout", retryable=True)
        session = await opened(Everything("This is the first. Then", failure))
        await session.say("Greet.")
        events, failures = [], []
        for _ in range(2):
            try:
                async for event in session:
                    events.append(event)
            except SpeechError as error:
                failures.append(error.code)
        await session.aclose()
        return events, failures

    events, failures = run(work)

    assert failures == ["llm_timeout", "llm_timeout"]
    assert isinstance(events[0], AgentTranscript)


def test_cancelling_the_iteration_loses_no_event():
    async def work():
        session = await opened(Everything("This is the first. "))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(session)
        await session.say("Greet.")
        events = await events_until(session, AgentTurnDone)
        await session.aclose()
        return events

    assert isinstance(run(work)[0], AgentTranscript)


def test_the_parts_are_made_once_and_with_the_first_call():
    async def work():
        parts, made = Everything(), []

        def make() -> Parts:
            made.append(1)
            return Parts(parts, parts, parts)

        provider = CascadeProvider(make)
        before = len(made)
        sessions = await asyncio.gather(*(provider.connect(PLAIN_BOT) for _ in range(3)))
        await provider.aclose()
        await provider.aclose()
        return before, len(made), parts.stopped, sessions[0].model

    assert run(work) == (0, 1, 300, "cascade/mind")


def test_a_package_that_is_not_there_is_told_as_our_error():
    def make() -> Parts:
        raise ImportError("numpy")

    async def work():
        with pytest.raises(SpeechError) as caught:
            await CascadeProvider(make).connect(PLAIN_BOT)
        return caught.value

    error = run(work)

    assert (error.code, error.retryable) == ("not_installed", False)
