"""Upgrade requests written byte by byte, and the answers to them."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from scripts.emulators.genesys import CallSetup
from scripts.emulators.genesys_wire import upgrade_headers

Headers = list[tuple[str, str]]

UPGRADE: Headers = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
_MAX_ANSWER_BYTES = 1 << 16


@dataclass(slots=True)
class Answer:
    """One HTTP response; `status` 0 means that the server closed without a word."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    after_s: float = 0.0


def signed(setup: CallSetup) -> Headers:
    """The headers by which Genesys says who it is, signed for the setup's URL."""
    # The one wall clock: signatures carry the date.
    unix_s = int(time.time())  # noqa: TID251
    return upgrade_headers(setup, random=Random(), unix_s=unix_s)


def request(
    target: str, headers: Iterable[tuple[str, str]], *, method: str = "GET", host: str = ""
) -> bytes:
    """The bytes of a request; every character is one byte."""
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host else [])]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def ask(port: int, data: bytes, *, within_s: float = 5.0) -> Answer:
    """Send bytes and return the answer to them; the connection is closed afterwards.

    Raises:
        TimeoutError: there was no answer, and the connection stayed open.
    """
    began_s = asyncio.get_running_loop().time()
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return Answer(0, after_s=asyncio.get_running_loop().time() - began_s)
            answer = _parse(head)
            answer.after_s = asyncio.get_running_loop().time() - began_s
            size = int(answer.headers.get("content-length", "0"))
            if size and not data.startswith(b"HEAD"):
                answer.body = (await reader.readexactly(min(size, _MAX_ANSWER_BYTES))).decode()
            return answer
        finally:
            writer.transport.abort()


def _parse(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answer(int(first.split()[1]), headers)
