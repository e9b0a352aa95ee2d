"""A Realtime server that configures its session and then does not read any more."""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, serve

_RECEIVE_BUFFER_BYTES = 4_096
_PCMU = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}


@contextlib.asynccontextmanager
async def deaf_model() -> AsyncIterator[str]:
    """Run the server and give its base URL."""
    is_over = asyncio.Event()

    async def pretend(connection: ServerConnection) -> None:
        session = {"type": "realtime", "id": "sess_deaf", "audio": _PCMU}
        created = {"type": "session.created", "event_id": "event_1", "session": session}
        await connection.send(json.dumps(created))
        await connection.recv()
        updated = {"type": "session.updated", "event_id": "event_2", "session": session}
        await connection.send(json.dumps(updated))
        connection.transport.pause_reading()
        await is_over.wait()
        connection.transport.abort()

    listener = sockets.create_server(("127.0.0.1", 0))
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    async with serve(pretend, sock=listener, compression=None, close_timeout=0.1):
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            is_over.set()
