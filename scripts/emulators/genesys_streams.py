"""What an emulated Genesys client sends on schedule: the caller's audio, and pings.

Source: AudioHook specification sections 6.1, 7 and 15.
"""

from scripts.emulators.genesys_session import Session
from scripts.emulators.genesys_setup import RATE_HZ, MediaOffer, duration_text
from scripts.emulators.microphone import Microphone, interleave
from scripts.emulators.recording import Clip


class CallerStream:
    """Streams the microphone on an absolute schedule, from `opened` to the end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._holds: set[str] = set()  # who paused: client, server
        self._paused_at = 0  # sample
        self._was_paused = False
        self.microphone: Microphone | None = None  # None: not opened, or no media wanted
        self.sent: list[Clip] = []  # on the loop's clock

    def open(self, *, is_paused: bool) -> None:
        """Start the line of samples; call when `opened` came."""
        session = self._session
        if session.rules.media is not None and not session.setup.is_probe:
            self.microphone = Microphone(session.now())
        if is_paused:
            self._hold("server")

    def pause(self, who: str) -> None:
        """Stop sending audio and say so; answered again when repeated."""
        self._hold(who)
        self._session.note("paused", by=who)
        self._session.send("paused", {})

    def resume(self, who: str) -> None:
        """Take one side's pause back; audio flows again when the other side holds none."""
        self._holds.discard(who)
        if self._holds:
            # Our own pause outlives the server's `resume` (section 4.2); ours ends in silence.
            if who == "server":
                self._session.send("paused", {})
            return
        done = self._session.samples_done
        start = self._paused_at if self._was_paused else done
        self._was_paused = False
        self._session.note("resumed", by=who)
        self._session.send(
            "resumed",
            {
                "start": duration_text(start / RATE_HZ),
                "discarded": duration_text((done - start) / RATE_HZ),
            },
        )

    async def run(self) -> None:
        """Send frame after frame; frame k leaves when its last sample was spoken."""
        session, habits = self._session, self._session.setup.habits
        await session.wait_until_opened()
        microphone, media = self.microphone, session.rules.media
        while microphone is not None and media is not None:
            samples = self._next_samples()
            jitter_s = session.random.uniform(0, habits.jitter_ms / 1000)
            due_s = microphone.time_of(microphone.samples_cut + samples) + jitter_s
            if await session.wait_for(lambda: session.is_silenced, due_s):
                return
            self._send_frame(microphone, media, samples)

    def _hold(self, who: str) -> None:
        if not self._was_paused:
            self._paused_at = self._session.samples_done
        self._was_paused = True
        self._holds.add(who)

    def _next_samples(self) -> int:
        session = self._session
        sizes = session.setup.habits.frame_bytes
        if sizes is None:
            return session.setup.frame_ms * RATE_HZ // 1000
        return session.random.randint(*sizes)

    def _send_frame(self, microphone: Microphone, media: MediaOffer, samples: int) -> None:
        session = self._session
        start_s = microphone.time_of(microphone.samples_cut)
        external = microphone.cut(samples)
        session.samples_done = microphone.samples_cut
        if not self._holds:
            frame = interleave(external, media.channels)
            session.wire.raw(frame)
            session.report.audio_frames_sent += 1
            session.report.audio_bytes_sent += len(frame)
            self.sent.append(Clip(start_s, external))
        session.pulse.notify()


class Pinger:
    """Pings one second after `opened`, again after the first pong, then every five seconds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unanswered: set[int] = set()  # of the last tick

    def take_pong(self, seq: int) -> None:
        """Note the round trip of the ping *seq*."""
        session = self._session
        if session.setup.habits.ignores_pongs:
            return
        rtt_s = session.now() - session.pings_sent_s.pop(seq)
        session.report.rtts_ms.append(round(rtt_s * 1000, 3))
        self._unanswered.discard(seq)

    async def run(self) -> None:
        """Ping until the session ends; a pong missing at the next tick ends it."""
        session, timers = self._session, self._session.setup.timers
        if not await session.wait_until_opened():
            return
        first_s = session.phase_s + timers.first_ping_s
        if await session.wait_for(lambda: session.is_silenced, first_s):
            return
        self._tick()
        due_s = session.now() + timers.ping_s
        await session.wait_for(lambda: not self._unanswered or session.is_silenced, due_s)
        due_s = session.now()
        while not session.is_silenced:
            if self._unanswered:
                session.add_violation(f"no pong for ping {sorted(self._unanswered)}")
                session.send_error(408, "Timeout waiting for pong")
                session.close("error")
                return
            self._tick()
            due_s += timers.ping_s
            await session.wait_for(lambda: session.is_silenced, due_s)

    def _tick(self) -> None:
        session = self._session
        rtts = session.report.rtts_ms
        parameters = {"rtt": duration_text(rtts[-1] / 1000)} if rtts else {}
        self._unanswered = {
            session.send("ping", parameters) for _ in range(session.setup.habits.ping_copies)
        }
