"""A wire between the service and its model that is cut, stalled and refused at random.

It forwards TCP as it is. What happens when follows from the seed alone; which connection is hit
depends on who is connected then.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

CHUNK = 65_536
STALL_S = (0.5, 3.0)
REFUSE_S = (0.5, 2.5)


@dataclass(slots=True, eq=False)
class _Wire:
    """One connection: both ends' writers, and whether bytes may pass."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    flows: asyncio.Event

    def cut(self) -> None:
        for writer in (self.near, self.far):
            writer.transport.abort()


class ChaosProxy:
    """Listens on loopback and forwards to one port of this machine.

    Attributes:
        deeds: how often what was done: `cut`, `stall`, `refuse`.
        port: where it listens, once it was started.
    """

    def __init__(self, port: int, *, per_minute: float, seed: int) -> None:
        """Forward to `port`; do `per_minute` evil deeds."""
        self.deeds: Counter[str] = Counter()
        self.port = 0
        self._target = port
        self._pause_s = 60.0 / per_minute if per_minute else 0.0
        self._random = Random(seed)
        self._wires: set[_Wire] = set()
        self._is_refusing = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ChaosProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def live(self) -> int:
        """Connections that are open now."""
        return len(self._wires)

    async def do_evil(self) -> None:
        """Cut, stall and refuse until cancelled; do nothing when nothing is to be done."""
        while self._pause_s:
            await asyncio.sleep(self._random.expovariate(1.0 / self._pause_s))
            deed = self._random.choices(("cut", "stall", "refuse"), (6, 2, 1))[0]
            self.deeds[deed] += 1
            if deed == "refuse":
                await self._refuse()
            elif self._wires:
                wire = self._random.choice(sorted(self._wires, key=id))
                if deed == "cut":
                    wire.cut()
                else:
                    self._spawn(self._stall(wire))

    async def _refuse(self) -> None:
        self._is_refusing = True
        await asyncio.sleep(self._random.uniform(*REFUSE_S))
        self._is_refusing = False

    async def _stall(self, wire: _Wire) -> None:
        wire.flows.clear()
        await asyncio.sleep(self._random.uniform(*STALL_S))
        wire.flows.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        flows = asyncio.Event()
        flows.set()
        wire = _Wire(writer, far, flows)
        self._wires.add(wire)
        self._spawn(self._forward_both(wire, reader, far_reader))

    async def _forward_both(
        self, wire: _Wire, near: asyncio.StreamReader, far: asyncio.StreamReader
    ) -> None:
        try:
            ways = (_forward(near, wire.far, wire.flows), _forward(far, wire.near, wire.flows))
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            wire.cut()
            self._wires.discard(wire)


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            await flows.wait()
            writer.write(chunk)
            await writer.drain()
