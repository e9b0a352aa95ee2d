"""A caller without manners: a bare WebSocket that does only what a test tells it to."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scripts.emulators.genesys import CallSetup
from scripts.emulators.genesys_setup import open_parameters
from tests.e2e.bridge import Bridge
from tests.e2e.raw_http import signed


class Peer:
    """One accepted socket. Everything that arrives is read and kept."""

    def __init__(self, setup: CallSetup, socket: ClientConnection) -> None:
        self.setup = setup
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self._seq = 0
        self._news = asyncio.Event()

    async def send(self, message_type: str, parameters: object = None, **envelope: object) -> int:
        """Send one message with the right numbers, or those given; return its seq."""
        self._seq += 1
        message = {
            "version": "2",
            "id": self.setup.session_id,
            "type": message_type,
            "seq": self._seq,
            "serverseq": len(self.messages),
            "position": "PT0S",
            "parameters": {} if parameters is None else parameters,
        }
        await self.socket.send(json.dumps(message | envelope))
        return self._seq

    async def open(self) -> None:
        """Open the session."""
        await self.send("open", open_parameters(self.setup))
        await self.next_of("opened")

    async def next_of(self, message_type: str, *, within_s: float = 5.0) -> dict[str, Any]:
        """Return the first message of that type, waiting for it if need be."""
        async with asyncio.timeout(within_s):
            while True:
                for message in self.messages:
                    if message["type"] == message_type:
                        return message
                self._news.clear()
                await self._news.wait()

    async def pong_ms(self) -> float:
        """Send a ping and return how long its pong took."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        seq = await self.send("ping")
        async with asyncio.timeout(5):
            while not any(m["type"] == "pong" and m["clientseq"] == seq for m in self.messages):
                self._news.clear()
                await self._news.wait()
        return (loop.time() - began_s) * 1_000

    async def closed(self, *, within_s: float = 5.0) -> int | None:
        """Wait for the end of the socket and return its close code."""
        async with asyncio.timeout(within_s):
            await self.socket.wait_closed()
        return self.socket.close_code

    async def read(self) -> None:
        """Collect messages until the socket is closed."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await self.socket.recv()
                if isinstance(message, str):
                    self.messages.append(json.loads(message))
                    self._news.set()


@contextlib.asynccontextmanager
async def peer(running: Bridge) -> AsyncIterator[Peer]:
    """Connect with a signed upgrade; the socket is torn down afterwards."""
    setup = running.setup()
    async with asyncio.TaskGroup() as group:
        socket = await connect(
            setup.url,
            additional_headers=signed(setup),
            compression=None,
            ping_interval=None,
            close_timeout=1,
            proxy=None,
        )
        caller = Peer(setup, socket)
        reading = group.create_task(caller.read())
        try:
            yield caller
        finally:
            socket.transport.abort()
            await reading
