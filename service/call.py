"""One phone call: the caller's AudioHook session on one side, a speech provider on the other.

Three pumps run side by side: the caller's socket is only read, the provider's events are acted
on, and one writer owns the caller's socket. What has rules lives in the small machines that they
drive: `audiohook.connection`, `turns` with its playout clock, `agent` with its bot, `farewell`.
"""

import asyncio
import contextlib
import logging
import math
from typing import assert_never

from starlette.websockets import WebSocket

from service.agent import Agent
from service.alarm import Alarm
from service.audiohook import messages as hook
from service.audiohook.connection import AudioHookConnection, State
from service.audiohook.upgrade import CallIdentity
from service.call_events import EndReason
from service.call_record import CallRecord
from service.call_services import CallServices
from service.caller_socket import CallerSocket, CallOver
from service.ending import Ending
from service.farewell import LONG_ANSWER_S, Farewell
from service.functions import CallFacts
from service.logs import log_no_call
from service.receipt import Arrival
from service.speech import port as speech
from service.turns import Turns

MAX_RATE_LIMITS = 3
"""After so many complaints of the client's rate limiter the call cannot go on (bad input 78)."""
LATE_WORDS_S = 2.0
"""How long recognised words are waited for after the call (Realtime specification, 7.6)."""

_TALKING = (State.OPEN, State.DRAINING)
_log = logging.getLogger(__name__)


class CallSession:
    """Serves one accepted socket until it is closed. Call `run` once."""

    def __init__(
        self,
        socket: WebSocket,
        identity: CallIdentity,
        services: CallServices,
        arrival: Arrival,
    ) -> None:
        now = services.clock()
        self._socket = CallerSocket(socket)
        self._identity, self._services, self._clock = identity, services, services.clock
        bot = services.bots.get_bot(identity.bot_id)
        self._connection = AudioHookConnection(
            session_id=identity.session_id,
            organization_id=identity.organization_id,
            now=now,
            supported_languages=bot.languages,
        )
        self._turns = Turns(bot)
        self._playout, self._receipt = self._turns.playout, self._turns.receipt
        self._receipt.arrived(arrival, now)
        self._record: CallRecord | None = None
        self._speech: speech.SpeechSession | None = None
        self._accepted_at = now
        self._is_open, self._wake = asyncio.Event(), Alarm()
        self._ending = Ending(
            may_begin=self._may_end,
            on_begin=self._connection.start_draining,
            on_withdraw=self._connection.stop_draining,
        )
        self._agent = Agent(
            bot,
            bots=services.bots,
            turns=self._turns,
            ending=self._ending,
            budget=services.new_budget(),
            recordings=services.recordings,
            stop_speech=self._stop_for_key,
            wake=self._wake,
            clock=self._clock,
        )

    async def run(self) -> None:
        """Serve the call to its end, whoever ends it.

        What peers do never raises; a bug of ours does, after the caller was handed over.
        """
        has_crashed = True
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump_caller())
                pumps.create_task(self._pump_speech(pumps))
                pumps.create_task(self._pump_playout())
        except* CallOver:
            has_crashed = False
        finally:
            if has_crashed:
                await self._disconnect_after_crash()
            await self._finish(has_crashed=has_crashed)

    def drain(self) -> None:
        """End the call soon because the process ends: the caller is told and handed over."""
        self._end("drain")

    def cut(self) -> None:
        """End the call now because the process ends: the flow gets its output variables."""
        self._disconnect("drain", self._clock())
        self._wake.ring()

    # The caller's socket: reading.

    async def _pump_caller(self) -> None:
        while True:
            message = await self._socket.receive()
            if isinstance(message, bytes):
                await self._on_caller_audio(message)
            else:
                self._on_text(message)

    async def _on_caller_audio(self, frame: bytes) -> None:
        now = self._clock()
        pcmu = self._connection.receive_audio(frame, now=now)
        if not pcmu:
            self._wake.ring()  # it may have been one dropped frame too many
            return
        if (pcmu := self._turns.hear_caller(pcmu, now)) and self._speech:
            await self._speech.send_audio(pcmu)

    def _on_text(self, text: str) -> None:
        now = self._clock()
        message = self._connection.receive_text(text, now=now)
        if message is not None:
            self._on_message(message, now)
        self._wake.ring()

    def _on_message(self, message: hook.ClientMessage, now: float) -> None:
        match message:
            case hook.Open():
                self._on_open(message, now)
            case hook.Close():
                self._on_close(message, now)
            case hook.Ping() | hook.PlaybackStarted() | hook.PlaybackCompleted():
                self._turns.hear_player(message, now)
            case hook.Error():
                self._on_client_error(message, now)
            case hook.Dtmf():
                self._receipt.dtmf_events += len(message.digits)
                self._agent.press(message.digits, now)
            case hook.Update() | hook.Paused() | hook.Resumed() | hook.Discarded():
                self._agent.receive(message, now)
            case _:
                assert_never(message)

    def _on_open(self, opening: hook.Open, now: float) -> None:
        if opening.is_probe:
            return
        self._turns.begin(now)
        session_id = self._connection.session_id or ""
        facts = CallFacts(
            session_id=session_id,
            conversation_id=opening.conversation_id,
            input_variables=opening.input_variables,
            opened_at=now,
            max_call_s=self._services.max_call_s,
        )
        bot = self._agent.open(self._identity.bot_id, facts, opening.language)
        self._receipt.setup_ms = round((now - self._accepted_at) * 1_000)
        self._record = CallRecord(session_id, self._identity, opening, self._services)
        self._record.started(bot, setup_ms=self._receipt.setup_ms)
        self._turns.play_greeting(bot.greeting, now)
        self._is_open.set()

    def _on_close(self, message: hook.Close, now: float) -> None:
        has_failed = message.reason == "error" or self._connection.failure is not None
        self._ending.note("protocol_error" if has_failed else "caller_hangup")
        self._agent.stop()
        self._turns.cut(now)
        if self._connection.state is State.CLOSING:
            self._connection.finish(now)

    def _on_client_error(self, error: hook.Error, now: float) -> None:
        """Slow down when asked to; anything else is settled by the `close` that may follow."""
        if self._receipt.add_error(f"client_{error.code}"):
            _log.warning("the client reports an error", extra={"code": error.code})
        if error.code != 429:
            return
        self._receipt.rate_limited += 1
        self._playout.back_off(now, error.retry_after_s)
        if self._receipt.rate_limited >= MAX_RATE_LIMITS:
            self._disconnect("rate_limited", now)

    # The provider: acting on what it hears and says.

    async def _pump_speech(self, pumps: asyncio.TaskGroup) -> None:
        await self._is_open.wait()
        try:
            bot = await self._agent.prepare()
            self._speech = session = await self._services.speech.connect(bot)
            await self._agent.begin(session, pumps)
            if waited := self._turns.caller_audio.start_flowing(self._turns.ms(self._clock())):
                await session.send_audio(waited)
            async for event in session:
                await self._on_speech(event)
        except speech.SpeechError as error:
            _log.warning("the speech provider failed", extra={"code": error.code})
            self._receipt.add_error(error.code)
            self._playout.break_off()
            self._agent.excuse_failure()
            self._end("provider_error", is_said=True)

    async def _on_speech(self, event: speech.SpeechEvent) -> None:
        match event:
            case speech.AgentAudio() | speech.AgentTranscript():  # most events by far
                if not self._turns.take(event, self._clock()):
                    return
            case speech.CallerSpeechStarted():
                await self._on_caller_speech(event, self._clock())
            case speech.ToolCall() | speech.RemoteToolUsed() | speech.BotChanged():
                await self._agent.on_function(event)
            case speech.AgentTurnDone():
                self._turns.agent_done(self._clock())
                self._ending.turn_done()
                self._agent.turn_done()
            case speech.CallerSpeechStopped():
                self._turns.take(event, self._clock())
                self._agent.caller_stopped()
            case _:
                self._turns.take(event, self._clock())
        self._wake.ring()

    async def _on_caller_speech(self, event: speech.CallerSpeechStarted, now: float) -> None:
        """Stop talking at once, and tell the model how far it was heard."""
        self._agent.caller_started(now)
        was_audible, heard = self._turns.interrupt(event, now)
        self._stop_player(was_audible=was_audible)
        if self._speech:
            await self._speech.interrupt(heard)

    async def _stop_for_key(self, now: float) -> None:
        """Stop what the agent says because a key was pressed."""
        if self._playout.remaining_s(now) > 0:
            self._turns.interrupt_by_key(now)
            await self._cut_agent(now)

    async def _cut_agent(self, now: float) -> None:
        """Stop the agent by our own will, and tell the model how far it was heard."""
        self._stop_player(was_audible=self._playout.is_audible(now))
        heard = self._turns.cut(now)
        if self._speech:
            await self._speech.interrupt(heard)

    def _stop_player(self, *, was_audible: bool) -> None:
        """Let the caller's side drop what it still has of our speech, if it has any (6.4)."""
        if was_audible and self._connection.state in _TALKING:
            self._connection.send(hook.BargeIn())

    # The caller's socket: writing, and everything that happens by time.

    async def _pump_playout(self) -> None:
        while True:
            self._wake.reset()
            now = self._clock()
            self._connection.poll(now=now)
            if self._ending.farewell:  # its interruption leaves before the disconnect it causes
                await self._write_control()
            await self._on_time(now)
            await self._write_control()
            if self._connection.close_code is not None:
                await self._socket.close(self._connection.close_code)
            packet = self._playout.pop(now) if self._may_play() else math.inf
            if isinstance(packet, bytes):
                await self._socket.write(packet)
                self._turns.packet_left(len(packet), self._clock())
            else:
                await self._wake.wait(min(packet, self._next_s(now)))

    async def _on_time(self, now: float) -> None:
        self._turns.advance(now)
        await self._agent.on_time(now)
        if self._cap_in_s(now) <= 0:
            self._end("max_duration")
        if self._ending.farewell:
            await self._say_farewell(self._ending.farewell, now)
        self._publish_turns()

    async def _say_farewell(self, farewell: Farewell, now: float) -> None:
        if not farewell.is_asked:
            farewell.is_asked = True
            farewell.is_said = farewell.is_said or self._speech is None
            if self._speech:
                # Make way: time is up, and an answer may go on for minutes.
                if self._playout.remaining_s(now) > LONG_ANSWER_S:
                    await self._cut_agent(now)
                await self._agent.say_last_words(farewell.reason)
        if not self._ends_in_s(now):
            self._disconnect(farewell.reason, now)

    def _next_s(self, now: float) -> float:
        """Seconds until something of `_on_time` or of the connection is due."""
        return min(
            self._connection.next_deadline() - now,
            self._playout.next_finish_s(now),
            self._agent.next_due_s(now),
            self._ends_in_s(now),
            self._cap_in_s(now),
        )

    def _cap_in_s(self, now: float) -> float:
        return math.inf if self._ending.is_under_way else self._agent.is_over_in_s(now)

    async def _write_control(self) -> None:
        while (text := self._connection.data_to_send(now=self._clock())) is not None:
            await self._socket.write(text)

    # The end.

    def _may_play(self) -> bool:
        """True unless the call is over, or paused: what the agent says then is for nobody (4.1)."""
        return self._connection.state in _TALKING and not self._connection.is_paused

    def _may_end(self) -> bool:
        return self._record is not None and self._connection.state is State.OPEN

    def _end(self, reason: EndReason, *, is_said: bool = False) -> None:
        """End the call once the caller has heard everything; `is_said`: there is no more."""
        self._ending.begin(reason, self._clock(), is_said=is_said)
        self._wake.ring()

    def _ends_in_s(self, now: float) -> float:
        if self._connection.state not in _TALKING:
            return math.inf
        return self._ending.is_over_in_s(now, self._playout.drained_in_s(now))

    def _disconnect(self, reason: EndReason, now: float) -> None:
        """Hand the call back to the flow with the complete set of output variables (8.3)."""
        self._ending.note(reason)
        outputs = self._agent.outputs.for_flow(self._ending.reason or reason)
        self._connection.disconnect(reason="completed", output_variables=outputs, now=now)

    async def _disconnect_after_crash(self) -> None:
        """Hand the caller over although one of our pumps has failed; best effort, bounded."""
        self._ending.note("provider_error")
        self._receipt.add_error("internal")
        self._connection.disconnect(reason="error", info="internal", now=self._clock())
        with contextlib.suppress(CallOver, RuntimeError):
            await self._write_control()
            await self._socket.close(1011)

    async def _finish(self, *, has_crashed: bool) -> None:
        now = self._clock()
        self._agent.stop()
        self._turns.cut(now)
        failure = self._connection.failure
        self._ending.note("protocol_error" if failure else "socket_lost")
        if failure:
            self._receipt.add_error(f"client: {failure}")
        try:
            if self._speech:
                async with contextlib.aclosing(self._speech):
                    if not has_crashed:
                        await self._hear_late_words(self._speech)
        finally:
            self._publish_end(now)

    def _publish_end(self, now: float) -> None:
        if self._record is None:
            log_no_call(is_probe=self._connection.is_probe, errors=self._receipt.errors)
            return
        self._agent.flush_keys()
        self._turns.finish(now)
        self._publish_turns()
        self._record.ended(
            self._receipt,
            end_reason=(reason := self._ending.reason or "socket_lost"),
            duration_ms=self._turns.ms(now),
            turns=self._turns.transcript.turns,
            counters=self._connection.counters,
            output_variables=self._agent.outputs.for_events(reason),
        )

    async def _hear_late_words(self, session: speech.SpeechSession) -> None:
        """Wait a little for the words of the caller's last turns."""
        with contextlib.suppress(TimeoutError, speech.SpeechError):
            async with asyncio.timeout(LATE_WORDS_S):
                while self._turns.transcript.is_waiting_for_words:
                    event = await anext(session)
                    if isinstance(event, speech.SpeechLost):
                        return  # they are lost, too; nobody needs another conversation
                    await self._on_speech(event)

    def _publish_turns(self) -> None:
        for turn in self._turns.transcript.take_finished():
            if self._record:
                self._record.follow(self._agent.bot)
                self._record.turn(turn, self._receipt.answers.of(turn.item_id))
            if self._turns.is_greeting(turn):
                self._agent.note_said(turn.heard)
