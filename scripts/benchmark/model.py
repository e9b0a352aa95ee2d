"""A lean Realtime server: configures whoever asks, and talks turn by turn to everyone alike.

It hears nothing and decides nothing: turns come by the clock, whether the client is the service or
a bare relay. `scripts.emulators.realtime` is the faithful one, and costs too much for a load.
"""

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from scripts.benchmark.stamps import Crossings, read_base64_stamp
from scripts.benchmark.turn import PERIOD_S, Frame, turn_frames

_APPEND = b'"input_audio_buffer.append"'
_APPEND_SEEN_WITHIN = 80  # bytes from the beginning of the frame
_AUDIO = b'"audio":"'
_GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, modulo 1, spread any number of points evenly and never in step."""


class LeanModel:
    """The server. `begin` starts the talks of all who are connected then.

    Args:
        up: caller audio that arrives here is noted in it.
        down: agent audio that leaves here is noted in it.
    """

    def __init__(self, up: Crossings, down: Crossings) -> None:
        self._up = up
        self._down = down
        self._sessions: list[_Session] = []
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """The address for `OPENAI_BASE_URL`, once it listens."""
        if self._server is None:
            raise RuntimeError("the model has not been started")
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    @property
    def sessions(self) -> int:
        """How many have connected so far."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        self._server = await ws_create_server(self._accept, "127.0.0.1", 0)

    def begin(self, at: float) -> None:
        """Start the first turns at `at` (monotonic seconds), spread over one period.

        Not on a grid: the pauses between deltas are one, and the talks would fall into step.
        """
        for number, session in enumerate(self._sessions):
            session.begin(at + PERIOD_S * (number * _GOLDEN % 1.0))

    def end(self) -> None:
        """Say nothing more."""
        for session in self._sessions:
            session.end()

    async def aclose(self) -> None:
        """Close every socket and stop listening."""
        self.end()
        for session in self._sessions:
            session.disconnect()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _accept(self, _: WSUpgradeRequest) -> WSListener:
        session = _Session(len(self._sessions), self._up, self._down)
        self._sessions.append(session)
        return session


class _Session(WSListener):
    def __init__(self, number: int, up: Crossings, down: Crossings) -> None:
        self._number = number
        self._up = up
        self._down = down
        self._transport: WSTransport | None = None
        self._frames: deque[Frame] = deque()
        self._turn_at = 0.0
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._metadata: object = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._send(b'{"type":"session.created","event_id":"event_0","session":{}}')

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        if frame.msg_type != WSMsgType.TEXT:
            return
        text = frame.get_payload_as_bytes()
        if text.find(_APPEND, 0, _APPEND_SEEN_WITHIN) >= 0:
            stamp = read_base64_stamp(text, text.find(_AUDIO) + len(_AUDIO))
            if stamp is not None:
                self._up.arrive(stamp, time.monotonic())
        else:
            self._on_event(msgspec.json.decode(text))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        del transport
        self.end()
        self._transport = None

    def begin(self, at: float) -> None:
        self._turn_at = at
        self._next_turn()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def disconnect(self) -> None:
        if self._transport is not None:
            self._transport.disconnect()

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "session.update":
            echo = {"type": "session.updated", "event_id": "event_1", "session": event["session"]}
            self._send(msgspec.json.encode(echo))
        elif event["type"] == "response.create":
            self._metadata = event.get("response", {}).get("metadata")

    def _next_turn(self) -> None:
        self._frames.extend(turn_frames((self._number, self._turns), self._metadata))
        self._metadata = None
        self._turns += 1
        self._wait()

    def _wait(self) -> None:
        delay_s = self._turn_at + self._frames[0].at_s - time.monotonic()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, delay_s), self._speak)

    def _speak(self) -> None:
        """Send what is due, then wait for the rest of the turn or make the next one."""
        passed_s = time.monotonic() - self._turn_at
        while self._frames and self._frames[0].at_s <= passed_s:
            frame = self._frames.popleft()
            if frame.stamp is not None:
                self._down.leave(frame.stamp, time.monotonic())
            self._send(frame.text)
        if self._frames:
            self._wait()
        else:
            self._turn_at += PERIOD_S
            self._next_turn()

    def _send(self, text: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, text)
