"""The rules of a Realtime conversation, without a socket.

Frames and `now` (monotonic seconds) in; speech events out, and in `outgoing` the frames to send.
Lives here: which response is alive, which is dead, when one may be created, what was heard.
Source: Realtime specification, sections 7 to 10; numbers in brackets refer to it.
"""

import math
from collections.abc import Sequence
from typing import Any

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.speech import realtime_wire as wire
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTurnDone,
    BotChanged,
    CallerSpeechStarted,
    CallerSpeechStopped,
    Remembered,
    SpeechError,
    SpeechEvent,
    TextSpeaker,
)
from service.speech.realtime_calls import FunctionCalls, approved_by
from service.speech.realtime_change import BotChange
from service.speech.realtime_errors import (
    BUSY,
    FIRST_RETRY_S,
    MAX_RETRIES,
    raise_if_fatal,
    retry_in_s,
)
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_patience import Patience
from service.speech.realtime_response import Response, Responses, usage_of, words_of_caller

_CUT_SHORT = ("content_filter", "max_output_tokens")
_CANNOT_ANSWER = "Tell the caller briefly that you cannot answer that, and offer other help."


class RealtimeRules:
    """One default conversation: at most one response is alive, at most one is owed.

    Made for the bot as the provider has accepted it.

    Attributes:
        outgoing: frames to send, in order; whoever sends them takes them out.
        retry_at: when a refused response is to be asked for again; `math.inf` when none is.
        ignored_errors: errors of the server that need no answer.
    """

    def __init__(self, bot: Bot) -> None:
        self._out = Outgoing()
        self.outgoing = self._out.frames
        self.ignored_errors = 0
        self._responses = Responses()
        self._create: dict[str, Any] | None = None
        self._owed: dict[str, Any] | None = None
        self._is_caller_speaking = False
        self._calls = FunctionCalls(self._out, bot.mcp_servers)
        self._change = BotChange(self._out, has_effort=bool(bot.reasoning))
        self._patience = Patience()
        self._has_spoken = False
        self.retry_at = math.inf
        self._retries = 0

    def poll(self, now: float) -> None:
        """Act on time: repeat a refused response, or give up on one that shows no life.

        Raises:
            SpeechError: the model was silent beyond its deadline.
        """
        if now >= self.retry_at:
            self.retry_at = math.inf
            self._ask(self._owed or {}, now)
        self.check_alive(now)

    def check_alive(self, now: float) -> None:
        """Do nothing while the model still has time.

        Raises:
            SpeechError: the model was silent beyond its deadline.
        """
        self._patience.check(now)

    def receive(self, frame: bytes, now: float) -> list[SpeechEvent]:
        """Return what a frame from the server means for the call.

        Raises:
            SpeechError: the server has ended the conversation, or will not go on.
        """
        events = self._take(wire.decode(frame), now)
        if self._responses.active:
            self._patience.await_life(now, is_remote=self._calls.are_remote)
        return events

    def _take(self, event: wire.ServerEvent | None, now: float) -> list[SpeechEvent]:
        match event:
            case wire.AudioDelta() | wire.AudioDone():
                return self._on_audio(event)
            case wire.TranscriptDelta() | wire.TranscriptDone():
                return [self._responses.of(event.response_id).add_words(event)]
            case wire.ResponseCreated() | wire.ResponseDone():
                return self._on_response(event, now)
            case wire.ServerError():
                return self._on_error(wire.read_error(event.error), now)
            case wire.SessionUpdated():
                return self._on_updated(event)
            case (
                wire.SpeechStarted()
                | wire.SpeechStopped()
                | wire.TranscriptionCompleted()
                | wire.TranscriptionFailed()
            ):
                return self._on_caller(event, now)
            case wire.SessionCreated() | None:
                return []
            case _:
                return self._on_item(event, now)

    def say(self, instruction: str, now: float, *, may_use_tools: bool = True) -> None:
        """Let the model speak by an instruction at the tail, which keeps the cache (14.1)."""
        self._out.add_text("system", instruction)
        self._ask({} if may_use_tools else {"tool_choice": "none"}, now)

    def add_text(self, text: str, speaker: TextSpeaker, now: float, *, wants_reply: bool) -> None:
        """Add what was said or done in another way than by speech into the line."""
        self._out.add_text(speaker, text)
        if speaker == "caller":
            self._patience.begin_again()
        if wants_reply:
            self._ask({}, now)

    def restore(self, memories: Sequence[Remembered]) -> None:
        """Add what happened in an earlier conversation (11.3)."""
        for memory in memories:
            self._out.add_memory(memory)

    def add_tool_result(self, call_id: str, output: str, then_say: str, now: float) -> None:
        """Answer a function call; `then_say` is what the model says next, else what it likes."""
        response_id = self._calls.answer(call_id, output, then_say)
        if response_id is not None:
            self._go_on_after(response_id, now)

    def abandon_calls(self, but: str) -> None:
        """Close the calls that are open, for what comes next is the end; late results are lost."""
        self._calls.abandon(but)

    def change_bot(self, bot: Bot) -> None:
        """Become another bot, after the changes that are still unanswered."""
        self._change.begin(bot, is_voice_frozen=self._has_spoken)

    def ask_again(self, now: float) -> None:
        """Ask for the response that is owed, unless one is alive or asked for."""
        if self._is_idle and not self._calls.are_open:
            self._ask(self._owed or {}, now)

    def forget_caller(self, now: float) -> None:
        """Drop the caller's unfinished turn, and what the server would have answered with it."""
        self._out.send({"type": "input_audio_buffer.clear"})
        self._is_caller_speaking = False
        if self._owed is not None:
            self._ask(self._owed, now)

    def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Tell the model what the caller heard before breaking in (8.3)."""
        active = self._responses.active
        if active and not active.is_dead:
            # Not the server's doing: the caller interrupted by a key, or we did.
            active.is_dead = True
            self._out.send({"type": "response.cancel", "response_id": active.response_id})
        for item in heard:
            if item.heard_ms == 0:
                self._forget(item.item_id)
            elif not item.was_heard_in_full:
                self._out.truncate(item)

    def _on_audio(self, event: wire.AudioDelta | wire.AudioDone) -> list[SpeechEvent]:
        response = self._responses.of(event.response_id)
        item = response.item(event.item_id)
        if isinstance(event, wire.AudioDone):
            item.has_all_audio = True
        if response.is_dead:
            return []
        if isinstance(event, wire.AudioDone):
            return [AgentAudioDone(event.item_id)]
        item.was_handed_out = self._has_spoken = True
        response.owes_words = False
        return [AgentAudio(event.item_id, event.delta)]

    def _on_caller(
        self,
        event: wire.SpeechStarted
        | wire.SpeechStopped
        | wire.TranscriptionCompleted
        | wire.TranscriptionFailed,
        now: float,
    ) -> list[SpeechEvent]:
        match event:
            case wire.SpeechStarted():
                self._hear_caller()
                return [CallerSpeechStarted(event.item_id, int(event.audio_start_ms or 0))]
            case wire.SpeechStopped():
                self._end_turn()
                if self._is_idle:
                    self._patience.await_response(now)
                return [CallerSpeechStopped(event.item_id, int(event.audio_end_ms or 0))]
            case _:
                return words_of_caller(event)

    def _hear_caller(self) -> None:
        """Be silent; the server cancels the response that is alive (interrupt_response).

        What we owe is kept: the turn may be forgotten, and then nobody answers it.
        """
        self._is_caller_speaking = True
        if self.retry_at != math.inf:
            self.retry_at, self._owed = math.inf, self._owed or {}
        if active := self._responses.active:
            if active.to_repeat is not None and not self._calls.are_open:
                self._owed = self._owed or active.to_repeat
            active.is_dead = True
        elif not self._create:
            self._patience.await_nothing()

    def _end_turn(self) -> None:
        """Leave it to the server to answer the caller and all that came before."""
        self._is_caller_speaking = False
        self._owed = None
        self.retry_at = math.inf
        self._patience.begin_again()

    def _on_response(
        self, event: wire.ResponseCreated | wire.ResponseDone, now: float
    ) -> list[SpeechEvent]:
        if isinstance(event, wire.ResponseDone):
            return self._on_done(event.response, now)
        self._on_created(event.response, now)
        return []

    def _on_created(self, head: wire.ResponseHead, now: float) -> None:
        """Take the response as alive; it need not be ours, the server creates by itself too."""
        self._responses.active = response = self._responses.of(head.id)
        self.retry_at = math.inf
        if self._create and wire.ask_of(head) == self._create["event_id"]:
            self._take_create(response)
            if self._is_caller_speaking:  # it was asked for before the caller began
                self.interrupt(())
                self._owed = self._owed or response.asked
        elif self._is_caller_speaking:  # the end of the turn was not told
            self._end_turn()

    def _on_item(self, event: wire.ItemEvent, now: float) -> list[SpeechEvent]:
        """Hand out a function call; follow what a remote server does (7.4, 7.5)."""
        match event:
            case wire.OutputItemDone():
                response = self._responses.of(event.response_id)
                return self._calls.take(wire.read_item(event.item), response)
            case wire.ItemDone():
                return self._on_request(wire.read_item(event.item), now)
            case _:
                return self._calls.follow(event)

    def _on_request(self, item: wire.OutputItem, now: float) -> list[SpeechEvent]:
        """Answer a request for approval that no response has told of, and go on after it (7.5)."""
        if item.type != "mcp_approval_request":
            return []
        response = self._responses.active or Response("")
        events = self._calls.take(item, response)
        if response.awaits_approval and not self._responses.active:
            self._ask({}, now)
        return events

    def _on_done(self, tail: wire.ResponseTail, now: float) -> list[SpeechEvent]:
        response = self._responses.end(tail.id)
        if self._responses.active in (response, None):
            # A create still unanswered now was this one: a refusal would have come before, and
            # not every server echoes metadata.
            self._take_create(response)
            self._responses.active = None
            self._patience.await_nothing()
        events = response.finish() + usage_of("response", tail.usage)
        for item_id in response.to_delete:
            self._out.delete(item_id)
        if tail.status == "failed":
            self._on_failed(response, wire.read_failure(tail.status_details), now)
        else:
            self._retries = 0
            self._patience.note_end(has_spoken=response.has_spoken)
            self._explain_silence(response, tail, now)
        if response.goes_on:
            self._calls.owe_words(tail.id)
        self._go_on_after(tail.id, now)
        if self._owed is not None:
            self._ask(self._owed, now)
        return events if self._has_more_to_say else [*events, AgentTurnDone()]

    def _explain_silence(self, response: Response, tail: wire.ResponseTail, now: float) -> None:
        """Let the model say something where a response was cut before it spoke or called (7.9)."""
        was_told = response.asked == {"tool_choice": "none"}  # to speak: once is enough
        is_silent = not (response.has_spoken or response.is_dead or self._calls.are_open)
        if wire.reason_of(tail.status_details) in _CUT_SHORT and is_silent and not was_told:
            self.say(_CANNOT_ANSWER, now, may_use_tools=False)

    def _take_create(self, response: Response) -> None:
        """Note that the create which is under way led to this response."""
        if self._create:
            asked = self._create["response"]
            response.asked = {name: asked[name] for name in asked if name != "metadata"}
            self._create = None

    def _on_failed(self, response: Response, error: wire.ErrorDetail, now: float) -> None:
        """Plan another try after a rate limit or a fault (7.8); the caller's turn stays."""
        raise_if_fatal(error)
        if response.is_dead:
            return
        self._retries += 1
        self.retry_at = now + retry_in_s(error, self._retries)
        self._owed = self._owed or response.asked or None

    def _on_updated(self, event: wire.SessionUpdated) -> list[SpeechEvent]:
        """Take it as the answer to our change of the bot, if there is one."""
        change = self._change.accept(event.session)
        if change is None:
            return []
        self._calls.approved = approved_by(change.bot.mcp_servers)
        return [BotChanged(change.bot.bot_id, was_reduced=change.is_reduced)]

    def _on_error(self, error: wire.ErrorDetail, now: float) -> list[SpeechEvent]:
        """End on what ends the session; recover what was refused; ignore the rest (10)."""
        if (refused := self._change.refuse(error)) is not None:
            return refused  # not the end: a bot may name a model that does not exist
        raise_if_fatal(error)
        if error.code == "session_expired":
            raise SpeechError(error.code, retryable=True)
        if not self._is_refusal(error):
            self.ignored_errors += 1
            return []
        response = self._create["response"] if self._create else {}
        response.pop("metadata", None)
        self._create = None
        self._retries += 1
        if self._retries > MAX_RETRIES:
            raise SpeechError("response_refused", retryable=True)
        if not self._responses.active:
            self._patience.await_nothing()
        self._owed = self._owed or response
        if error.code != BUSY or not self._responses.active:
            self.retry_at = now + FIRST_RETRY_S
        return []

    def _is_refusal(self, error: wire.ErrorDetail) -> bool:
        """True when a response was refused: ours, or one of the server's own making.

        The latter names no client event, and sometimes ours does not either (4.2; 9, rule 1).
        """
        if error.event_id is None:
            return error.code == BUSY and self._responses.active is not None
        return self._create is not None and error.event_id == self._create["event_id"]

    @property
    def _is_idle(self) -> bool:
        return self._responses.active is None and self._create is None

    @property
    def _has_more_to_say(self) -> bool:
        is_owed = self._owed is not None or self.retry_at != math.inf
        return is_owed or not self._is_idle or self._calls.are_open

    def _go_on_after(self, response_id: str, now: float) -> None:
        """Ask for more once the response is over and all its calls are answered (7.4)."""
        active = self._responses.active
        if active and active.response_id == response_id:
            return
        instruction = self._calls.take_answered(response_id)
        if instruction:
            self.say(instruction, now, may_use_tools=False)
        elif instruction is not None:
            self._ask({}, now)

    def _ask(self, response: dict[str, Any], now: float) -> None:
        """Create a response now, or owe it until nobody speaks and it may be asked for (9, 1)."""
        if self._is_caller_speaking or not self._is_idle or self.retry_at != math.inf:
            self._owed = response
            return
        self._owed = None
        self._create = self._out.create_response(self._patience.options_of(response))
        self._patience.await_response(now)

    def _forget(self, item_id: str) -> None:
        """Delete an item that was never heard, once its response is over (8.3, step 4)."""
        if response := self._responses.with_item(item_id):
            response.unheard.append(item_id)
        else:
            self._out.delete(item_id)
