"""What an emulated Genesys client does without being told: read, answer, play, keep deadlines.

What the caller does is in `genesys_call`; what the server may do is in `genesys_rules`. Source:
AudioHook specification sections 6.3, 6.4, 7, 8 and 15.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import assert_never

from msgspec import UNSET
from websockets.exceptions import ConnectionClosed

from scripts.emulators.genesys_limiter import Limiter, MessageClass
from scripts.emulators.genesys_messages import (
    Closed,
    Disconnect,
    Entity,
    Event,
    Opened,
    Pause,
    Pong,
    Reconnect,
    Resume,
    ServerMessage,
    Updated,
)
from scripts.emulators.genesys_session import NEVER, Phase, Session
from scripts.emulators.genesys_setup import duration_text, open_parameters
from scripts.emulators.genesys_streams import CallerStream, Pinger
from scripts.emulators.playback import PlaybackEvent
from scripts.emulators.report import Heard, Outcome, add_measurements, to_ms

RETRY_AFTER_S = 1.0  # of a 429, section 15


class CallClient:
    """The automatic part of one call. Call `start`, and run all of `coroutines` together."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stream = CallerStream(session)
        self._pinger = Pinger(session)
        self._limiter = Limiter(session.now())
        self._limit_error_s: dict[MessageClass, float] = {}
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._stopped_reading_s = 0.0
        self._barge_ins: list[tuple[float, bool]] = []

    def start(self) -> None:
        """Send `open`, unless the script wants to."""
        if self.session.setup.habits.sends_open:
            self.session.send("open", open_parameters(self.session.setup))

    def coroutines(self) -> list[Coroutine[object, object, None]]:
        """Return everything that must run for the session to live."""
        return [
            self.session.wire.run(),
            self._read(),
            self._keep_deadlines(),
            self._play(),
            self.stream.run(),
            self._pinger.run(),
        ]

    def stop_reading(self) -> None:
        """Leave everything the server sends in the socket."""
        if self._may_read.is_set():
            self._may_read.clear()
            self._stopped_reading_s = self.session.now()
            self.session.socket.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again; what piled up meanwhile is no breach of the rate limits."""
        if not self._may_read.is_set():
            self._limiter.credit(self.session.now() - self._stopped_reading_s)
            self.session.socket.transport.resume_reading()
            self._may_read.set()

    async def finish(self) -> None:
        """Hang up if the call still lives; return when the socket is gone."""
        session, timers = self.session, self.session.setup.timers
        self.resume_reading()
        session.close("end")
        longest_s = timers.closed_s + timers.send_s + timers.socket_close_s
        await session.wait_for(lambda: session.phase is Phase.GONE, session.now() + longest_s)

    def finish_report(self) -> None:
        """Fill in the report after the socket is gone."""
        session, report = self.session, self.session.report
        report.close_code = session.socket.close_code
        report.duration_ms = session.at_ms()
        report.max_queued_ms = to_ms(session.playback.max_queued_s)
        report.unplayed_ms = to_ms(session.playback.unplayed_s)
        report.peak_messages_per_s = self._limiter.peak_per_s
        report.bucket_low_water = self._limiter.low_water
        report.rate_breaches = {k: n for k, n in self._limiter.breaches.items() if n}
        heard = Heard(
            origin_s=session.origin_s,
            runs=session.playback.runs,
            microphone=self.stream.microphone,
            sent=self.stream.sent,
            barge_ins=self._barge_ins,
        )
        add_measurements(report, heard)

    async def _read(self) -> None:
        session = self.session
        try:
            while True:
                await self._may_read.wait()
                match await session.socket.recv():
                    case str() as text:
                        self._receive_text(text)
                    case bytes() as pcmu:
                        self._receive_audio(pcmu)
        except ConnectionClosed as closed:
            if session.phase is not Phase.CLOSED:
                self._lose_socket(closed)
            session.note("socket_closed", code=session.socket.close_code)
            session.enter(Phase.GONE)

    def _lose_socket(self, closed: ConnectionClosed) -> None:
        session = self.session
        if closed.sent is not None and not closed.rcvd_then_sent:
            # The WebSocket library gave up: bad UTF-8, a giant message, a broken frame.
            session.add_violation(f"broken WebSocket traffic: {closed.sent}")
        else:
            session.report.server_closed_first = True
            code = session.socket.close_code
            session.add_violation(f"the server closed the socket first, with code {code}")
        session.playback.stop(session.now())

    def _receive_audio(self, pcmu: bytes) -> None:
        session = self.session
        session.report.audio_frames_received += 1
        session.report.audio_bytes_received += len(pcmu)
        self._limit("binary")
        if session.is_over:
            return  # sent before our `close` arrived there
        fault = session.rules.check_audio(len(pcmu))
        if fault is not None:
            session.blame(fault)
        if not session.is_silenced and (fault is None or fault.code is None):
            self._announce(session.playback.push(pcmu, session.now()))
            session.pulse.notify()

    def _receive_text(self, text: str) -> None:
        session = self.session
        session.report.texts_received += 1
        self._limit("text")
        verdict = session.rules.check(text, sent_seq=session.wire.seq)
        for fault in verdict.faults:
            session.blame(fault)
        if verdict.message is not None:
            self._obey(verdict.message, verdict.clientseq)
        session.pulse.notify()

    def _limit(self, kind: MessageClass) -> None:
        """Count one message; answer a breach with 429, at most once per `retryAfter`."""
        session, now_s = self.session, self.session.now()
        if self._limiter.admit(kind, now_s):
            return
        if now_s < self._limit_error_s.get(kind, -NEVER) + RETRY_AFTER_S:
            return
        self._limit_error_s[kind] = now_s
        session.add_violation(f"more {kind} messages than the rate limit allows")
        session.send_error(429, "Rate limit exceeded", retryAfter=duration_text(RETRY_AFTER_S))
        if session.setup.profile == "production-like":
            session.close("error")
            session.close_socket()

    def _obey(self, message: ServerMessage, clientseq: int) -> None:
        session = self.session
        session.note(type(message).__name__.lower())
        match message:
            case Opened():
                self._open(message)
            case Pong():
                self._pinger.take_pong(clientseq)
            case Closed():
                session.close_socket()
            case Disconnect():
                self._disconnect(message)
            case Event():
                self._take_entities(message.entities)
            case Pause() | Resume():
                self._switch(message)
            case Updated() | Reconnect():
                pass
            case _:
                assert_never(message)

    def _open(self, opened: Opened) -> None:
        session = self.session
        if session.is_over:
            return  # too late: we gave up, or the caller did
        session.report.opened_ms = session.at_ms()
        session.enter(Phase.OPEN)
        self.stream.open(is_paused=opened.start_paused is True)

    def _disconnect(self, disconnect: Disconnect) -> None:
        session = self.session
        if session.is_over:
            return  # it crossed our `close`
        session.report.disconnect = Outcome(
            session.at_ms(),
            disconnect.reason,
            None if disconnect.info is UNSET else disconnect.info,
            disconnect.text_outputs,
        )
        if session.setup.habits.answers_disconnect:
            session.close("disconnect")

    def _switch(self, message: Pause | Resume) -> None:
        if isinstance(message, Pause):
            self._limit("pause")
            self.stream.pause("server")
        else:
            self._limit("resume")
            self.stream.resume("server")

    def _take_entities(self, entities: Sequence[Entity]) -> None:
        session, now_s = self.session, self.session.now()
        for entity in entities:
            session.note(entity.type, data=entity.data)
            if entity.type == "bot_turn_response" and isinstance(entity.data, dict):
                session.report.bot_turn_responses.append(entity.data)
            if entity.type == "barge_in":
                self._barge_ins.append((now_s, session.playback.is_audible(now_s)))
                events = session.playback.clear(now_s)
                if session.setup.completed_after_barge_in:
                    self._announce(events)

    def _announce(self, events: Sequence[PlaybackEvent]) -> None:
        for event in events:
            self.session.note(event)
            self.session.send(event, {})

    async def _play(self) -> None:
        """Say when the loudspeaker runs dry."""
        session, playback = self.session, self.session.playback
        await session.wait_until_opened()
        while not session.is_silenced:
            due_s = playback.next_event_s()
            await session.pulse.wait(NEVER if due_s is None else due_s - session.now())
            if not session.is_silenced:
                self._announce(playback.advance(session.now()))

    async def _keep_deadlines(self) -> None:
        session = self.session
        while session.phase is not Phase.GONE:
            due_s, act = self._next_deadline()
            if (left_s := due_s - session.now()) > 0:
                await session.pulse.wait(left_s)
            else:
                act()  # moves the phase on, each of them

    def _next_deadline(self) -> tuple[float, Callable[[], None]]:
        """When the present phase has lasted too long, and what to do then."""
        session, setup = self.session, self.session.setup
        match session.phase:
            case Phase.OPENING if session.is_open_sent:
                return session.phase_s + setup.timers.opened_s, self._give_up_opening
            case Phase.OPEN:
                return session.phase_s + setup.max_duration_s, lambda: session.close("end")
            case Phase.CLOSING:
                return session.phase_s + setup.timers.closed_s, self._give_up_closing
            case _:
                return NEVER, lambda: None

    def _give_up_opening(self) -> None:
        session = self.session
        session.add_violation(f"no opened within {session.setup.timers.opened_s} s")
        session.send_error(408, "Timed out waiting for opened response")
        session.close("error")

    def _give_up_closing(self) -> None:
        session = self.session
        if not session.rules.has_failed:  # else `closed` may have come, and was refused
            session.add_violation(f"no closed within {session.setup.timers.closed_s} s")
        session.send_error(408, "Timed out waiting for closed response")
        session.close_socket()
