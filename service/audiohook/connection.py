"""One AudioHook session as a state machine: frames and the time in, frames out.

No I/O, no clock and no logging live here; `call.py` drives it over a socket. The machine is the
table `_HANDLERS`: what is not in it is ignored and counted. Source: specification section 16
(states), 3 (numbers and identity), 17 (bad inputs).

One reader calls `receive_text` and `receive_audio`, one writer calls `data_to_send`, all on one
thread. None of them, nor `poll`, ever raises for what the peer does.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from service.audiohook.admission import Admission
from service.audiohook.counters import Counters
from service.audiohook.decoding import (
    MESSAGE_TYPES,
    Envelope,
    decode_envelope,
    decode_message,
    decode_open,
)
from service.audiohook.encoding import encode_message
from service.audiohook.errors import DisconnectReason, LocalProtocolError, RemoteProtocolError
from service.audiohook.fields import NULL_UUID
from service.audiohook.media import SAMPLE_RATE_HZ, MediaOffer
from service.audiohook.messages import (
    BargeIn,
    BotTurnResponse,
    ClientMessage,
    Closed,
    Discarded,
    Disconnect,
    Open,
    Opened,
    Pause,
    Pong,
    Resume,
    Resumed,
    ServerMessage,
    Updated,
)
from service.audiohook.send_queue import Lane, SendQueue
from service.audiohook.state import (
    ENDING_STATES,
    LIVENESS_TIMEOUT_S,
    OPEN_STATES,
    TIMEOUT_CLOSE_CODE,
    TIMEOUT_S,
    State,
)
from service.audiohook.variables import write_output_variables

__all__ = ["AudioHookConnection", "State"]

MAX_EARLY_FRAMES = 5
"""Binary frames tolerated before `open`: audio may overtake it in a careless client (row 57)."""

MAX_INFO_CHARS = 200


class AudioHookConnection:
    """The server's end of one session.

    Attributes:
        state: see `State`.
        open: the `open` that was accepted, or None.
        is_probe: this is a test of the integration, no call.
        is_paused: the client holds the caller's audio back.
        close_code: once set, write what `data_to_send` still gives, then close the socket with it.
        failure: what the peer did wrong when that ended the session, or None.
        counters: for the receipt of the call.
    """

    def __init__(
        self,
        *,
        session_id: str | None,
        organization_id: str | None,
        now: float,
        supported_languages: Sequence[str] = (),
    ) -> None:
        """Wait for `open` from `now` on (monotonic seconds, like every `now` here).

        Args:
            session_id: header of the upgrade; None adopts the id of the first message.
            organization_id: header of the upgrade; None accepts any organization.
            now: when the upgrade was accepted.
            supported_languages: named in `opened` when the client asks for them.
        """
        self.state = State.AWAIT_OPEN
        self.open: Open | None = None
        self.is_probe = False
        self.is_paused = False
        self.close_code: int | None = None
        self.failure: RemoteProtocolError | None = None
        self.counters = Counters()
        self._organization_id = organization_id
        self._supported_languages = tuple(supported_languages)
        self._admission = Admission(session_id, self.counters)
        self._server_seq = 0
        self._queue = SendQueue()
        self._media: MediaOffer | None = None
        self._samples = 0
        self._discarded_s = 0.0
        self._heard_at_s = now
        self._enter(State.AWAIT_OPEN, now)

    @property
    def session_id(self) -> str | None:
        """The `Audiohook-Session-Id`, or without that header the `id` of the first message."""
        return self._admission.session_id

    @property
    def position_s(self) -> float:
        """Seconds of the caller's timeline so far: audio received and audio discarded.

        Source: section 3.3.
        """
        return self._samples / SAMPLE_RATE_HZ + self._discarded_s

    def receive_text(self, text: str, *, now: float) -> ClientMessage | None:
        """Take one text frame; give what the call must know of.

        Answers are queued already. A breach of the protocol gives None, sets `failure` and
        leaves the state `DISCONNECTING`; while the session is ending, breaches only count.
        """
        self._heard_at_s = now
        self.counters.texts_in += 1
        try:
            envelope = decode_envelope(text)
            self._admission.admit(
                envelope,
                server_seq=self._server_seq,
                is_ending=self.state in ENDING_STATES,
            )
            handler = _HANDLERS[self.state].get(envelope.type)
            if handler is not None:
                return handler(self, envelope, now)
        except RemoteProtocolError as failure:
            self._fail(failure, now)
            return None
        self._ignore(envelope.type)
        return None

    def receive_audio(self, frame: bytes, *, now: float) -> bytes:
        """Take one binary frame; give the caller's PCMU to forward, empty when there is none."""
        self._heard_at_s = now
        counters = self.counters
        counters.audio_frames_in += 1
        counters.audio_bytes_in += len(frame)
        if self.state is not State.OPEN and self.state is not State.DRAINING:
            return self._drop_frame(frame, now)
        if self.is_paused or self._media is None:
            return self._drop_frame(frame, now)
        pcmu = self._media.caller_audio(frame)
        self._samples += len(pcmu)
        counters.odd_bytes += len(frame) % len(self._media.channels)
        return pcmu

    def send(self, message: ServerMessage) -> None:
        """Queue a message of the call: an event, `pause` or `resume`.

        Raises:
            LocalProtocolError: the session is not open, or the message has its own way out
                (`disconnect`, `finish`; answers are automatic).
        """
        if not isinstance(message, BargeIn | BotTurnResponse | Pause | Resume):
            raise LocalProtocolError(f"send takes no {message.TYPE}: it is sent by itself")
        if self.state not in OPEN_STATES:
            raise LocalProtocolError(
                f"{message.TYPE} needs an open session, not {self.state.value}"
            )
        self._put_patient(message)

    def start_draining(self) -> None:
        """The farewell plays: keys are ignored from now on. Without effect unless `OPEN`."""
        if self.state is State.OPEN:
            self.state = State.DRAINING

    def stop_draining(self) -> None:
        """The farewell was objected to: the call goes on. Without effect unless `DRAINING`."""
        if self.state is State.DRAINING:
            self.state = State.OPEN

    def disconnect(
        self,
        *,
        reason: DisconnectReason,
        info: str | None = None,
        output_variables: Mapping[str, object] | None = None,
        now: float,
    ) -> None:
        """Queue the one `disconnect`. Without effect when the session is already ending.

        Args:
            reason: `completed` makes the flow read the output variables.
            info: short cause for operations people; never secrets, prompts or caller data.
            output_variables: any JSON values, turned into texts; always the complete set.
            now: monotonic seconds.
        """
        if self.state in ENDING_STATES:
            return
        outputs = None if output_variables is None else write_output_variables(output_variables)
        cut_info = None if info is None else info[:MAX_INFO_CHARS]
        self._queue.clear(Lane.PATIENT)  # no event has a meaning after `disconnect`
        self._queue.put(Lane.PROMPT, Disconnect(reason, cut_info, outputs))
        self._enter(State.DISCONNECTING, now)

    def finish(self, now: float) -> None:
        """Answer `close`, now that the call has finalised. Without effect once `CLOSED`.

        Raises:
            LocalProtocolError: no `close` came.
        """
        if self.state is State.CLOSED:
            return
        if self.state is not State.CLOSING:
            raise LocalProtocolError(f"closed answers close, but none came in {self.state.value}")
        self._close(now)

    def data_to_send(self, *, now: float) -> str | None:
        """The next text frame, or None when none may leave now.

        Its number is taken here: write it at once, before the next one and never twice.
        """
        waiting = self._queue.take(now=now)
        if waiting is None:
            return None
        self._server_seq += 1
        return encode_message(
            session_id=self.session_id or NULL_UUID,  # null: no id was ever named
            message_type=waiting.message_type,
            seq=self._server_seq,
            clientseq=waiting.clientseq or self._admission.client_seq,
            parameters=waiting.parameters,
        )

    def next_deadline(self) -> float:
        """When to call `poll` and `data_to_send` again: infinity for never.

        In the past, down to minus infinity, when that is now.
        """
        return min(self._timer_at_s(), self._queue.ready_at_s())

    def poll(self, *, now: float) -> None:
        """Apply the timer of the state when it is due."""
        if now < self._timer_at_s():
            return
        if self.state is State.CLOSING:
            self._close(now)
            return
        close_code = TIMEOUT_CLOSE_CODE[self.state]
        if self.state is State.AWAIT_OPEN:
            self._fail(RemoteProtocolError("open timeout"), now)
        self._end(close_code)

    def _ignore(self, message_type: str) -> None:
        if message_type in MESSAGE_TYPES:
            self.counters.ignored_messages[message_type] += 1
        else:
            self.counters.unknown_types += 1

    def _on_open(self, envelope: Envelope, now: float) -> Open:
        opening = decode_open(
            envelope, organization_id=self._organization_id, warn=self.counters.warn
        )
        self.open = opening
        self.is_probe = opening.is_probe
        self._media = None if opening.is_probe else opening.media
        answer = Opened(media=() if opening.media is None else (opening.media.raw,))
        if opening.wants_languages and self._supported_languages:
            answer = Opened(media=answer.media, supported_languages=self._supported_languages)
        self._queue.put(Lane.PROMPT, answer)
        self._enter(State.OPEN, now)
        return opening

    def _on_ping(self, envelope: Envelope, now: float) -> ClientMessage | None:
        if not self._queue.is_full(Lane.PONG):
            self._queue.put(Lane.PONG, Pong(), clientseq=envelope.seq)
        elif self.state in ENDING_STATES:
            self._end(1008)
        else:
            raise RemoteProtocolError("too many pings")
        return self._tell(envelope, now)

    def _on_update(self, envelope: Envelope, now: float) -> ClientMessage | None:
        self._put_patient(Updated())
        return self._tell(envelope, now)

    def _on_early_update(self, envelope: Envelope, now: float) -> None:
        """The language of `open` will win, so the call need not know."""
        self._on_update(envelope, now)

    def _on_paused(self, envelope: Envelope, now: float) -> ClientMessage | None:
        self.is_paused = True
        return self._tell(envelope, now)

    def _on_resumed(self, envelope: Envelope, now: float) -> ClientMessage | None:
        if not self.is_paused:
            self.counters.warn("resumed")
            return None
        self.is_paused = False
        return self._on_discarded(envelope, now)

    def _on_discarded(self, envelope: Envelope, now: float) -> ClientMessage | None:
        message = self._tell(envelope, now)
        match message:
            case Resumed(discarded_s=float(gap_s)) | Discarded(discarded_s=float(gap_s)):
                self._discarded_s += gap_s
        return message

    def _on_close(self, envelope: Envelope, now: float) -> ClientMessage | None:
        # Who hangs up wants pongs and `closed`; even an `opened` would be out of place now.
        self._queue.clear(Lane.PROMPT, Lane.PATIENT)
        self._enter(State.CLOSING, now)
        return self._tell(envelope, now)

    def _on_close_without_call(self, envelope: Envelope, now: float) -> ClientMessage | None:
        """Nothing has to be finalised first: no call yet, or it ended with our `disconnect`."""
        self._close(now)
        return self._tell(envelope, now)

    def _tell(self, envelope: Envelope, _: float) -> ClientMessage | None:
        return decode_message(envelope, self.counters.warn)

    def _drop_frame(self, frame: bytes, now: float) -> bytes:
        if frame:
            self.counters.dropped_frames += 1
        if self.state is State.AWAIT_OPEN and self.counters.dropped_frames > MAX_EARLY_FRAMES:
            self._fail(RemoteProtocolError("audio before open"), now)
        return b""

    def _fail(self, failure: RemoteProtocolError, now: float) -> None:
        if self.state in ENDING_STATES:
            self.counters.late_failures += 1
            return
        self.failure = failure
        self.disconnect(reason=failure.reason, info=failure.info, now=now)

    def _close(self, now: float) -> None:
        self._queue.clear(*Lane)
        self._queue.put(Lane.PROMPT, Closed())
        self._enter(State.CLOSED, now)

    def _end(self, close_code: int) -> None:
        """The socket is to be closed: only what is prompt is still written."""
        self._queue.clear(Lane.PONG, Lane.PATIENT)
        self.close_code = close_code
        self.state = State.CLOSED

    def _put_patient(self, message: ServerMessage) -> None:
        # Only a flood of `update` fills this lane: the call itself says a few words per turn.
        if not self._queue.is_full(Lane.PATIENT):
            self._queue.put(Lane.PATIENT, message)
        else:
            self.failure = RemoteProtocolError("too many messages")
            self._end(1008)

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        self._state_ends_at_s = now + TIMEOUT_S.get(state, math.inf)

    def _timer_at_s(self) -> float:
        if self.close_code is not None:
            return math.inf
        if self.state in OPEN_STATES:
            return self._heard_at_s + LIVENESS_TIMEOUT_S
        return self._state_ends_at_s


_Handler = Callable[[AudioHookConnection, Envelope, float], ClientMessage | None]

_ALWAYS: dict[str, _Handler] = {"error": AudioHookConnection._tell}
_ANSWERED: dict[str, _Handler] = {**_ALWAYS, "ping": AudioHookConnection._on_ping}
_HEARD: dict[str, _Handler] = {
    **_ANSWERED,
    "close": AudioHookConnection._on_close,
    "playback_started": AudioHookConnection._tell,
    "playback_completed": AudioHookConnection._tell,
    "update": AudioHookConnection._on_update,
    "paused": AudioHookConnection._on_paused,
    "resumed": AudioHookConnection._on_resumed,
    "discarded": AudioHookConnection._on_discarded,
}
_HANDLERS: dict[State, dict[str, _Handler]] = {
    State.AWAIT_OPEN: {
        **_ANSWERED,
        "open": AudioHookConnection._on_open,
        "close": AudioHookConnection._on_close_without_call,
        "update": AudioHookConnection._on_early_update,
    },
    State.OPEN: {**_HEARD, "dtmf": AudioHookConnection._tell},
    State.DRAINING: _HEARD,
    State.DISCONNECTING: {**_ANSWERED, "close": AudioHookConnection._on_close_without_call},
    State.CLOSING: _ANSWERED,
    State.CLOSED: _ALWAYS,
}
"""The machine: what each state does with each message. All else is ignored and counted."""
