"""A lean AudioHook caller: sends audio by the clock, listens, pings, hangs up.

What a target must answer is there and nothing is checked beyond it: `scripts.emulators.genesys` is
the faithful one, and costs too much for a load. Source: AudioHook specification, 6.1, 7 and 15.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from scripts.benchmark.stamps import Crossings, read_stamp, stamped
from scripts.benchmark.turn import BYTES_PER_MS
from scripts.emulators.genesys_setup import CallSetup, duration_text, open_parameters
from scripts.emulators.genesys_wire import upgrade_headers

PATIENCE_S = 10.0
"""For a target to answer `open` or `close`; Genesys waits 5 and 10 s."""
FIRST_PING_S = 1.0
PING_S = 5.0


@dataclass(slots=True)
class Heard:
    """What all callers together have seen.

    Attributes:
        is_counting: what happens now counts.
        agent_bytes: audio that came.
        late_ms: how late each frame of caller audio left, against its schedule.
    """

    is_counting: bool = False
    agent_bytes: int = 0
    late_ms: list[float] = field(default_factory=list)


class LeanCaller(WSListener):
    """One call.

    Args:
        number: of the call, in its stamps.
        setup: whom it calls and as whom; its `frame_ms` is the size of a frame.
        up: caller audio that leaves here is noted in it.
        down: agent audio that arrives here is noted in it.
        heard: shared by all callers.
    """

    def __init__(
        self, number: int, setup: CallSetup, *, up: Crossings, down: Crossings, heard: Heard
    ) -> None:
        self._number = number
        self._setup = setup
        self._up = up
        self._down = down
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self._closed = asyncio.Event()
        self._transport: WSTransport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._seq = 0
        self._serverseq = 0
        self._frames = 0
        self._begun_at = 0.0
        self._dry_at = 0.0

    async def connect(self, *, unix_s: int) -> None:
        """Return when the target has said `opened`.

        Raises:
            TimeoutError: it did not.
            picows.WSError: it refused the upgrade.
        """
        headers = upgrade_headers(self._setup, random=Random(), unix_s=unix_s)
        async with asyncio.timeout(PATIENCE_S):
            await ws_connect(lambda: self, self._setup.url, extra_headers=headers)
            self._send_text("open", open_parameters(self._setup))
            await self._opened.wait()

    def begin(self, at: float) -> None:
        """Speak from `at` (monotonic seconds) on; the first frame leaves one frame later."""
        self._begun_at = at
        self._expect_frame()
        self._at("ping", at + FIRST_PING_S, self._ping)

    def end(self) -> None:
        """Be silent."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def hang_up(self) -> None:
        """Close the call and return when the target has said `closed`.

        Raises:
            TimeoutError: it did not.
        """
        self.end()
        self._send_text("close", {"reason": "end"})
        async with asyncio.timeout(PATIENCE_S):
            await self._closed.wait()
        if self._transport is not None:
            self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the socket (picows)."""
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Forget the socket (picows)."""
        del transport
        self.end()
        self._transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take what the target sends (picows)."""
        match frame.msg_type:
            case WSMsgType.BINARY:
                self._hear(frame.get_payload_as_bytes())
            case WSMsgType.TEXT:
                self._read(msgspec.json.decode(frame.get_payload_as_bytes()))
            case WSMsgType.CLOSE:
                transport.disconnect()
            case _:
                pass

    def _hear(self, pcmu: bytes) -> None:
        now = time.monotonic()
        if (stamp := read_stamp(pcmu)) is not None:
            self._down.arrive(stamp, now)
        if self._heard.is_counting:
            self._heard.agent_bytes += len(pcmu)
        was_dry = now >= self._dry_at
        self._dry_at = max(self._dry_at, now) + len(pcmu) / BYTES_PER_MS / 1_000
        if was_dry:
            self._send_text("playback_started", {})
            self._at("dry", self._dry_at, self._run_dry)

    def _run_dry(self) -> None:
        if time.monotonic() < self._dry_at:
            self._at("dry", self._dry_at, self._run_dry)
        else:
            self._send_text("playback_completed", {})

    def _read(self, message: dict[str, Any]) -> None:
        self._serverseq = message["seq"]
        if message["type"] == "opened":
            self._opened.set()
        elif message["type"] == "closed":
            self._closed.set()

    def _expect_frame(self) -> None:
        self._at("frame", self._due_at(), self._speak)

    def _due_at(self) -> float:
        return self._begun_at + (self._frames + 1) * self._setup.frame_ms / 1_000

    def _speak(self) -> None:
        stamp = (self._number, self._frames)
        pcmu = stamped(stamp, self._setup.frame_ms * BYTES_PER_MS)
        now = time.monotonic()
        if self._heard.is_counting:
            self._heard.late_ms.append((now - self._due_at()) * 1_000)
        self._up.leave(stamp, now)
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, pcmu)
        self._frames += 1
        self._expect_frame()

    def _ping(self) -> None:
        self._send_text("ping", {})
        self._at("ping", time.monotonic() + PING_S, self._ping)

    def _send_text(self, kind: str, parameters: dict[str, object]) -> None:
        if self._transport is None:
            return
        self._seq += 1
        message = {
            "version": "2",
            "id": self._setup.session_id,
            "type": kind,
            "seq": self._seq,
            "serverseq": self._serverseq,
            "position": duration_text(self._frames * self._setup.frame_ms / 1_000),
            "parameters": parameters,
        }
        self._transport.send(WSMsgType.TEXT, msgspec.json.encode(message))

    def _at(self, name: str, when: float, do: Callable[[], None]) -> None:
        """Plan one thing of its name; the one planned before it has happened."""
        self._timers[name] = self._loop.call_later(max(0.0, when - time.monotonic()), do)
