"""A small web server on loopback that does as it is told, however bad that is.

Used as `async with web(json_reply({...}), drop, ...) as server`. Each request gets the next
behaviour of the script; the last one goes on for ever.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_PIECE = b"[" + b"1," * 4_000


@dataclass(frozen=True, slots=True)
class Received:
    """A request; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Web:
    """A server that runs; `connections` are those that are open now."""

    script: tuple[Behaviour, ...]
    scheme: str = "http"
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    accepted: int = 0
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.accepted += 1
        self.connections += 1
        try:
            await self._answer_all(reader, writer)
        except asyncio.CancelledError:
            pass  # the block ended
        finally:
            self.connections -= 1
            self._serving.discard(task)
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                await self._answer(await _received(reader), reader, writer)
        except* (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left

    async def _answer(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(request)
        behaviour = self.script[min(len(self.requests), len(self.script)) - 1]
        async with asyncio.TaskGroup() as group:
            # A client that goes away ends whatever is going on here.
            leaving = group.create_task(_left(reader))
            await behaviour(request, writer)
            leaving.cancel()

    async def left(self) -> None:
        """Wait until every client has closed its connection."""
        async with asyncio.timeout(5):
            while self.connections:
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


@asynccontextmanager
async def web(*script: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """Serve the script on a free port of 127.0.0.1 until the block ends."""
    state = Web(script or (reply(),), scheme="https" if tls else "http")
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        await state.stop()


def reply(
    body: bytes = b"",
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    declared_bytes: int | None = None,
    after_s: float = 0.0,
) -> Behaviour:
    """Answer; `declared_bytes` is what `Content-Length` says, whatever the body has."""
    length = len(body) if declared_bytes is None else declared_bytes
    fields = {"Content-Type": "application/json", "Content-Length": str(length), **(headers or {})}

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(after_s)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body)
        await writer.drain()
        if declared_bytes is not None:
            writer.close()

    return behave


def json_reply(value: object, *, status: int = 200, after_s: float = 0.0) -> Behaviour:
    """Answer with JSON."""
    return reply(json.dumps(value).encode(), status=status, after_s=after_s)


def raw(data: bytes) -> Behaviour:
    """Send the bytes, whatever they are, and close."""

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return behave


async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def drop(request: Received, writer: asyncio.StreamWriter) -> None:
    """Close the connection instead of answering."""
    writer.transport.abort()


async def reset(request: Received, writer: asyncio.StreamWriter) -> None:
    """Begin a good answer and break the connection."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half": ')
    await writer.drain()
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


async def stall(request: Received, writer: asyncio.StreamWriter) -> None:
    """Begin a good answer and never finish it."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half": ')
    await writer.drain()
    await asyncio.Event().wait()


async def endless(request: Received, writer: asyncio.StreamWriter) -> None:
    """Send a body that has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE)
    while True:
        writer.write(piece)
        await writer.drain()


async def _left(reader: asyncio.StreamReader) -> None:
    """Raise when the client goes; one that waits for an answer sends nothing."""
    await reader.read(1)
    raise ConnectionResetError


async def _received(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    fields = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)
