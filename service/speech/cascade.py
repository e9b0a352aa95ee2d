"""Speech by a cascade of ears, mind and voice: the tasks around `cascade_rules`.

What stands in for a speech-to-speech model that cannot be had. A turn of the caller is cut out,
written down, answered, and the answer spoken sentence by sentence while it is still being made.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech.cascade_parts import ChatUsage, FunctionCall, Parts, Reply, Utterance, Work
from service.speech.cascade_rules import CascadeRules
from service.speech.cascade_sentences import Sentences
from service.speech.cascade_tries import with_tries
from service.speech.port import (
    MODEL_SILENT,
    Remembered,
    SpeechError,
    SpeechEvent,
    TextSpeaker,
)

MAX_REPLY_CHARS = 6_000
"""Of one answer: about seven minutes. A mind that does not find its end is stopped."""
_Sentences = asyncio.Queue[str | None]


class CascadeProvider:
    """Opens conversations with the same three parts, which are made with the first one."""

    def __init__(self, make_parts: Callable[[], Parts]) -> None:
        """Keep `make_parts`, which may take long (it imports) and is called in a thread."""
        self._make_parts = make_parts
        self._parts: Parts | None = None
        self._making = asyncio.Lock()

    async def connect(self, bot: Bot) -> "CascadeSession":
        """Return a conversation. Nothing is asked of the parts until somebody speaks.

        Raises:
            SpeechError: a package that the parts need is not installed.
        """
        async with self._making:
            if self._parts is None:
                try:
                    self._parts = await asyncio.to_thread(self._make_parts)
                except ImportError as error:
                    raise SpeechError("not_installed", retryable=False) from error
        return CascadeSession(self._parts, bot)

    async def aclose(self) -> None:
        """Close the connections of the parts; a later conversation makes new ones."""
        parts, self._parts = self._parts, None
        if parts:
            await parts.aclose()


class CascadeSession:
    """One conversation. Methods never raise: failures come from the iteration."""

    def __init__(self, parts: Parts, bot: Bot) -> None:
        self.model = f"cascade/{parts.mind.model}"
        self.is_reduced = bool(bot.mcp_servers)  # remote tools are the Realtime API's own
        self._parts = parts
        self._rules = CascadeRules(bot)
        self._news = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._replying: tuple[str, asyncio.Task[None]] | None = None
        self._is_closed = False

    async def send_audio(self, pcmu: bytes) -> None:
        """Listen to the caller."""
        self._rules.hear(pcmu)
        self._follow()

    async def send_text(
        self, text: str, *, speaker: TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        """Add a text to the conversation, and let the mind react if a reply is wanted."""
        self._rules.add_text(text, speaker, wants_reply=wants_reply)
        self._follow()

    async def restore(self, memories: Sequence[Remembered]) -> None:
        """Remember what happened before this conversation."""
        self._rules.restore(memories)

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        """Answer a function call; unknown ids are ignored."""
        self._rules.add_tool_result(call_id, output, then_say)
        self._follow()

    async def abandon_calls(self, *, but: str = "") -> None:
        """Close the function calls that are open, without going on from them."""
        self._rules.abandon_calls(but)
        self._follow()

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        """Let the mind speak now, or after the reply that is alive."""
        self._rules.say(instruction, may_use_tools=may_use_tools)
        self._follow()

    async def change_bot(self, bot: Bot) -> None:
        """Go on as another bot; `BotChanged` answers."""
        self._rules.change_bot(bot)
        self._follow()

    async def use_model(self, model: str) -> None:
        """Do nothing: a conversation keeps its model. A chain makes another conversation."""

    async def forget_caller(self) -> None:
        """Drop the caller's unfinished turn."""
        self._rules.forget_caller()
        self._follow()

    async def revive(self, *, elsewhere: bool) -> None:
        """Leave it to the parts, which are tried twice; or give the conversation up."""
        if elsewhere:
            self._failure = self._failure or SpeechError(MODEL_SILENT, retryable=True)
            self._news.set()

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Stop speaking, and remember what was heard."""
        self._rules.interrupt(heard)
        self._follow()

    async def aclose(self) -> None:
        """Stop all work."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """Return the session itself: iterating again goes on where it was left."""
        return self

    async def __anext__(self) -> SpeechEvent:
        """Return the next event; safe to cancel.

        Raises:
            SpeechError: the conversation is over.
        """
        while not self._rules.events:
            if self._failure:
                raise self._failure
            self._news.clear()
            await self._news.wait()
        return self._rules.events.popleft()

    def _follow(self) -> None:
        """Carry out what the rules have come to: stop what is dead, begin what they ask for."""
        self._stop_dead_reply()
        while self._rules.work and not self._is_closed and not self._failure:
            self._begin(self._rules.work.popleft())
        if self._rules.events:
            self._news.set()

    def _stop_dead_reply(self) -> None:
        if self._replying is None:
            return
        item_id, task = self._replying
        if item_id != self._rules.alive:
            self._replying = None
            if task is not asyncio.current_task():  # which is about to end by itself
                task.cancel()

    def _begin(self, work: Work) -> None:
        match work:
            case Reply():
                self._replying = (work.item_id, self._start(self._reply(work)))
            case Utterance():
                self._start(self._listen(work))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failure = self._failure or _first(error)
            self._news.set()

    async def _listen(self, utterance: Utterance) -> None:
        try:
            words = await self._words_of(utterance)
        except SpeechError as failure:
            self._rules.not_understood(utterance.item_id, failure)
        else:
            self._rules.understood(utterance, words)
        self._follow()

    async def _words_of(self, utterance: Utterance) -> str:
        try:
            return await self._parts.ears.transcribe(utterance.pcmu, utterance.languages)
        except SpeechError as failure:
            if not failure.retryable:
                raise
        return await self._parts.ears.transcribe(utterance.pcmu, utterance.languages)

    async def _reply(self, reply: Reply) -> None:
        """Think and speak, one beside the other."""
        sentences = _Sentences()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._speak(reply, sentences))
            calls = await self._think(reply, sentences)
            sentences.put_nowait(None)
        self._rules.finish(reply.item_id, calls)
        self._follow()

    async def _think(self, reply: Reply, sentences: _Sentences) -> list[FunctionCall]:
        """Put the answer's sentences into the queue; return the functions that it calls."""
        calls: list[FunctionCall] = []
        parted, chars = Sentences(), 0
        thoughts = with_tries(lambda: self._parts.mind.answer(reply.messages, reply.tools))
        async with aclosing(thoughts) as pieces:
            async for piece in pieces:
                match piece:
                    case FunctionCall():
                        calls.append(piece)
                    case ChatUsage():
                        self._rules.use(piece)
                    case _:
                        chars += len(piece)
                        self._queue(parted.add(piece), sentences)
                if chars > MAX_REPLY_CHARS:
                    break
        self._queue(parted.finish(), sentences)
        return calls if reply.tools else []

    @staticmethod
    def _queue(found: Sequence[str], sentences: _Sentences) -> None:
        for sentence in found:
            sentences.put_nowait(sentence)

    async def _speak(self, reply: Reply, sentences: _Sentences) -> None:
        while sentence := await sentences.get():
            self._rules.will_say(reply.item_id, sentence)
            self._follow()
            begin = partial(self._parts.voice.speak, sentence, reply.voice)
            async with aclosing(with_tries(begin)) as pieces:
                async for pcmu in pieces:
                    self._rules.speak(reply.item_id, pcmu)
                    self._follow()


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first, out of the group that several tasks make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
