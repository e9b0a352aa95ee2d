"""Runs `python -m service` as its own process, for the demo and for tests."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 10.0

# What the caller's shell holds for a real deployment must not leak into an emulated one.
_OURS = (
    "ALLOW_ANONYMOUS", "ASR_", "AUDIOHOOK_", "AZURE_", "BOTS_", "CALL_", "CLIPS_",
    "DRAIN_", "ECS_", "EVENTS_", "FLY_", "GENESYS_", "HOST", "IDLE_", "LLM_", "LOG_", "MAX_",
    "METRICS", "OPENAI_", "OTEL_", "PORT", "PUBLIC_HOST", "SECRETS_", "SPEECH_", "SPOOL_", "TASK_",
    "TOOL_", "TTS_", "UNKNOWN_",
)  # fmt: skip


class ServiceFailed(Exception):
    """The service did not start; the message holds what it said."""


class ServiceProcess:
    """A running service. Its log lines are read all the time, and kept in `log`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.log: list[dict[str, object]] = []
        self.stderr = ""
        self._ready = asyncio.Event()

    @property
    def call_url(self) -> str:
        """WebSocket address of the default bot."""
        return self.url_of("default")

    def url_of(self, bot: str) -> str:
        """Return the WebSocket address of a bot."""
        return f"ws://127.0.0.1:{self.port}/audiohook/{bot}"

    async def started(self) -> None:
        """Wait until the service listens.

        Raises:
            ServiceFailed: it ended, or did not listen in time.
        """
        waiting = asyncio.ensure_future(self._ready.wait())  # noqa: TID251 two waits raced below
        ended = asyncio.ensure_future(self.process.wait())  # noqa: TID251
        await asyncio.wait(
            (waiting, ended), timeout=START_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED
        )
        is_ready = waiting.done()
        for task in (waiting, ended):
            task.cancel()
        if not is_ready:
            await asyncio.sleep(0.1)  # let the last words arrive
            raise ServiceFailed(f"the service did not start:\n{self.stderr or self.log}")

    async def stop(self, *, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask the service to end; kill it if it does not. Returns its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(by)
        return await self.ended(STOP_DEADLINE_S)

    async def ended(self, within_s: float) -> int:
        """Wait for the end; kill when it does not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                return await self.process.wait()
        self.process.kill()
        return await self.process.wait()

    async def read_log(self) -> None:
        """Collect log lines until the service closes its output."""
        if self.process.stdout is None:
            return
        async for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                self.log.append(entry)
                if entry.get("message") == "ready":
                    self.port = entry["port"]
                    self._ready.set()

    async def read_errors(self) -> None:
        """Collect what the service writes to stderr."""
        if self.process.stderr is not None:
            self.stderr = (await self.process.stderr.read()).decode(errors="replace")


@contextlib.asynccontextmanager
async def running_service(settings: Mapping[str, str]) -> AsyncIterator[ServiceProcess]:
    """Start the service on a free loopback port with these settings; end it afterwards.

    Raises:
        ServiceFailed: it did not start.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own = {"HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        env=inherited | own | {"PYTHONPATH": str(ROOT)} | dict(settings),
        cwd=settings.get("SERVICE_DIRECTORY", str(ROOT)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    service = ServiceProcess(process)
    async with asyncio.TaskGroup() as readers:
        readers.create_task(service.read_log())
        readers.create_task(service.read_errors())
        try:
            await service.started()
            yield service
        finally:
            await service.stop()
