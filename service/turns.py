"""Who spoke when, and what was heard: playout, transcript and receipt on one clock.

Pure: speech events and `now` (monotonic seconds) in; state for the call's pumps out. The call's
clock counts milliseconds from the caller's `open`.
"""

import math
from typing import assert_never

from service.audio.playout import HeardItem, PlayoutBuffer
from service.audiohook.messages import Ping, PlaybackCompleted, PlaybackStarted
from service.bots.port import Bot, Greeting
from service.call_events import Connection
from service.caller_audio import CallerAudio
from service.receipt import Receipt
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    SpeechLost,
    SpeechReady,
    Usage,
)
from service.transcript import Transcript, Turn

GREETING = "clip_greeting"
"""Item of a recorded greeting; the provider's ids begin with other words."""
LATEST_WORDS_MS = 10_000
"""Recognised words that take longer do not come any more (Realtime specification, 7.6)."""

TurnEvent = (
    AgentAudio
    | AgentAudioDone
    | AgentTranscript
    | CallerSpeechStopped
    | CallerTranscript
    | Usage
    | SpeechLost
    | SpeechReady
)


class Turns:
    """The course of one call's conversation.

    Attributes:
        playout: agent speech on its way to the caller.
        caller_audio: caller speech on its way to the provider.
        transcript: the turns.
        receipt: the counts.
        spoke_at: when the provider last sent speech (`now`'s clock).
        is_lost: the conversation was lost, and nothing was spoken or heard since.
    """

    def __init__(self, bot: Bot) -> None:
        self.playout = PlayoutBuffer()
        self.caller_audio = CallerAudio()
        self.transcript = Transcript()
        self.receipt = Receipt()
        self._answers = self.receipt.answers
        self.spoke_at = -math.inf
        self.is_lost = False
        self._lost_ms: int | None = None
        self._clips: set[str] = set()
        self._opened_at: float | None = None
        self.follow(bot)

    def follow(self, bot: Bot) -> None:
        """Reckon with the turn detection and the transcription of a bot that takes over."""
        self._vad = bot.vad
        self.receipt.transcribed_by(bot.transcription_model)
        self._is_transcribed = bool(bot.transcription_model)

    def play_greeting(self, greeting: Greeting, now: float) -> None:
        """Let the caller hear a recorded greeting, if there is one, as a turn of the agent's."""
        if greeting.clip:
            self._play(GREETING, greeting.clip, greeting.words, now)

    def play(self, pcmu: bytes, words: str, now: float) -> None:
        """Let the caller hear a recording of the service's own, as a turn of the agent's."""
        self._play(f"clip_{len(self._clips) + 1}", pcmu, words, now)

    def _play(self, item_id: str, pcmu: bytes, words: str, now: float) -> None:
        self._clips.add(item_id)  # the provider knows nothing of it
        self.transcript.agent_said(item_id, words, self.ms(now))
        self.playout.push(item_id, pcmu)
        self.playout.complete(item_id)

    def begin(self, now: float) -> None:
        """Start the call's clock: the caller's `open` came now."""
        self._opened_at = now

    def ms(self, at: float) -> int:
        """Return a moment of `now`'s clock on the call's clock; 0 before `begin`."""
        return 0 if self._opened_at is None else max(0, round((at - self._opened_at) * 1_000))

    def hear_caller(self, pcmu: bytes, now: float) -> bytes:
        """Take caller audio; return what is to be sent to the provider now, possibly nothing."""
        return self.caller_audio.receive(pcmu, now=now, call_ms=self.ms(now))

    def hear_player(self, message: Ping | PlaybackStarted | PlaybackCompleted, now: float) -> None:
        """Set the playout clock by what the caller's player reports."""
        match message:
            case Ping():
                self.playout.rtt_s = message.rtt_s or self.playout.rtt_s
            case PlaybackStarted():
                self.playout.playback_started(now)
            case PlaybackCompleted():
                self.playout.playback_completed(now)
            case _:
                assert_never(message)

    def take(self, event: TurnEvent, now: float) -> bool:
        """Note what the provider heard or said.

        Returns:
            True when the writer has something to look at: speech to send, a turn to publish.
        """
        match event:
            case AgentAudio():
                return self._agent_speaks(event, now)
            case AgentAudioDone():
                self._agent_pauses(event, now)
            case AgentTranscript():
                return self._note_words(event, now)
            case CallerSpeechStopped():
                self._caller_stopped(event, now)
            case CallerTranscript():
                self.transcript.caller_said(event.item_id, event.text, self.ms(now))
            case Usage():
                self.receipt.add_usage(event.counts)
            case SpeechLost() | SpeechReady():
                self._note_provider(event, now)
            case _:
                assert_never(event)
        return True

    def interrupt(self, event: CallerSpeechStarted, now: float) -> tuple[bool, list[HeardItem]]:
        """Stop the agent because the caller speaks.

        Returns:
            Whether the caller's side had speech of ours to stop, and what was heard of each item
            that was not heard in full.
        """
        # The provider moves the start back by what it keeps from before the speech.
        spoke_at_ms = self.caller_audio.to_call_ms(event.at_ms + self._vad.prefix_padding_ms)
        was_audible = self.playout.is_audible(now)
        if was_audible:
            self.receipt.caller_interrupted(spoke_at_ms, self.ms(now), self._rtt_ms)
        self._answers.caller_started()
        self.is_lost = False
        heard = self.cut(now)
        self.transcript.caller_started(event.item_id, spoke_at_ms)
        return was_audible, heard

    def interrupt_by_key(self, now: float) -> None:
        """Note that a key stops the agent; call `cut` next."""
        self.receipt.caller_interrupted(self.ms(now), self.ms(now), self._rtt_ms)

    def cut(self, now: float) -> list[HeardItem]:
        """Forget all speech that was not heard; return how far the provider's items were."""
        self.advance(now)
        heard = self.playout.clear(now)
        for item in heard:
            self._agent_heard(item, now)
        return [item for item in heard if item.item_id not in self._clips]

    def is_greeting(self, turn: Turn) -> bool:
        """True when the turn was the bot's recorded greeting, of which the model should know."""
        return turn.item_id == GREETING

    def advance(self, now: float) -> None:
        """Note the agent's turns that have now been heard in full, and words that never came."""
        self.transcript.give_up_words(self.ms(now) - LATEST_WORDS_MS)
        for item in self.playout.take_finished(now):
            self._agent_heard(item, now)

    def agent_done(self, now: float) -> None:
        """Note that the agent has nothing more to say for now."""
        self.transcript.close_silent(self.ms(now), is_waiting=self.playout.holds)

    def finish(self, now: float) -> None:
        """Close the books: nothing more is heard, said or recognised."""
        self.cut(now)
        self.transcript.finish(self.ms(now))
        self.receipt.underruns = self.playout.underruns
        self.receipt.dropped_in_bytes = self.caller_audio.dropped_bytes

    def packet_left(self, size: int, now: float) -> None:
        """Note that a packet of agent speech was written to the caller."""
        self.receipt.agent_audio_left(size, self.ms(now), self.ms(self.playout.held_until))

    @property
    def _rtt_ms(self) -> int:
        return round(self.playout.rtt_s * 1_000)

    def _agent_speaks(self, event: AgentAudio, now: float) -> bool:
        self.spoke_at, self.is_lost = now, False
        is_news = self.playout.push(event.item_id, event.pcmu)
        if self._answers.is_awaited:
            self._answers.audio_came(event.item_id, self.ms(now), is_news=is_news)
        return is_news

    def _note_words(self, event: AgentTranscript, now: float) -> bool:
        note = self.transcript.agent_said if event.is_final else self.transcript.agent_says
        note(event.item_id, event.text, self.ms(now))
        return event.is_final

    def _note_provider(self, event: SpeechLost | SpeechReady, now: float) -> None:
        if isinstance(event, SpeechLost):
            self.is_lost, self._lost_ms = True, self.ms(now)
            self.playout.break_off()
            self.receipt.add_error(event.code)
            return
        if event.is_reduced:
            self.receipt.add_error("session_reduced")
        self.receipt.connected(
            Connection(
                provider=event.provider,
                model=event.model,
                ready_ms=self.ms(now),
                after=event.after,
                lost_ms=self._lost_ms,
            )
        )
        self._lost_ms = None

    def _agent_pauses(self, event: AgentAudioDone, now: float) -> None:
        self.playout.complete(event.item_id)
        if self._answers.is_awaited:
            self._answers.audio_ended(self.ms(now))

    def _caller_stopped(self, event: CallerSpeechStopped, now: float) -> None:
        # The provider waits for this much silence before it says that the caller is done.
        ended_at_ms = self.caller_audio.to_call_ms(event.at_ms - self._vad.silence_duration_ms)
        self.transcript.caller_stopped(event.item_id, ended_at_ms)
        if not self._is_transcribed:
            self.transcript.caller_said(event.item_id, None, ended_at_ms)
        self._answers.caller_stopped(ended_at_ms, self.ms(now))

    def _agent_heard(self, item: HeardItem, now: float) -> None:
        start_ms = self.ms(now if item.started_at is None else item.started_at)
        if item.started_at is not None:
            self.receipt.agent_audio_heard(item.item_id, start_ms, self._rtt_ms)
        self.transcript.agent_heard(
            item.item_id,
            heard_ms=item.heard_ms,
            received_ms=item.received_ms,
            start_ms=start_ms,
            end_ms=self.ms(now if item.ended_at is None else item.ended_at),
            cut=not item.was_heard_in_full,
            is_complete=item.is_complete,
        )
