"""One conversation over as many as it takes: lost ones are restored, here or elsewhere.

The tasks and timers around `course` (what to go on with) and `attempts` (where and when).
Source: Realtime specification, 11.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech.attempts import Attempts
from service.speech.breaker import Breaker
from service.speech.clips import NO_PROVIDER
from service.speech.course import LOST_WORDS, Course, Owed
from service.speech.port import (
    AgentAudioDone,
    Remembered,
    SpeechError,
    SpeechEvent,
    SpeechLost,
    SpeechProvider,
    SpeechReady,
    SpeechSession,
    TextSpeaker,
)
from service.speech.renewal import Renewal

CHUNK_BYTES = 8_000
"""A second of audio at a time is given to a new conversation, much faster than it was spoken."""
REPEAT_S = 4.0
"""For a new conversation to find the caller's turn in what it is given again."""
RENEW_TRY_S = 60.0
"""Between two tries to renew a conversation."""
LOOK_S = 0.5
"""How often a conversation that is to be renewed looks whether nobody speaks."""
OF_BOT = frozenset({"invalid_model", "missing_model", "model_not_found", "session_refused"})
"""Codes of refusals for what a bot asks for: another bot may be welcome."""
Deed = Callable[[SpeechSession], Awaitable[None]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """One provider of the chain.

    `name` as in `SPEECH_PROVIDER`. `renew_after_s`: age at which its conversations are replaced
    because the provider ends them soon; 0 for never.
    """

    name: str
    provider: SpeechProvider
    renew_after_s: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)


class FallbackSession:
    """One conversation over as many as it takes. Failures come from the iteration only."""

    def __init__(self, links: Sequence[Link], bot: Bot) -> None:
        self.model = ""
        self.is_reduced = False
        self._links = links
        self._clock = asyncio.get_running_loop().time
        self._attempts = Attempts([link.breaker for link in links])
        self._course = Course(bot)
        self._link = links[0]
        self._session: SpeechSession | None = None
        self._coming: SpeechSession | None = None  # one that is not up to date yet
        self._meanwhile: list[Deed] = []
        self._events: deque[SpeechEvent] = deque()
        self._failure = SpeechError(NO_PROVIDER, retryable=False)
        self._after = ""
        self._is_proven = False
        self._wait: asyncio.Timeout | None = None
        self._repeat_by: float | None = None
        self._renew_at: float | None = None
        self._renewal: Renewal | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    # What the call tells.

    async def send_audio(self, pcmu: bytes) -> None:
        """Pass caller audio on, or keep it until there is a conversation again."""
        self._course.ring.add(pcmu)
        if self._session:
            await self._session.send_audio(pcmu)

    async def send_text(
        self, text: str, *, speaker: TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        """Add a text to the conversation, and let the model react if a reply is wanted."""
        self._course.memory.add_text(text, speaker)
        if wants_reply:
            self._course.owe(Owed())
        await self._tell(lambda it: it.send_text(text, speaker=speaker, wants_reply=wants_reply))

    async def restore(self, memories: Sequence[Remembered]) -> None:
        """Pass on what happened before; a chain is not restored itself."""
        if self._session:
            await self._session.restore(memories)

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        """Answer a function call, also one of a conversation that was lost meanwhile."""
        course = self._course
        was_open = course.is_open(call_id)
        name = course.memory.name_of(call_id)
        if not (was_open or name):
            return
        course.answer(call_id, output, then_say)
        if was_open:
            own_id = call_id.removeprefix(course.prefix)
            await self._tell(lambda it: it.send_tool_result(own_id, output, then_say=then_say))
        else:
            await self._tell(_in_words(f"The function {name} has returned: {output}", then_say))

    async def abandon_calls(self, *, but: str = "") -> None:
        """Wait for no function any more, except for one."""
        self._course.abandon_calls(but)
        if self._session:
            await self._session.abandon_calls(but=but.removeprefix(self._course.prefix))

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        """Let the model speak now, or as soon as there is one."""
        self._course.owe(Owed(instruction, may_use_tools))
        await self._tell(lambda it: it.say(instruction, may_use_tools=may_use_tools))

    async def change_bot(self, bot: Bot) -> None:
        """Go on as another bot; `BotChanged` answers."""
        self._course.change_bot(bot)
        if self._session and not self._coming:  # which is told once it is up to date
            await self._session.change_bot(bot)

    async def use_model(self, model: str) -> None:
        """Renew the conversation with another model, where there are several to be had."""
        if self._link.renew_after_s:
            self._course.use_model(model)
            self._renew_at = self._clock()
            self._set_timer()

    async def forget_caller(self) -> None:
        """Drop what the caller is saying."""
        self._course.forget_caller()
        if session := self._session or self._coming:
            await session.forget_caller()

    async def revive(self, *, elsewhere: bool) -> None:
        """Do something about a silence; with `elsewhere`, try the next provider if there is one."""
        if elsewhere:
            self._attempts.avoid()
            self._is_proven = False  # should it speak after all, it is not to be avoided
        if self._session:
            await self._session.revive(elsewhere=elsewhere)

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Tell the model what was heard, also of what it said before it was lost."""
        known = self._course.cut(heard)
        await self._tell(lambda it: it.interrupt(known))
        if len(known) < len(heard) and (note := self._course.correction(heard)):
            await self._tell(lambda it: it.send_text(note, speaker="system", wants_reply=False))

    async def _tell(self, deed: Deed) -> None:
        """Let the conversation know; one that is being brought up to date, as soon as it is.

        What is told while there is none is in the course, from which the next one begins.
        """
        if self._session:
            await deed(self._session)
        elif self._coming:
            self._meanwhile.append(deed)

    async def aclose(self) -> None:
        """Close all conversations that are left."""
        if self._timer:
            self._timer.cancel()
        self._drop_renewal()
        if self._session:
            self._close(self._session)
            self._session = None
        await asyncio.gather(*self._closing)

    # What the call is told.

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """Return the session itself: iterating again goes on where it was left."""
        return self

    async def __anext__(self) -> SpeechEvent:
        """Return the next event; safe to cancel.

        Raises:
            SpeechError: no provider is left.
        """
        while not self._events:
            if self._session is None:
                await self.connect()
            elif event := await self._next_of(self._session):
                return event
        return self._events.popleft()

    async def _next_of(self, session: SpeechSession) -> SpeechEvent | None:
        """Return the next event of a conversation, None when there is something else to do."""
        try:
            async with asyncio.timeout(None) as self._wait:
                event = await anext(session)
        except TimeoutError:
            await self._on_time(session)
            return None
        except SpeechError as error:
            self._lose(session, error)
            return None
        finally:
            self._wait = None
        if not self._is_proven and isinstance(event, AgentAudioDone):
            self._is_proven = True
            self._attempts.succeeded()
        return self._course.take(event)

    def _lose(self, session: SpeechSession, error: SpeechError) -> None:
        _log.warning("a conversation was lost", extra=self._words_for_log(error))
        self._session = None
        self._close(session)
        self._failed(error)
        self._events.extend(self._course.lose())
        if not self._attempts.are_over:
            self._events.append(SpeechLost(self._link.name, error.code))

    def _failed(self, error: SpeechError) -> None:
        if error.code != NO_PROVIDER:
            self._failure, self._after = error, error.code
        note = self._attempts.lost if self._is_proven else self._attempts.failed
        is_of_bot = error.code in OF_BOT
        note(self._clock(), for_good=not error.retryable, is_of_bot=is_of_bot)
        self._is_proven = False

    def _words_for_log(self, error: SpeechError) -> dict[str, str]:
        return {"provider": self._link.name, "code": error.code}

    # Connecting.

    async def connect(self) -> None:
        """Find a provider and go on with it.

        Raises:
            SpeechError: no provider is left.
        """
        while self._session is None:
            attempt = self._attempts.next(self._clock())
            if attempt is None:
                raise self._failure
            await asyncio.sleep(attempt.wait_s)
            self._link = self._links[attempt.link]
            try:
                opened = await self._open(attempt.deadline_s)
            except SpeechError as error:
                _log.warning("no conversation came about", extra=self._words_for_log(error))
                self._failed(error)
            else:
                await self._take_over(*opened)

    async def _open(self, deadline_s: float) -> tuple[SpeechSession, Bot]:
        """Return a new conversation, and the bot that it is for.

        One that was made ready for renewal serves at once, if it is of this provider and bot.
        """
        bot, provider, renewal = self._course.bot, self._link.provider, self._renewal
        if renewal and renewal.is_for(provider, bot) and renewal.is_ready:
            self._renewal = None
            return renewal.session, bot
        self._drop_renewal()
        try:
            async with asyncio.timeout(deadline_s):
                return await provider.connect(bot), bot
        except TimeoutError as error:
            raise SpeechError("connect_timeout", retryable=True) from error

    async def _take_over(self, session: SpeechSession, bot: Bot) -> None:
        """Let a new conversation know all that it needs, and be the one that counts.

        `bot` is what it is configured for; meanwhile another one may be wanted.
        """
        course = self._course
        try:
            await self._bring_up_to_date(session)
            told = bot
            while course.is_other_bot(told):  # again, where it changes meanwhile
                told = course.bot
                await session.change_bot(told)
        except BaseException:
            self._session = None
            self._close(session)
            raise
        finally:
            self._coming = None
            self._meanwhile.clear()
        self._attempts.connected()
        now = self._clock()
        self._repeat_by = now + REPEAT_S if course.resuming else None
        self._renew_at = now + self._link.renew_after_s if self._link.renew_after_s else None
        is_other_bot = told is not bot
        if self._renew_at and bot.model != course.bot.model and not is_other_bot:
            self._renew_at = now
        self._set_timer()
        self.model, self.is_reduced = session.model, session.is_reduced
        ready = SpeechReady(self._link.name, self.model, self.is_reduced, self._after)
        self._events.append(ready)
        self._events.extend(course.catch_up(bot if is_other_bot else course.bot))

    async def _bring_up_to_date(self, session: SpeechSession) -> None:
        """Tell what was said, let the caller be heard, then what the call has told meanwhile."""
        resumption = self._course.resume()
        self._coming, sent = session, 0
        await session.restore(resumption.memories)
        while chunk := self._course.hear_again(sent, CHUNK_BYTES):
            sent += len(chunk)
            await session.send_audio(chunk)
        self._session = session
        if (owed := resumption.then) and self._course.still_owes(owed):
            await session.say(owed.instruction, may_use_tools=owed.may_use_tools)
        while self._meanwhile:
            await self._meanwhile.pop(0)(session)

    # Time: a turn that is not found again, and renewal.

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = [at for at in (self._repeat_by, self._renew_at) if at is not None]
        if due:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(min(due), self._interrupt_wait)

    def _interrupt_wait(self) -> None:
        """Let the iteration look at the clock; when it does not wait it will, at its next turn."""
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._interrupt_wait)
        if self._wait and not self._wait.expired():
            self._wait.reschedule(self._clock())

    async def _on_time(self, session: SpeechSession) -> None:
        now = self._clock()
        if self._repeat_by is not None and now >= self._repeat_by:
            self._repeat_by = None
            if self._course.misses_turn:
                self._events.extend(self._course.give_up_turn())
                if self._course.owes_nothing:
                    await self.say(LOST_WORDS)
        if self._renew_at is not None and now >= self._renew_at:
            await self._renew(session, now)
        self._set_timer()

    async def _renew(self, session: SpeechSession, now: float) -> None:
        """Make a second conversation ready, and change over when nobody speaks."""
        self._renew_at = now + LOOK_S
        provider, bot = self._link.provider, self._course.bot
        if self._renewal and not self._renewal.is_for(provider, bot):
            self._drop_renewal()
        if self._renewal is None:
            self._renewal = Renewal(provider, bot)
        elif self._renewal.has_failed:
            self._renewal = None
            self._renew_at = now + RENEW_TRY_S
        elif self._renewal.is_ready and self._course.is_quiet(now):
            fresh, self._renewal, self._after = self._renewal.session, None, ""
            self._session = None
            self._close(session)
            await self._take_over(fresh, bot)

    def _drop_renewal(self) -> None:
        if self._renewal:
            self._spawn(self._renewal.undo())
            self._renewal = None

    def _close(self, session: SpeechSession) -> None:
        """Close a conversation beside the call: a dead one takes its time."""
        self._spawn(session.aclose())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _in_words(text: str, then_say: str) -> Deed:
    """Return how the result of a call that a conversation does not know is told to it."""

    async def deed(session: SpeechSession) -> None:
        await session.send_text(text, speaker="system", wants_reply=not then_say)
        if then_say:
            await session.say(then_say, may_use_tools=False)

    return deed
