"""The rules of a conversation by ears, mind and voice, without any of the three.

What the caller and the parts do comes in; `events` for the call and `work` for the parts come out.
Lives here: whose turn it is, which reply is alive, what is owed, what the mind is told. At most one
reply is alive. It needs no clock: moments are those of the caller's audio.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech.cascade_history import Entry, History
from service.speech.cascade_parts import ChatUsage, FunctionCall, Reply, Role, Utterance, Work
from service.speech.cascade_turn import CallerTurns, TurnBegan, TurnEnded
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
    SpeechError,
    SpeechEvent,
    TextSpeaker,
    ToolCall,
    Usage,
    Used,
)

MAX_DEAF_TURNS = 2
"""Turns in a row whose words could not be had; then the ears are given up."""
WORDLESS_MS = 600
"""A turn without words that is as long was speech; a shorter one was a noise."""
_ROLES: dict[TextSpeaker, Role] = {"caller": "user", "agent": "assistant", "system": "system"}
_NOT_UNDERSTOOD = "The caller said something that could not be made out. Ask to repeat it."
_GO_ON = "A noise interrupted you, the caller said nothing. Go on where you were."
_ABANDONED = '{"error":{"code":"ending","message":"the call ends now"}}'


@dataclass(slots=True)
class _Alive:
    """The reply that goes on."""

    item_id: str
    words: str = ""
    has_spoken: bool = False


class CascadeRules:
    """One conversation.

    Attributes:
        events: for the call, in order; whoever hands them out takes them out.
        work: for the parts, in order; whoever begins it takes it out.
    """

    def __init__(self, bot: Bot) -> None:
        self.events: deque[SpeechEvent] = deque()
        self.work: deque[Work] = deque()
        self._bot = bot
        self._turns = CallerTurns(bot.vad)
        self._history = History()
        self._unheard: dict[str, tuple[Entry, int]] = {}
        self._alive: _Alive | None = None
        self._owed: bool | None = None
        self._was_cut = False
        self._calls: set[str] = set()
        self._then_say = ""
        self._deaf_turns = 0
        self._count = 0
        self._is_busy = False

    @property
    def alive(self) -> str:
        """Item of the reply that goes on, empty without one: work for any other is to stop."""
        return self._alive.item_id if self._alive else ""

    # What the call does.

    def hear(self, pcmu: bytes) -> None:
        """Take caller audio."""
        for moment in self._turns.hear(pcmu):
            if isinstance(moment, TurnBegan):
                self._begin_turn(moment)
            else:
                self._end_turn(moment)
        self._go_on()

    def add_text(self, text: str, speaker: TextSpeaker, *, wants_reply: bool) -> None:
        """Add what was said or done in another way than by speech into the line."""
        self._history.add(_ROLES[speaker], text)
        if wants_reply:
            self._owe()
        self._go_on()

    def restore(self, memories: Sequence[Remembered]) -> None:
        """Remember what happened in an earlier conversation."""
        for memory in memories:
            if isinstance(memory, Used):
                call = FunctionCall(memory.call_id, memory.name, memory.arguments)
                self._history.add("assistant").calls.append(call)
                self._history.answer(memory.call_id, memory.output)
            else:
                self._history.add(_ROLES[memory.speaker], memory.text)

    def say(self, instruction: str, *, may_use_tools: bool) -> None:
        """Let the mind speak by an instruction, after the reply that is alive."""
        self._history.add("system", instruction)
        self._owe(may_use_tools=may_use_tools)
        self._go_on()

    def add_tool_result(self, call_id: str, output: str, then_say: str) -> None:
        """Answer a function call, once; unknown ones are ignored."""
        if call_id in self._calls:
            self._calls.discard(call_id)
            self._history.answer(call_id, output)
            self._then_say = then_say or self._then_say
            if not self._calls:
                self._go_on_after_calls()
        self._go_on()

    def abandon_calls(self, but: str) -> None:
        """Close the calls that are open, for what comes next is the end; late results are lost."""
        for call_id in self._calls - {but}:
            self._history.answer(call_id, _ABANDONED)
        self._calls &= {but}
        self._then_say = ""
        self._go_on()

    def change_bot(self, bot: Bot) -> None:
        """Become another bot, with the next reply."""
        self._bot = bot
        self._turns.follow(bot.vad)
        self.events.append(BotChanged(bot.bot_id, was_reduced=bool(bot.mcp_servers)))

    def forget_caller(self) -> None:
        """Drop the caller's unfinished turn."""
        if self._turns.is_speaking:
            self._unheard.popitem()  # the latest: those before it have ended
        self._turns.forget()
        self._go_on()

    def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Stop the reply that is alive, and leave of what was said what was heard."""
        self._cut()
        # A reply that is over may still be on its way to the caller's ear.
        self._was_cut = self._was_cut or any(not item.was_heard_in_full for item in heard)
        for item in heard:
            self._history.cut(item)
        self._go_on()

    # What the parts do.

    def understood(self, done: Utterance, text: str) -> None:
        """Take the words of a caller turn, empty when there were none."""
        self._deaf_turns = 0
        self.events.append(Usage({"cascade.asr.seconds": done.seconds}))
        self._settle_words(done.item_id, text)
        self._go_on()

    def not_understood(self, item_id: str, failure: SpeechError) -> None:
        """Note that the words of a caller turn could not be had; the mind asks to repeat them.

        Raises:
            SpeechError: the failure, when it was not the first in a row or will not pass.
        """
        self._deaf_turns += 1
        if self._deaf_turns >= MAX_DEAF_TURNS or not failure.retryable:
            raise failure
        entry, _ = self._unheard[item_id]
        self._unheard[item_id] = (entry, WORDLESS_MS)
        self._settle_words(item_id, "")
        self._go_on()

    def will_say(self, item_id: str, sentence: str) -> None:
        """Note a sentence that goes to the voice now."""
        if self._alive and self._alive.item_id == item_id:
            piece = f" {sentence}" if self._alive.words else sentence
            self._alive.words += piece
            self._history.say(item_id, sentence)
            self.events.append(AgentTranscript(item_id, piece, is_final=False))
            self.events.append(Usage({"cascade.tts.characters": len(sentence)}))

    def speak(self, item_id: str, pcmu: bytes) -> None:
        """Hand out sound."""
        if pcmu and self._alive and self._alive.item_id == item_id:
            self._alive.has_spoken = True
            self.events.append(AgentAudio(item_id, pcmu))

    def finish(self, item_id: str, calls: Sequence[FunctionCall]) -> None:
        """Note that a reply is over: its sound was handed out; then its calls are to be run.

        Those of a reply that was cut short are lost: nothing of it may run.
        """
        alive = self._alive
        if alive and alive.item_id == item_id:
            if alive.words:
                self.events.append(AgentAudioDone(item_id))
            self._close()
            self._call(alive, calls)
        self._go_on()

    def _call(self, alive: _Alive, calls: Sequence[FunctionCall]) -> None:
        item_id = alive.item_id
        named = [
            FunctionCall(f"{item_id}_{number}", call.name, call.arguments)
            for number, call in enumerate(calls)
        ]
        if named:
            self._history.call(item_id, named)
        self._calls.update(call.call_id for call in named)
        self.events.extend(
            ToolCall(call.call_id, call.name, call.arguments, alive.has_spoken) for call in named
        )

    def use(self, usage: ChatUsage) -> None:
        """Count what a reply has used."""
        counts = {
            "cascade.llm.input_tokens": usage.input_tokens,
            "cascade.llm.cached_tokens": usage.cached_tokens,
            "cascade.llm.output_tokens": usage.output_tokens,
        }
        self.events.append(Usage({name: float(count) for name, count in counts.items()}))

    # Whose turn it is.

    def _begin_turn(self, began: TurnBegan) -> None:
        item_id = self._next_id("caller")
        entry = self._history.add("user", item_id=item_id)
        self._unheard[item_id] = (entry, 0)
        self._is_busy = True
        self.events.append(CallerSpeechStarted(item_id, began.at_ms))
        self._cut()

    def _end_turn(self, ended: TurnEnded) -> None:
        item_id = next(reversed(self._unheard))
        entry, _ = self._unheard[item_id]
        self._unheard[item_id] = (entry, ended.spoken_ms)
        self._is_busy = True
        self.events.append(CallerSpeechStopped(item_id, ended.at_ms))
        self.work.append(Utterance(item_id, ended.pcmu, self._bot.languages))

    def _settle_words(self, item_id: str, text: str) -> None:
        entry, spoken_ms = self._unheard.pop(item_id)
        entry.text = text
        if self._bot.transcription_model:  # else the words are for the mind alone
            self.events.append(CallerTranscript(item_id, text or None))
        if text:
            self._owe()
        elif self._was_cut or spoken_ms >= WORDLESS_MS:
            was_noise = spoken_ms < WORDLESS_MS
            self._history.add("system", _GO_ON if was_noise else _NOT_UNDERSTOOD)
            self._owe()

    def _cut(self) -> None:
        """End the reply that is alive, because it is spoken over."""
        if self._alive:
            self._was_cut = True
            if not self._alive.has_spoken:
                self._history.forget(self._alive.item_id)
            self._close()

    def _close(self) -> None:
        alive, self._alive = self._alive, None
        if alive and alive.words:
            self.events.append(AgentTranscript(alive.item_id, alive.words, is_final=True))

    def _owe(self, *, may_use_tools: bool = True) -> None:
        """Owe a reply; one that may use no functions says what was asked for, and so stays."""
        self._owed = may_use_tools and self._owed is not False

    def _go_on_after_calls(self) -> None:
        """Owe what follows the last result: what was asked for, or whatever the mind likes."""
        instruction, self._then_say = self._then_say, ""
        if instruction:
            self._history.add("system", instruction)
        self._owe(may_use_tools=not instruction)

    def _go_on(self) -> None:
        """Begin what is owed as soon as nobody speaks; tell the call when nothing is left."""
        waits = self._turns.is_speaking or self._unheard or self._alive
        if self._owed is not None and not waits:
            self._reply(may_use_tools=self._owed)
        is_done = not (self._alive or self._unheard or self._calls or self._owed is not None)
        if is_done and self._is_busy:
            self._is_busy = False
            self.events.append(AgentTurnDone())

    def _reply(self, *, may_use_tools: bool) -> None:
        self._owed, self._was_cut, self._is_busy = None, False, True
        item_id = self._next_id("agent")
        self._alive = _Alive(item_id)
        messages = self._history.messages(self._bot.instructions)
        tools = self._bot.tools if may_use_tools else ()
        self.work.append(Reply(item_id, messages, tools, self._bot.voice))

    def _next_id(self, speaker: str) -> str:
        self._count += 1
        return f"{speaker}_{self._count}"
