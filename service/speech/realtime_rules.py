"""The rules of a Realtime conversation, without a socket.

Frames and `now` (monotonic seconds) in; speech events out, and in `outgoing` the frames to send.
Lives here: which response is alive, which is dead, when one may be created, what was heard.
Source: Realtime specification, sections 7 to 10; numbers in brackets refer to it.
"""

import math
from collections.abc import Sequence
from typing import Any, assert_never

from service.audio.playout import HeardItem
from service.speech import realtime_wire as wire
from service.speech.port import (
    AgentAudio,
    AgentAudioDone,
    AgentTranscript,
    AgentTurnDone,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscript,
    SpeechError,
    SpeechEvent,
    ToolCall,
    Usage,
)
from service.speech.realtime_errors import (
    BUSY,
    FIRST_RETRY_S,
    MAX_RETRIES,
    raise_if_fatal,
    retry_in_s,
)
from service.speech.realtime_response import Response

CREATE_DEADLINE_S = 10.0
"""A response that we asked for must begin by then (9, rule 8)."""
SILENCE_DEADLINE_S = 15.0
"""A response that began must show life by then (9, rule 8)."""
_CANNOT_ANSWER = "Tell the caller briefly that you cannot answer that, and offer other help."


class RealtimeRules:
    """One default conversation: at most one response is alive, at most one is owed.

    Attributes:
        outgoing: frames to send, in order; whoever sends them takes them out.
        retry_at: when a refused response is to be asked for again; `math.inf` when none is.
        ignored_errors: errors of the server that need no answer.
    """

    def __init__(self) -> None:
        self.outgoing: list[bytes] = []
        self.ignored_errors = 0
        self._responses: dict[str, Response] = {}
        self._active: Response | None = None
        self._create: dict[str, Any] | None = None
        self._owed: dict[str, Any] | None = None
        self._is_caller_speaking = False
        self._over: set[str] = set()
        self._calls: set[str] = set()
        self._open_calls: dict[str, str] = {}
        self._answered: dict[str, str] = {}
        self._deadline = math.inf
        self.retry_at = math.inf
        self._retries = 0
        self._sent = 0

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
        if now >= self._deadline:
            raise SpeechError("model_silent", retryable=True)

    def receive(self, frame: bytes, now: float) -> list[SpeechEvent]:
        """Return what a frame from the server means for the call.

        Raises:
            SpeechError: the server has ended the conversation, or will not go on.
        """
        event = wire.decode(frame)
        if self._active:
            self._deadline = now + SILENCE_DEADLINE_S
        match event:
            case wire.AudioDelta() | wire.AudioDone():
                return self._on_audio(event)
            case wire.TranscriptDelta() | wire.TranscriptDone():
                return self._on_words(event)
            case wire.ResponseCreated() | wire.ResponseDone():
                return self._on_response(event, now)
            case wire.OutputItemDone():
                return self._on_item_done(event)
            case wire.ServerError():
                return self._on_error(wire.read_error(event.error), now)
            case None | wire.SessionCreated() | wire.SessionUpdated():
                return []
            case _:
                return self._on_caller(event, now)

    def say(self, instruction: str, now: float, *, may_use_tools: bool = True) -> None:
        """Let the model speak by an instruction at the tail, which keeps the cache (14.1)."""
        self._add_message("system", instruction)
        self._ask({} if may_use_tools else {"tool_choice": "none"}, now)

    def add_caller_text(self, text: str, now: float) -> None:
        """Add what the caller did without speaking, and let the model react."""
        self._add_message("user", text)
        self._ask({}, now)

    def add_tool_result(self, call_id: str, output: str, then_say: str, now: float) -> None:
        """Answer a function call; `then_say` is what the model says next, else what it likes."""
        response_id = self._open_calls.pop(call_id, None)
        if response_id is None:
            return
        self._send(
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": call_id, "output": output},
            }
        )
        self._answered[response_id] = then_say or self._answered.get(response_id, "")
        self._go_on_after(response_id, now)

    def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Tell the model what the caller heard before breaking in (8.3)."""
        if self._active and not self._active.is_dead:
            # Not the server's doing: the caller interrupted by a key, or we did.
            self._active.is_dead = True
            self._send({"type": "response.cancel", "response_id": self._active.response_id})
        for item in heard:
            if item.heard_ms == 0:
                self._forget(item.item_id)
            elif not item.was_heard_in_full:
                self._send(
                    {
                        "type": "conversation.item.truncate",
                        "item_id": item.item_id,
                        "content_index": 0,
                        "audio_end_ms": min(item.heard_ms, item.received_ms),
                    }
                )

    def _on_audio(self, event: wire.AudioDelta | wire.AudioDone) -> list[SpeechEvent]:
        response = self._response_of(event.response_id)
        item = response.item(event.item_id)
        if isinstance(event, wire.AudioDone):
            item.has_all_audio = True
        if response.is_dead:
            return []
        if isinstance(event, wire.AudioDone):
            return [AgentAudioDone(event.item_id)]
        item.was_handed_out = True
        return [AgentAudio(event.item_id, event.delta)]

    def _on_words(self, event: wire.TranscriptDelta | wire.TranscriptDone) -> list[SpeechEvent]:
        item = self._response_of(event.response_id).item(event.item_id)
        if isinstance(event, wire.TranscriptDelta):
            item.words += event.delta
            return [AgentTranscript(event.item_id, event.delta, is_final=False)]
        item.words, item.has_all_words = event.transcript, True
        return [AgentTranscript(event.item_id, event.transcript, is_final=True)]

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
                self._is_caller_speaking = False
                if self._is_idle:  # the server owes an answer
                    self._deadline = now + CREATE_DEADLINE_S
                return [CallerSpeechStopped(event.item_id, int(event.audio_end_ms or 0))]
            case wire.TranscriptionCompleted():
                words: list[SpeechEvent] = [CallerTranscript(event.item_id, event.transcript or "")]
                return words + _usage("transcription", event.usage)
            case wire.TranscriptionFailed():
                return [CallerTranscript(event.item_id, None)]
            case _:
                assert_never(event)

    def _hear_caller(self) -> None:
        """Be silent: at the end of this turn the server answers all that came before it.

        The server also cancels the response that is alive (interrupt_response).
        """
        self._is_caller_speaking = True
        self._owed = None
        self.retry_at = math.inf
        if self._active:
            self._active.is_dead = True
        elif not self._create:
            self._deadline = math.inf

    def _on_response(
        self, event: wire.ResponseCreated | wire.ResponseDone, now: float
    ) -> list[SpeechEvent]:
        if isinstance(event, wire.ResponseDone):
            return self._on_done(event.response, now)
        self._on_created(event.response, now)
        return []

    def _on_created(self, head: wire.ResponseHead, now: float) -> None:
        """Take the response as alive; it need not be ours, the server creates by itself too."""
        self._active = self._response_of(head.id)
        self.retry_at = math.inf
        self._deadline = now + SILENCE_DEADLINE_S
        if self._create and wire.ask_of(head) == self._create["event_id"]:
            self._take_create(self._active)
            if self._is_caller_speaking:  # it was asked for before the caller began
                self.interrupt(())
        else:
            self._is_caller_speaking = False

    def _on_item_done(self, event: wire.OutputItemDone) -> list[SpeechEvent]:
        """Hand out a function call; one cut short is `incomplete` and must not run (7.4)."""
        item = wire.read_item(event.item)
        if item.type != "function_call" or item.status == "incomplete" or not item.call_id:
            return []
        if item.call_id in self._calls:  # once is enough
            return []
        self._calls.add(item.call_id)
        self._open_calls[item.call_id] = event.response_id
        has_spoken = self._response_of(event.response_id).has_spoken
        return [ToolCall(item.call_id, item.name or "", item.arguments or "", has_spoken)]

    def _on_done(self, tail: wire.ResponseTail, now: float) -> list[SpeechEvent]:
        response = self._response_of(tail.id)
        self._responses.pop(tail.id, None)
        self._over.add(tail.id)
        if self._active in (response, None):
            # A create still unanswered now was this one: a refusal would have come before, and
            # not every server echoes metadata.
            self._take_create(response)
            self._active = None
            self._deadline = math.inf
        events = response.finish() + _usage("response", tail.usage)
        for item_id in response.to_delete:
            self._delete(item_id)
        if tail.status == "failed":
            self._on_failed(response, wire.read_failure(tail.status_details), now)
        else:
            self._retries = 0
            self._explain_refusal(response, tail, now)
        self._go_on_after(tail.id, now)
        if self._owed is not None and self._is_idle and self.retry_at == math.inf:
            self._ask(self._owed, now)
        if self._is_idle and self.retry_at == math.inf and not self._open_calls:
            events.append(AgentTurnDone())
        return events

    def _explain_refusal(self, response: Response, tail: wire.ResponseTail, now: float) -> None:
        """Let the model say something where the content filter left the caller in silence (7.9)."""
        was_filtered = wire.reason_of(tail.status_details) == "content_filter"
        if was_filtered and not response.has_spoken and not response.is_dead:
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

    def _on_error(self, error: wire.ErrorDetail, now: float) -> list[SpeechEvent]:
        """End on what ends the session; recover a refused response; ignore the rest (10)."""
        raise_if_fatal(error)
        if error.code == "session_expired":
            raise SpeechError(error.code, retryable=True)
        if not self._is_refusal(error):
            self.ignored_errors += 1
            return []
        refused = self._create["response"] if self._create else {}
        refused.pop("metadata", None)
        self._create = None
        self._retries += 1
        if self._retries > MAX_RETRIES:
            raise SpeechError("response_refused", retryable=True)
        self._deadline = now + SILENCE_DEADLINE_S if self._active else math.inf
        self._owed = self._owed or refused
        if error.code != BUSY or not self._active:
            self.retry_at = now + FIRST_RETRY_S
        return []

    def _is_refusal(self, error: wire.ErrorDetail) -> bool:
        """True when a response was refused: ours, or one of the server's own making.

        The latter names no client event, and sometimes ours does not either (4.2; 9, rule 1).
        """
        if error.event_id is None:
            return error.code == BUSY and self._active is not None
        return self._create is not None and error.event_id == self._create["event_id"]

    @property
    def _is_idle(self) -> bool:
        return self._active is None and self._create is None

    def _go_on_after(self, response_id: str, now: float) -> None:
        """Ask for more once the response is over and all its calls are answered (7.4)."""
        is_over = self._active is None or self._active.response_id != response_id
        if not is_over or response_id in self._open_calls.values():
            return
        instruction = self._answered.pop(response_id, None)
        if instruction:
            self.say(instruction, now, may_use_tools=False)
        elif instruction is not None:
            self._ask({}, now)

    def _ask(self, response: dict[str, Any], now: float) -> None:
        """Create a response now, or owe it until the one that is alive is over (9, rule 1)."""
        if self._is_caller_speaking:
            return
        if not self._is_idle:
            self._owed = response
            return
        self._owed = None
        self.retry_at = math.inf
        self._sent += 1
        event_id = f"ask_{self._sent}"
        asked = response | {"metadata": {"ask": event_id}}
        self._create = {"type": "response.create", "event_id": event_id, "response": asked}
        self.outgoing.append(wire.encode(self._create))
        self._deadline = now + CREATE_DEADLINE_S

    def _add_message(self, role: str, text: str) -> None:
        item = {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
        self._send({"type": "conversation.item.create", "item": item})

    def _forget(self, item_id: str) -> None:
        """Delete an item that was never heard, once its response is over (8.3, step 4)."""
        for response in self._responses.values():
            if item_id in response.items:
                response.unheard.append(item_id)
                return
        self._delete(item_id)

    def _delete(self, item_id: str) -> None:
        self._send({"type": "conversation.item.delete", "item_id": item_id})

    def _send(self, event: dict[str, Any]) -> None:
        self._sent += 1
        self.outgoing.append(wire.encode(event | {"event_id": f"c_{self._sent}"}))

    def _response_of(self, response_id: str) -> Response:
        """Return the response, alive from now on where its `response.created` was lost (6.5)."""
        if response_id in self._over:  # what still comes of it comes too late
            return Response(response_id, is_dead=True)
        response = self._responses.get(response_id)
        if response is None:
            response = self._responses[response_id] = Response(response_id)
            self._active = self._active or response
        return response


def _usage(source: str, usage: object) -> list[SpeechEvent]:
    counts = wire.flatten(source, usage)
    return [Usage(counts)] if counts else []
