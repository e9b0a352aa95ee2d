"""An AWS in a process of its own, and a way to it that can be cut."""

import asyncio
import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from service.analytics import functions
from tests.analytics.cloud import REGION, Cloud

_SERVE = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_CACHES = ("_table", "_lake", "_s3", "_recorder", "_recorder_handler")


@contextlib.contextmanager
def moto_process() -> Iterator[int]:
    """Run moto's server, and yield its port."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def empty_cloud(port: int) -> Iterator[Cloud]:
    """What the functions need, made anew on the server; they find it by the environment."""
    url = f"http://127.0.0.1:{port}"
    reset = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=10).close()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "TABLE_NAME": "calls",
            "LAKE_BUCKET": "lake",
            "BUS_NAME": "calls",
        }.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        try:
            yield Cloud()
        finally:
            for name in _CACHES:
                getattr(functions, name).cache_clear()


@dataclass
class Way:
    """A port that leads to another one, while it is not cut."""

    to: int
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and break those that there are."""
        if self._server:
            self._server.close()
        self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            back, forth = await asyncio.open_connection("127.0.0.1", self.to)
            self._open |= {writer, forth}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, forth))
                    group.create_task(_copy(back, writer))
            finally:
                self._open -= {writer, forth}
                writer.transport.abort()
                forth.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@contextlib.asynccontextmanager
async def way_to(port: int) -> AsyncIterator[Way]:
    """An open way, cut in the end."""
    way = Way(port)
    await way.open()
    try:
        yield way
    finally:
        await way.cut()
