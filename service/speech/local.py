"""Ears and a voice on this machine alone: the cascade without anybody else's servers.

The packages (extra `local`) work in processes of their own (`local_worker`), one for each; such a
process is started with the first use, and again when it has died or was too slow.
"""

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from service.speech.local_worker import LENGTH_BYTES, MAX_BYTES
from service.speech.port import SpeechError

DEADLINE_S = 8.0
"""For one utterance or sentence; both take about a tenth of their length."""
START_DEADLINE_S = 20.0
"""With the start of the process and of its model, about a second."""
MAX_WORDS_CHARS = 8_000
_PIECE_BYTES = 4_000
_ROOT = Path(__file__).parents[2]
_FRESH_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
"""Pico reads memory that it never wrote: let the C library hand it out zeroed."""


class Worker:
    """A process that answers one request after the other."""

    def __init__(self, part: str, command: Sequence[str]) -> None:
        """`part` is what the codes of errors begin with; `command` makes the process."""
        self._part = part
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def ask(self, request: bytes) -> bytes:
        """Return the answer to a request; others wait.

        Raises:
            SpeechError: the process died, or was too slow and was ended.
        """
        async with self._turn:
            is_new = self._process is None
            try:
                async with asyncio.timeout(START_DEADLINE_S if is_new else DEADLINE_S):
                    return await self._exchange(request)
            except TimeoutError:
                await self._end()
                raise SpeechError(f"{self._part}_timeout", retryable=True) from None
            except (OSError, asyncio.IncompleteReadError):
                await self._end()
                raise SpeechError(f"{self._part}_died", retryable=True) from None
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for that to the next request
                raise

    async def aclose(self) -> None:
        """End the process."""
        await self._end()

    async def _exchange(self, request: bytes) -> bytes:
        process = self._process = self._process or await self._start()
        if process.stdin is None or process.stdout is None:
            raise OSError("a process without pipes")
        process.stdin.write(len(request).to_bytes(LENGTH_BYTES, "big") + request)
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        if size > MAX_BYTES:
            raise OSError("an answer out of all bounds")
        return await process.stdout.readexactly(size)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            cwd=_ROOT,
            env=os.environ | _FRESH_MEMORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class LocalTranscriber:
    """Moonshine tiny, which knows English alone."""

    def __init__(self, worker: Worker | None = None) -> None:
        """Raise `ImportError` where the package is not installed."""
        self._worker = worker or Worker("asr", _command("moonshine_voice", "ears"))

    async def transcribe(self, pcmu: bytes, languages: Sequence[str]) -> str:
        """Return the words; see `Transcriber`."""
        del languages
        words = await self._worker.ask(pcmu)
        return words.decode(errors="replace").strip()[:MAX_WORDS_CHARS]

    async def aclose(self) -> None:
        """End the process."""
        await self._worker.aclose()


class LocalSynthesizer:
    """SVOX Pico, in one accent."""

    def __init__(self, accent: str, worker: Worker | None = None) -> None:
        """Raise `ImportError` where the package is not installed."""
        self._worker = worker or Worker("tts", _command("py_nanotts", "voice", accent))

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sentence as PCMU; see `Synthesizer`. The bot's voice means nothing here."""
        del voice
        pcmu = await self._worker.ask(text.encode())
        for at in range(0, len(pcmu), _PIECE_BYTES):
            yield pcmu[at : at + _PIECE_BYTES]

    async def aclose(self) -> None:
        """End the process."""
        await self._worker.aclose()


def _command(package: str, *arguments: str) -> list[str]:
    if importlib.util.find_spec(package) is None:
        raise ImportError(f"{package} is not installed: pip install '.[local]'")
    return [sys.executable, "-m", "service.speech.local_worker", *arguments]
