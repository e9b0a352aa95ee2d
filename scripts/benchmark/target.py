"""The processes under test: started one at a time, watched through /proc, and surely ended."""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TargetName = Literal["service", "picows", "starlette"]
TARGETS: tuple[TargetName, ...] = ("service", "picows", "starlette")

API_KEY = "benchmark"
CLIENT_SECRET = "YmVuY2htYXJrLW9ubHk="  # noqa: S105 - of a process that nobody else can reach
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 8.0
_POLL_S = 0.003
_ROOT = Path(__file__).parents[2]
_READYZ = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_MAX_CALLS = 1_000
_CPUCLOCK_SCHED = 2
_PORTS = range(20_000, 32_000)


class TargetError(Exception):
    """A target did not start, or ended by itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """A process that takes calls.

    Attributes:
        url: where callers connect to.
        ready_s: from its start until it took calls.
        port: that it listens on.
    """

    process: asyncio.subprocess.Process
    url: str
    ready_s: float
    port: int

    def cpu_s(self) -> float:
        """Return the seconds of processor that it has used, in user and in system mode.

        Raises:
            TargetError: it has ended.
        """
        try:
            return cpu_s(self.process.pid)
        except OSError as error:
            raise TargetError("the target ended under load") from error

    def rss_bytes(self) -> int:
        """Return the memory that it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(
    name: TargetName, model_url: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Target]:
    """Start a target that talks to the model at `model_url`; end it afterwards.

    `settings` come on top of those of a usual deployment.

    Raises:
        TargetError: it did not become ready in time.
    """
    port = _free_port()
    # An empty directory of its own: no .env is read and nothing is left in the checkout.
    with tempfile.TemporaryDirectory() as directory:
        started_at = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *_command(name, port, model_url),
            cwd=directory,
            env=_environment(port, model_url) | dict(settings or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
        )
        try:
            await _wait_until_ready(process, port, is_service=name == "service")
            ready_s = time.monotonic() - started_at
            yield Target(process, f"ws://127.0.0.1:{port}/audiohook", ready_s, port)
        finally:
            await _end(process)


def cpu_s(pid: int) -> float:
    """Return the seconds of processor that a process has used, in user and in system mode.

    It asks the process' own clock, which counts nanoseconds: /proc counts in steps of 10 ms.
    Source: clock_getcpuclockid(3), whose ids on Linux are made like this.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def machine_busy_s() -> float:
    """Return the seconds that all processors together were busy since boot, whoever used them."""
    first_line = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _iowait, *rest = map(int, first_line.split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _command(name: TargetName, port: int, model_url: str) -> list[str]:
    if name == "service":
        return [sys.executable, "-m", "service"]
    url = f"{model_url}/realtime"
    return [sys.executable, "-m", f"scripts.benchmark.relay_{name}", str(port), url]


def _environment(port: int, model_url: str) -> dict[str, str]:
    """Return the whole environment: the service as it is deployed, callers signed, events off."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(_ROOT),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LOG_LEVEL": "warning",
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API_KEY": "benchmark",
        "AUDIOHOOK_KEYS": json.dumps({API_KEY: CLIENT_SECRET}),
        "EVENTS_URL": "off:",
        "MAX_CALLS": str(_MAX_CALLS),
    }


def _free_port() -> int:
    """Return a port on which nobody listens; the range is one that clients are not given."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def _wait_until_ready(
    process: asyncio.subprocess.Process, port: int, *, is_service: bool
) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await _is_ready(port, is_service=is_service):
                if process.returncode is not None:
                    raise TargetError(f"the target ended at once with {process.returncode}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise TargetError(f"the target was not ready in {START_DEADLINE_S:.0f} s") from error


async def _is_ready(port: int, *, is_service: bool) -> bool:
    """True when the service says 200 on `/readyz`; of a relay, when it accepts connections."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        if not is_service:
            return True
        writer.write(_READYZ)
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end, and after the deadline make it."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_DEADLINE_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
