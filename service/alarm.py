"""Waiting for news or for a time, whichever comes first."""

import asyncio
import math


class Alarm:
    """Rung by whoever has news; the one who waits resets it before looking for them.

    A timer that rings costs half of an `asyncio.timeout` around the wait (measured: 4.7 against
    8.5 µs), and this is done for every packet.
    """

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let the one who waits look."""
        self._rung.set()

    def reset(self) -> None:
        """Forget rings so far; call before looking, so that later news are not missed."""
        self._rung.clear()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, at once if it has, and after so many seconds at the latest."""
        if seconds == math.inf:
            await self._rung.wait()
            return
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._rung.set)
        try:
            await self._rung.wait()
        finally:
            timer.cancel()
