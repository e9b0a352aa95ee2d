"""An independent little Realtime client for the emulator's tests, and a loop in virtual time.

It knows the wire only: JSON in, JSON out. Every frame it gets is checked against OpenAI's types
unless a test says that the frames will be odd.
"""

import asyncio
import base64
import json
import selectors
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_clips import ToneVoice
from tests.openai_schema import assert_server_event

Result = TypeVar("Result")
MS = 8  # mu-law bytes per millisecond
WAIT_S = 30.0  # virtual in most tests
_FORMAT = {"format": {"type": "audio/pcmu"}}
PCMU = {"type": "realtime", "audio": {"input": _FORMAT, "output": _FORMAT}}


def silence(ms: int) -> bytes:
    return b"\xff" * (ms * MS)


def speech(ms: int) -> bytes:
    return ToneVoice().speak("abcdefghijklmnopqrstuvwxyz" * (ms // 1690 + 1))[: ms * MS]


class _EagerSelector(selectors.DefaultSelector):
    """Never waits for a timer: when no socket is ready, time itself moves on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(5.0)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Loopback sockets are real, seconds are not. No threads: they would miss all deadlines."""

    def __init__(self) -> None:
        self._eager = _EagerSelector()
        super().__init__(self._eager)

    def time(self) -> float:
        return self._eager.now


def run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


class RealtimeClient:
    def __init__(self, socket: ClientConnection, *, is_strict: bool) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self._is_strict = is_strict

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def append(self, pcmu: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(pcmu).decode())

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            event: dict[str, Any] = json.loads(await self.socket.recv())
        if self._is_strict:
            assert_server_event(event)
        self.events.append(event)
        return event

    async def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """All events up to the count-th one of that type, which comes last."""
        events = []
        while count:
            events.append(await self.next())
            count -= events[-1]["type"] == kind
        return events

    async def one(self, kind: str) -> dict[str, Any]:
        return (await self.until(kind))[-1]

    async def ask(self, answer: str, kind: str, **fields: Any) -> dict[str, Any]:
        await self.send(kind, **fields)
        return await self.one(answer)

    async def error(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The error that answers an event; nothing else may come before it."""
        await self.send(kind, event_id="c_1", **fields)
        event = await self.next()
        assert event["type"] == "error", event
        assert event["error"]["event_id"] == "c_1"
        error: dict[str, Any] = event["error"]
        return error

    async def configure(self, **changes: Any) -> dict[str, Any]:
        """Sets mu-law both ways and whatever else; `detection` and `transcription` have homes."""
        session = json.loads(json.dumps(PCMU))
        if "detection" in changes:
            session["audio"]["input"]["turn_detection"] = changes.pop("detection")
        if "transcription" in changes:
            session["audio"]["input"]["transcription"] = changes.pop("transcription")
        session.update(changes)
        return await self.ask("session.updated", "session.update", session=session)

    async def quiet(self, seconds: float) -> list[dict[str, Any]]:
        """What comes within that time."""
        events = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    events.append(await self.next())
        except TimeoutError:
            return events

    async def closing(self) -> tuple[int, str]:
        """The close code and reason after whatever still comes."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def dial(
    emulator: RealtimeEmulator,
    query: str = "?model=gpt-realtime-2.1",
    *,
    headers: dict[str, str] | None = None,
    is_strict: bool = True,
    path: str = "/v1/realtime",
) -> AsyncIterator[RealtimeClient]:
    url = emulator.azure_endpoint.replace("http", "ws") + path + query
    headers = {"Authorization": "Bearer sk-test"} if headers is None else headers
    async with connect(
        url, additional_headers=headers, compression=None, max_size=None, close_timeout=1
    ) as socket:
        yield RealtimeClient(socket, is_strict=is_strict)


@asynccontextmanager
async def call(emulator: RealtimeEmulator, **options: Any) -> AsyncIterator[RealtimeClient]:
    """A client that has seen `session.created` and set mu-law both ways."""
    configuration = options.pop("session", {})
    async with emulator, dial(emulator, **options) as client:
        await client.one("session.created")
        await client.configure(**configuration)
        yield client


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def without_repeats(names: list[str]) -> list[str]:
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def audio_of(events: list[dict[str, Any]]) -> bytes:
    return b"".join(
        base64.b64decode(event["delta"])
        for event in events
        if event["type"] == "response.output_audio.delta"
    )
