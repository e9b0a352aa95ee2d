"""The caller's WebSocket with deadlines: what the call's reader and its one writer use."""

import asyncio
from collections.abc import Awaitable
from typing import Never

from starlette.websockets import WebSocket, WebSocketDisconnect

WRITE_DEADLINE_S = 5.0
"""A socket that takes nothing for so long is dead (bad input 75)."""


class CallOver(Exception):
    """The caller's socket is gone."""


class CallerSocket:
    """Reads and writes whole messages; every method raises `CallOver` once the socket is gone."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        """Return the next message: text or audio."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise CallOver
        text: str | None = message.get("text")
        audio: bytes = message.get("bytes") or b""
        return audio if text is None else text

    async def write(self, message: str | bytes) -> None:
        """Write a message, within `WRITE_DEADLINE_S`."""
        if isinstance(message, str):
            await _in_time(self._socket.send_text(message))
        else:
            await _in_time(self._socket.send_bytes(message))

    async def close(self, code: int) -> Never:
        """Close the socket; then it is gone."""
        await _in_time(self._socket.close(code))
        raise CallOver


async def _in_time(writing: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(WRITE_DEADLINE_S):
            await writing
    except (TimeoutError, WebSocketDisconnect):
        raise CallOver from None
