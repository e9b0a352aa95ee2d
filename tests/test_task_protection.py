"""Task protection against an agent on loopback that answers as ECS' own does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.task_protection import LINGER_S, RENEW_S, RETRY_S, TaskProtection


class Agent:
    """Takes wishes; refuses while it is `broken`."""

    def __init__(self) -> None:
        self.wishes: list[dict[str, object]] = []
        self.paths: list[str] = []
        self.is_broken = False
        self.uri = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(it.split(":")[1]) for it in lines if it.startswith("content-length"))
        wish = json.loads(await reader.readexactly(length))
        self.wishes.append(wish)
        self.paths.append(head.decode().split("\r\n")[0])
        told: dict[str, object] = {"protection": {"ProtectionEnabled": wish["ProtectionEnabled"]}}
        if self.is_broken:
            told = {"failure": {"Reason": "TASK_NOT_VALID"}}
        body = json.dumps(told).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()


class Task:
    """A task with calls or without, at some moment, and its protection."""

    def __init__(self, uri: str) -> None:
        self.now, self.calls = 1_000.0, 0
        self.protection = TaskProtection(uri, lambda: self.calls > 0, lambda: self.now)

    async def look(self, after_s: float = 0.0, calls: int | None = None) -> None:
        self.now += after_s
        self.calls = self.calls if calls is None else calls
        await self.protection.look()


@asynccontextmanager
async def agent() -> AsyncIterator[Agent]:
    made = Agent()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/x"
    async with server:
        yield made


ON = {"ProtectionEnabled": True, "ExpiresInMinutes": 20}
OFF = {"ProtectionEnabled": False}


def test_a_task_is_protected_while_it_has_calls_and_a_little_longer():
    async def scene() -> None:
        async with agent() as ecs:
            task = Task(ecs.uri)
            await task.look()
            assert ecs.wishes == []
            await task.look(calls=1)
            await task.look(1.0, calls=2)
            assert ecs.wishes == [ON]
            await task.look(LINGER_S - 1, calls=0)
            assert ecs.wishes == [ON]
            await task.look(1.0)
            await task.look(1.0)
            assert ecs.wishes == [ON, OFF]
            assert set(ecs.paths) == {"PUT /api/x/task-protection/v1/state HTTP/1.1"}

    asyncio.run(scene())


def test_the_wish_is_renewed_before_it_expires():
    async def scene() -> None:
        async with agent() as ecs:
            task = Task(ecs.uri)
            await task.look(calls=1)
            await task.look(RENEW_S - 1)
            assert ecs.wishes == [ON]
            await task.look(1.0)
            assert ecs.wishes == [ON, ON]

    asyncio.run(scene())


def test_an_agent_that_refuses_is_asked_again_after_a_while_and_told_of_once(caplog):
    async def scene() -> None:
        async with agent() as ecs:
            ecs.is_broken = True
            task = Task(ecs.uri)
            await task.look(calls=1)
            await task.look(RETRY_S - 1)
            assert len(ecs.wishes) == 1
            await task.look(1.0)
            assert len(ecs.wishes) == 2
            ecs.is_broken = False
            await task.look(RETRY_S)
            await task.look(1.0)
            assert len(ecs.wishes) == 3

    asyncio.run(scene())
    assert [record.message for record in caplog.records] == [
        "ECS did not take the task's protection"
    ]


def test_an_agent_that_is_gone_harms_nothing():
    async def scene() -> None:
        task = Task("http://127.0.0.1:1")
        await task.look(calls=1)
        await task.look(1.0, calls=0)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[1,2]",
        b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        b"",
    ],
    ids=["no http", "broken off", "endless line", "no object", "failed", "nothing"],
)
def test_an_agent_that_talks_nonsense_harms_nothing(answer: bytes, caplog):
    """What escaped here would end the tasks beside the calls, and the events of the calls."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            task = Task(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await task.look(calls=1)

    asyncio.run(scene())
    assert len(caplog.records) == 1


def test_the_protection_ends_with_the_process():
    async def scene() -> None:
        async with agent() as ecs:
            task = Task(ecs.uri)
            task.calls = 1
            watching = asyncio.create_task(task.protection.watch())
            async with asyncio.timeout(5):
                while not ecs.wishes:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            assert ecs.wishes == [ON, OFF]

    asyncio.run(scene())
