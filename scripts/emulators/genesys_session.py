"""The state of an emulated Genesys call that its parts share: phase, counters, faults, sending.

It starts nothing by itself; `genesys_client` does. Source: AudioHook specification sections 3, 15.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from random import Random

from websockets.asyncio.client import ClientConnection

from scripts.emulators.genesys_rules import Fault, ServerRules
from scripts.emulators.genesys_setup import RATE_HZ, CallSetup, duration_text
from scripts.emulators.genesys_wire import Wire
from scripts.emulators.playback import Playback
from scripts.emulators.report import CallEvent, CallReport, SentError, to_ms

NEVER = float("inf")


class Phase(Enum):
    """How far the session is; it only ever moves down this list."""

    OPENING = "opening"  # `open` is sent, or will be
    OPEN = "open"  # `opened` came
    CLOSING = "closing"  # `close` is sent
    CLOSED = "closed"  # we are closing the socket
    GONE = "gone"  # the socket is closed


class Pulse:
    """Wakes everybody who waits whenever anything changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all that wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Return at the next `notify`, at the latest after *timeout_s* (may be infinite)."""
        event = self._event
        with suppress(TimeoutError):
            async with asyncio.timeout(None if timeout_s == NEVER else timeout_s):
                await event.wait()


class Session:
    """One session after its 101."""

    def __init__(
        self,
        setup: CallSetup,
        socket: ClientConnection,
        report: CallReport,
        *,
        random: Random,
        on_event: Callable[[CallEvent], None] | None,
    ) -> None:
        self.setup = setup
        self.socket = socket
        self.report = report
        self.random = random
        self.rules = ServerRules(
            setup.session_id,
            setup.media,
            needs_start_paused=setup.profile == "production-like",
            is_probe=setup.is_probe,
        )
        self.playback = Playback(hangover_s=setup.playback_hangover_ms / 1000)
        self.wire = Wire(
            socket, setup.session_id, send_s=setup.timers.send_s, on_stuck=self._get_stuck
        )
        self.pulse = Pulse()
        self.phase = Phase.OPENING
        self.phase_s = self.now()  # when it began
        self.origin_s = self.phase_s  # when `open` was sent
        self.samples_done = 0  # of the caller's stream; makes `position`
        self.is_open_sent = False
        self.pings_sent_s: dict[int, float] = {}  # by seq
        self._on_event = on_event

    def now(self) -> float:
        """Return the loop's clock, in seconds."""
        return asyncio.get_running_loop().time()

    @property
    def is_over(self) -> bool:
        """True once nobody can talk any more."""
        return self.phase not in (Phase.OPENING, Phase.OPEN)

    @property
    def is_silenced(self) -> bool:
        """True unless both sides may send audio now."""
        return self.phase is not Phase.OPEN or self.rules.is_disconnected

    def enter(self, phase: Phase) -> None:
        """Move on to *phase*; there is no way back."""
        order = list(Phase)
        if order.index(phase) > order.index(self.phase):
            self.phase = phase
            self.phase_s = self.now()
            self.pulse.notify()

    async def wait_for(self, is_ready: Callable[[], bool], due_s: float = NEVER) -> bool:
        """Wait until *is_ready* or the time *due_s*; return whether it is ready."""
        while not is_ready() and (left_s := due_s - self.now()) > 0:
            await self.pulse.wait(left_s)
        return is_ready()

    async def wait_until_opened(self) -> bool:
        """Return whether the session was opened at all."""
        await self.wait_for(lambda: self.phase is not Phase.OPENING)
        return self.phase is Phase.OPEN

    def send(
        self,
        message_type: str,
        parameters: Mapping[str, object],
        overrides: Mapping[str, object] | None = None,
    ) -> int:
        """Send one message and remember what must follow from it; return its seq."""
        with_minutes = self.setup.habits.positions_with_minutes
        seq = self.wire.text(
            message_type,
            parameters,
            serverseq=self.rules.serverseq,
            position=duration_text(self.samples_done / RATE_HZ, with_minutes=with_minutes),
            overrides=overrides,
        )
        self.report.texts_sent += 1
        match message_type:
            case "open" if not self.is_open_sent:
                self.is_open_sent = True
                self.origin_s = self.phase_s = self.now()
            case "ping":
                self.rules.pending_pings.add(seq)
                self.pings_sent_s[seq] = self.now()
            case "update":
                self.rules.pending_updates += 1
            case "close":
                self.rules.is_close_sent = True
                self.enter(Phase.CLOSING)
        self.pulse.notify()
        return seq

    def close(self, reason: str) -> None:
        """Send `close` and stop the loudspeaker, unless that has been done."""
        if self.is_over:
            return
        self.report.close_reason = reason
        if not (reason == "disconnect" and self.setup.play_out_on_disconnect):
            self.playback.stop(self.now())
        self.send("close", {"reason": reason})

    def close_socket(self) -> None:
        """Close the WebSocket with 1000, after everything sent so far."""
        self.enter(Phase.CLOSED)
        self.wire.close()

    def abort(self) -> None:
        """Reset the connection without a word."""
        self.enter(Phase.CLOSED)
        self.playback.stop(self.now())
        self.socket.transport.abort()

    def blame(self, fault: Fault) -> None:
        """Put a broken rule into the report, and answer it as the client does."""
        self.add_violation(fault.detail)
        if fault.code is not None:
            self.send_error(fault.code, fault.text or fault.detail)
        if fault.closes:
            self.close("error")

    def add_violation(self, detail: str) -> None:
        """Put something the server did wrong into the report."""
        self.report.violations.append(f"{detail} (at {self.at_ms():.0f} ms)")
        self.note("violation", detail=detail)

    def send_error(self, code: int, message: str, **parameters: object) -> None:
        """Send `error`, unless the socket is going away."""
        if self.phase in (Phase.CLOSED, Phase.GONE):
            return
        if code == 400 and self.setup.is_probe:
            message = "Connection probe error: Message is malformed"  # as production says it
        self.note("error", code=code)
        self.report.errors_sent.append(SentError(self.at_ms(), code, message))
        self.send("error", {"code": code, "message": message, **parameters})

    def at_ms(self) -> float:
        """Return the time on the clock of the call."""
        return to_ms(self.now() - self.origin_s)

    def note(self, name: str, **fields: object) -> None:
        """Tell whoever watches."""
        if self._on_event is not None:
            self._on_event(CallEvent(self.at_ms(), name, fields))

    def _get_stuck(self) -> None:
        self.add_violation("the server stopped reading")
        self.abort()
