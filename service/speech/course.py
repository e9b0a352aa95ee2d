"""Where a conversation stands: who speaks, what is owed, and how to go on after a loss.

Pure. It follows one call over all the conversations with providers that carry it, one after the
other, and gives their events ids and times that hold for the whole call: item ids of later
conversations get a prefix, and the audio clock goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech.caller_ring import BYTES_PER_MS, CallerRing
from service.speech.memory import Memory
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    Remembered,
    Said,
    SpeechEvent,
    ToolCall,
)

RESTORED = (
    "This call goes on after a short technical interruption, of which the caller need not hear. "
    "What was said before it follows. Do not greet again."
)
ANSWER = "Answer the caller now."
GO_ON = "You were cut off in mid-sentence. Go on from where you were cut off, without repeating."
CORRECTION = "The caller broke in. Of what you said last, only this was heard: «{words}»"
LOST_WORDS = "The caller's last words were lost. Apologise briefly and ask to repeat them."

QUIET_S = 1.0
"""Of silence before a conversation is exchanged for another."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What the model is to say: by an instruction, or without one whatever follows."""

    instruction: str = ""
    may_use_tools: bool = True


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a new conversation begins: what it must know, and what it says first, if anything."""

    memories: list[Remembered]
    then: Owed | None


class Course:
    """One call's conversation.

    Attributes:
        bot: who is to speak.
        ring: the caller's audio.
        memory: what was said and done.
        resuming: the caller's turn that a new conversation hears again; empty without one.
    """

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.ring = CallerRing()
        self.memory = Memory()
        self.resuming = ""
        self._accepted_bot = bot
        self._generation = 0
        self._base = 0
        self._speaking = self._unanswered = self._mid = ""
        self._stopped_at = 0
        self._owed: Owed | None = None
        self._open_calls: set[str] = set()
        self._may_use_tools = True
        self._open_words: set[str] = set()
        self._alias: dict[str, str] = {}
        self._was_stopped = self._is_answering = False
        self._answer_bytes = 0
        self._idle_since: float | None = None

    @property
    def is_idle(self) -> bool:
        """True while nobody speaks and nothing is owed."""
        busy = self._speaking or self._unanswered or self._is_answering or self.resuming
        return not (busy or self._owed or self._open_calls)

    @property
    def misses_turn(self) -> bool:
        """True while a turn that must be heard again was not: once found, it may last."""
        return bool(self.resuming and not self._speaking)

    def is_quiet(self, now: float) -> bool:
        """True once nothing has happened for so long that the last answer was heard, and a bit.

        It counts from the first look that finds nothing going on; `now` is monotonic seconds.
        """
        if not self.is_idle:
            self._idle_since = None
            return False
        self._idle_since = now if self._idle_since is None else self._idle_since
        answer_s = self._answer_bytes / (BYTES_PER_MS * 1_000)
        return now - self._idle_since >= QUIET_S + answer_s

    @property
    def prefix(self) -> str:
        """What the ids of the present conversation begin with."""
        return "" if self._generation < 2 else f"{self._generation}."

    def is_open(self, call_id: str) -> bool:
        """True while a function call of the present conversation waits for its result."""
        return call_id in self._open_calls and call_id.startswith(self.prefix)

    # What the provider tells.

    def take(self, event: SpeechEvent) -> SpeechEvent | None:
        """Follow an event; return it as the call is told of it, None when it knows already."""
        if isinstance(event, AgentAudio):  # most events by far
            return self._agent_speaks(event)
        event = self._named(event)
        match event:
            case CallerSpeechStarted() | CallerSpeechStopped():
                return self._on_caller(event)
            case AgentAudioDone():
                self._mid = "" if self._mid == event.item_id else self._mid
            case AgentTranscript():
                self._note_words(event)
            case ToolCall():
                self._answered()
                self._open_calls.add(event.call_id)
            case AgentTurnDone():
                self._answered()
                self._mid, self._is_answering = "", False
            case BotChanged():
                self.bot = self._accepted_bot if event.was_refused else self.bot
                self._accepted_bot = self.bot
            case _:
                pass
        self.memory.take(event)
        return event

    def _agent_speaks(self, event: AgentAudio) -> AgentAudio:
        if self._generation > 1:
            event = replace(event, item_id=self.prefix + event.item_id)
        if event.item_id != self._mid and (self._unanswered or self._owed):
            self._answered()  # the rest of what was being said already answers nothing
        self._answer_bytes = len(event.pcmu) + (self._answer_bytes if self._mid else 0)
        self._mid, self._is_answering = event.item_id, True
        self.memory.take(event)
        return event

    def _named(self, event: SpeechEvent) -> SpeechEvent:
        if self._generation < 2:
            return event
        if isinstance(event, ToolCall):
            return replace(event, call_id=self.prefix + event.call_id)
        if isinstance(event, AgentTranscript | AgentAudioDone):
            return replace(event, item_id=self.prefix + event.item_id)
        if isinstance(event, CallerSpeechStarted | CallerSpeechStopped | CallerTranscript):
            item_id = self.prefix + event.item_id
            return replace(event, item_id=self._alias.get(item_id, item_id))
        return event

    def _on_caller(self, event: CallerSpeechStarted | CallerSpeechStopped) -> SpeechEvent | None:
        position = self._base + event.at_ms * BYTES_PER_MS
        event = replace(event, at_ms=position // BYTES_PER_MS)
        if isinstance(event, CallerSpeechStarted):
            return self._caller_started(event, position)
        self._speaking, self._unanswered, self._stopped_at = "", event.item_id, position
        if self.resuming:
            self.resuming = ""
            return None if self._was_stopped else event
        return event

    def _caller_started(self, event: CallerSpeechStarted, position: int) -> SpeechEvent | None:
        self.ring.need_from(position)
        if self.resuming and not self._speaking:  # the call has heard it begin
            self._alias[event.item_id] = self._speaking = self.resuming
            return None
        self._speaking, self._unanswered, self._owed = event.item_id, "", None
        self.memory.take(event)
        return event

    def _note_words(self, event: AgentTranscript) -> None:
        if event.is_final:
            self._open_words.discard(event.item_id)
        else:
            self._open_words.add(event.item_id)

    def _answered(self) -> None:
        if not self._speaking:
            self.ring.settle(self._stopped_at)
        self._may_use_tools = self._owed is None or self._owed.may_use_tools
        self._unanswered, self._owed = "", None

    # What the call tells.

    def owe(self, owed: Owed) -> None:
        """Note that the model is to speak."""
        self._owed = owed

    def change_bot(self, bot: Bot) -> None:
        """Note who is to speak from now on."""
        self.bot = bot

    def use_model(self, model: str) -> None:
        """Let whoever speaks do so by another model from the next conversation on."""
        changed = replace(self.bot, model=model)
        if self._accepted_bot is self.bot:
            self._accepted_bot = changed
        self.bot = changed

    def answer(self, call_id: str, output: str, then_say: str) -> None:
        """Note the result of a function."""
        self.memory.add_result(call_id, output)
        self._open_calls.discard(call_id)
        if not self._open_calls:
            self._owed = Owed(then_say, may_use_tools=not then_say)

    def abandon_calls(self, but: str) -> None:
        """Wait for no result any more, except for one."""
        self._open_calls &= {but}

    def forget_caller(self) -> None:
        """Drop what the caller is saying."""
        if turn := self._speaking or self.resuming:
            self.memory.forget(turn)
        self._speaking = self.resuming = ""
        self.ring.clear()

    def cut(self, heard: Sequence[HeardItem]) -> list[HeardItem]:
        """Note what was heard before the agent was stopped; return what the provider knows of."""
        self._mid, self._is_answering = "", False
        if self._owed and self._owed.instruction == GO_ON:
            self._owed = None
        self.memory.cut(heard)
        start = len(self.prefix)
        return [
            replace(item, item_id=item.item_id[start:])
            for item in heard
            if item.item_id.startswith(self.prefix)
        ]

    def correction(self, heard: Sequence[HeardItem]) -> str:
        """Return what a provider must be told of answers that it has only read."""
        texts = [
            self.memory.heard_of(item.item_id)
            for item in heard
            if not item.item_id.startswith(self.prefix)
        ]
        words = " ".join(text for text in texts if text)
        return CORRECTION.format(words=words) if texts else ""

    # Lost, and going on.

    def lose(self) -> list[SpeechEvent]:
        """Close what the lost conversation has left open; return what the call is told."""
        closing: list[SpeechEvent] = [
            AgentTranscript(item_id, self.memory.text_of(item_id), is_final=True)
            for item_id in sorted(self._open_words)
        ]
        self._open_words.clear()
        if not self.resuming:
            self.resuming = self._turn_to_repeat()
            self._was_stopped = not self._speaking
        self._speaking = ""
        return closing

    def _turn_to_repeat(self) -> str:
        """Return the caller's turn that must be heard again, empty when none need be."""
        if self._speaking:
            return self._speaking
        is_unwritten = self._unanswered and not self.memory.has_words_of(self._unanswered)
        return self._unanswered if is_unwritten else ""

    def resume(self) -> Resumption:
        """Begin a new conversation; its audio clock begins at the ring's `unheard_from`."""
        self._generation += 1
        then = self._owed  # newer than the caller's turn, which would have cleared it
        if self.resuming:
            then = None if then == Owed() else then  # the turn that is heard again is answered
        else:
            if self._unanswered:
                self.ring.settle(self._stopped_at)
                then = then or Owed(ANSWER)
            elif self._mid:
                then = then or Owed(GO_ON, self._may_use_tools)
            then = Owed(ANSWER) if then == Owed() else then
        self._owed = then or self._owed
        self._mid, self._is_answering = "", False
        self._base = self.ring.unheard_from
        if self._generation < 2:
            return Resumption([], then)
        memories = self.memory.give_back(but=self.resuming)
        return Resumption([Said("system", RESTORED), *memories], then)

    def hear_again(self, sent: int, most: int) -> bytes:
        """Return what a new conversation must hear next, at most so much, after `sent` bytes of it.

        What is kept no longer, because it listens slowly, is left out, and its clock put right.
        """
        begin = max(self._base + sent, self.ring.unheard_from)
        self._base = begin - sent
        return self.ring.read(begin, most)

    @property
    def owes_nothing(self) -> bool:
        """True while the model is to say nothing of its own accord."""
        return self._owed is None

    def still_owes(self, owed: Owed) -> bool:
        """Return whether the model still is to speak by this, and by nothing newer."""
        return self._owed is owed

    def is_other_bot(self, bot: Bot) -> bool:
        """Return whether this is another bot than is to speak, which is more than its model."""
        return bot is not self.bot and replace(bot, model=self.bot.model) != self.bot

    def catch_up(self, bot: Bot) -> list[SpeechEvent]:
        """Return what the call has to be told once the new conversation stands, as this bot."""
        events: list[SpeechEvent] = []
        if bot is not self._accepted_bot:
            self._accepted_bot = bot
            events.append(BotChanged(bot.bot_id))
        if self._generation > 1 and self.is_idle:
            events.append(AgentTurnDone())
        return events

    def give_up_turn(self) -> list[SpeechEvent]:
        """Give up the turn that should have been heard again; return what the call is told."""
        turn, self.resuming, self._speaking = self.resuming, "", ""
        self.ring.settle(self.ring.end)
        stopped = CallerSpeechStopped(turn, self.ring.end // BYTES_PER_MS)
        words = CallerTranscript(turn, None)
        return [words] if self._was_stopped else [stopped, words]
