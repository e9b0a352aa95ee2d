"""A thread that works beside the calls until its work is done, and that no exit waits for."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

RESTART_S = 5.0
"""Between a failure and the next try: whatever failed may fail each time."""
_POLL_S = 0.01
_log = logging.getLogger(__name__)


class Worker:
    """Runs a function in a daemon thread: a disk or a network that hangs keeps no process alive."""

    def __init__(
        self, name: str, work: Callable[[], None], *, restart_s: float = RESTART_S
    ) -> None:
        """`work` runs from `start` until it returns; when it raises it is begun again, later."""
        self._work = work
        self._restart_s = restart_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    async def ended(self, within_s: float) -> bool:
        """Wait for the end of the work for so long, and return whether it came."""
        give_up_at = asyncio.get_running_loop().time() + within_s
        while self._thread.is_alive():
            if asyncio.get_running_loop().time() >= give_up_at:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _run(self) -> None:
        while True:
            try:
                self._work()
            except Exception:  # a bug of ours: the calls go on, and so must their events
                _log.exception("a thread of the outbox failed and is begun again")
            else:
                return
            time.sleep(self._restart_s)
