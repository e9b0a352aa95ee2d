"""What the caller can do in an emulated Genesys call: speak, listen, press, hang up, misbehave.

A script is an async function that takes a `GenesysCall`. Every wait has a deadline and raises
`CallFailed` when it passes, or when the call ends before.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from scripts.emulators.genesys_client import CallClient
from scripts.emulators.genesys_session import NEVER, Phase
from scripts.emulators.microphone import Microphone, Utterance
from scripts.emulators.playback import BYTES_PER_S
from scripts.emulators.report import CallFailed, Outcome


class GenesysCall:
    """The caller's hands, mouth and ears."""

    def __init__(self, client: CallClient) -> None:
        self._client = client
        self._session = client.session
        self._speech_start_s = -NEVER  # of the last utterance, on the loop's clock

    async def opened(self, *, within_s: float | None = None) -> None:
        """Return once the server accepted the session."""
        await self._until(
            lambda _: 0.0 if self._session.phase is not Phase.OPENING else NEVER,
            "opened",
            within_s=within_s,
        )
        self._require_alive("opened")

    async def say(self, pcmu: bytes) -> None:
        """Speak; return when the last byte was sent (in a frame, so up to 200 ms later)."""
        await self.opened()
        utterance = self._speak(pcmu)
        await self._until(
            lambda _: 0.0 if self._session.samples_done >= utterance.end else NEVER,
            "the end of our own speech",
            within_s=len(pcmu) / BYTES_PER_S + self._session.setup.timers.step_s,
        )

    def start_saying(self, pcmu: bytes) -> None:
        """Begin to speak and go on at once; more speech queues behind it."""
        self._require_alive("speaking")
        self._speak(pcmu)

    async def agent_speaks(self, *, min_ms: float = 0, within_s: float | None = None) -> None:
        """Return once the agent has been audible for *min_ms* in this playback episode."""
        playback = self._session.playback

        def remaining_s(now_s: float) -> float:
            start_s = playback.episode_start_s
            if start_s is None or not playback.is_audible(now_s):
                return NEVER
            return start_s + min_ms / 1000 - now_s

        await self._until(remaining_s, f"{min_ms} ms of agent speech", within_s=within_s)

    async def agent_quiet(self, *, for_ms: float = 500, within_s: float | None = None) -> None:
        """Return once the agent, heard since our last speech began, was quiet for *for_ms*.

        Audio that a barge-in cut does not count as heard. A call that ends after an answer is
        quiet too.
        """
        playback = self._session.playback

        def remaining_s(now_s: float) -> float:
            end_s, pushed_s = playback.end_s(), playback.last_push_s
            if end_s is None or pushed_s is None or pushed_s < self._speech_start_s:
                return NEVER
            return 0.0 if self._session.is_over else end_s + for_ms / 1000 - now_s

        await self._until(remaining_s, f"{for_ms} ms of quiet", within_s=within_s)

    async def press(self, keys: str) -> None:
        """Press each of these keys."""
        for index, digit in enumerate(keys):
            if index:
                await asyncio.sleep(self._session.setup.timers.key_gap_s)
            self._require_alive("pressing a key")
            self._session.note("dtmf")
            self._session.send("dtmf", {"digit": digit})

    async def pause(self, duration_s: float) -> None:
        """Stop streaming for so long, as a hold or a secure pause does."""
        async with self.paused():
            await self.sleep(duration_s)

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Stop streaming for as long as the block lasts; in it keys can be pressed all the same."""
        self._require_alive("pausing")
        self._client.stream.pause("client")
        yield
        self._require_alive("resuming")
        self._client.stream.resume("client")

    def update_language(self, tag: str) -> None:
        """Tell the server that the conversation's language is another now, such as `de-DE`."""
        self._require_alive("an update")
        self._session.note("update", language=tag)
        self._session.send("update", {"language": tag})

    async def hang_up(self) -> None:
        """End the call from our side; return when the socket is closed."""
        await self._client.finish()

    async def disconnected(self, *, within_s: float | None = None) -> Outcome:
        """Return the server's `disconnect` once it came."""
        report = self._session.report
        await self._until(
            lambda _: NEVER if report.disconnect is None else 0.0, "disconnect", within_s=within_s
        )
        if report.disconnect is None:
            raise self._failed("expected disconnect, but")
        return report.disconnect

    async def ended(self, *, within_s: float | None = None) -> None:
        """Return once the socket is closed, however that came about."""
        await self._until(
            lambda _: 0.0 if self._session.phase is Phase.GONE else NEVER,
            "the end of the call",
            within_s=within_s,
            is_patient=True,
        )

    async def sleep(self, duration_s: float) -> None:
        """Let time pass; the line stays open."""
        await asyncio.sleep(duration_s)

    @property
    def is_alive(self) -> bool:
        """True while the call is open."""
        return self._session.phase is Phase.OPEN

    # Misbehaviour.

    def send_message(
        self, message_type: str, parameters: Mapping[str, object] | None = None, **envelope: object
    ) -> int:
        """Send a message of any type; keywords replace members of its envelope.

        With `seq=…` it takes no number from the counter. Returns the seq counter.
        """
        return self._session.send(message_type, parameters or {}, envelope)

    def send_text_raw(self, text: str) -> None:
        """Send a text message as it is."""
        self._session.wire.raw(text)

    def send_bytes_raw(self, message: bytes) -> None:
        """Send a binary message outside of the schedule of the stream."""
        self._session.wire.raw(message)

    def drop(self) -> None:
        """Reset the TCP connection."""
        self._session.abort()

    def stop_reading(self) -> None:
        """Leave what the server sends in the socket, until `resume_reading`."""
        self._client.stop_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._client.resume_reading()

    def _speak(self, pcmu: bytes) -> Utterance:
        microphone = self._microphone()
        utterance = microphone.speak(pcmu, self._session.now())
        self._speech_start_s = microphone.time_of(utterance.start)
        self._session.note("caller_speaks", duration_ms=len(pcmu) * 1000 // BYTES_PER_S)
        return utterance

    def _microphone(self) -> Microphone:
        microphone = self._client.stream.microphone
        if microphone is None:
            raise CallFailed("nobody can speak: the server selected no media")
        return microphone

    def _require_alive(self, what: str) -> None:
        if not self.is_alive:
            raise self._failed(f"{what} needs an open call, but")

    def _failed(self, expectation: str) -> CallFailed:
        report, phase = self._session.report, self._session.phase.value
        fault = report.violations[-1] if report.violations else "no fault of the server"
        return CallFailed(
            f"{expectation} the call is {phase} (close reason: {report.close_reason}; {fault})"
        )

    async def _until(
        self,
        remaining_s: Callable[[float], float],
        what: str,
        *,
        within_s: float | None,
        is_patient: bool = False,
    ) -> None:
        """Wait until *remaining_s* of the present time is not positive.

        It is asked again after that many seconds and at every change (infinite: only then).
        """
        session = self._session
        limit_s = session.setup.timers.step_s if within_s is None else within_s
        deadline_s = session.now() + limit_s
        while (left_s := remaining_s(session.now())) > 0:
            if session.is_over and not is_patient:
                raise self._failed(f"expected {what}, but")
            if session.now() >= deadline_s:
                raise self._failed(f"expected {what} within {limit_s} s, but")
            await session.pulse.wait(min(left_s, deadline_s - session.now()))
