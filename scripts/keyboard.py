"""Lines that somebody types while other things go on."""

import asyncio
import sys
import threading


class Keyboard:
    """Lines of the standard input; reading them never holds up the end of the process."""

    def __init__(self) -> None:
        """Begin; needs a running loop."""
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    async def next_line(self) -> str | None:
        """Return the next line; None at the end of the input."""
        self._wanted.release()
        return await self._lines.get()

    def _read(self) -> None:
        line: str | None = ""
        while line is not None:
            self._wanted.acquire()
            if sys.stdin.isatty():
                sys.stdout.write("you:         ")
                sys.stdout.flush()
            line = sys.stdin.readline() or None
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
