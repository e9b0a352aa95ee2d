import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from scripts.chaos_proxy import ChaosProxy


@contextlib.asynccontextmanager
async def wired(per_minute: float) -> AsyncIterator[ChaosProxy]:
    """A wire to a server that says everything twice."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(100):
                writer.write(chunk * 2)
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ChaosProxy(port, per_minute=per_minute, seed=1) as proxy:
        yield proxy


def test_a_quiet_wire_passes_everything_on():
    async def scene() -> None:
        async with wired(0) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"hello")
            assert await reader.readexactly(10) == b"hellohello"
            assert proxy.live == 1
            await proxy.do_evil()
            writer.close()
            async with asyncio.timeout(5):
                while proxy.live:
                    await asyncio.sleep(0.01)
            assert not proxy.deeds

    asyncio.run(scene())


def test_an_evil_wire_cuts_stalls_and_refuses():
    async def scene() -> None:
        async with wired(60_000) as proxy:
            evil = asyncio.create_task(proxy.do_evil())
            ends = 0
            async with asyncio.timeout(20):
                while set(proxy.deeds) != {"cut", "stall", "refuse"} or not ends:
                    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                        writer.write(b"x")
                        await reader.readexactly(4)
                    ends += 1
                    writer.transport.abort()
            evil.cancel()

    asyncio.run(scene())


def test_a_server_that_is_gone_is_no_connection():
    async def scene() -> None:
        async with ChaosProxy(1, per_minute=0, seed=1) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()
            assert proxy.live == 0

    asyncio.run(scene())
