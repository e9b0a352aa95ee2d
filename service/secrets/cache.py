"""A secret in memory, read again in the background: for stores that are far away or cost money.

`CachedSecret` is for any value, `CachedClientSecrets` makes the secret service of one. One task
(`watch`) does all reading, in a thread, so that there is one read at a time, and a call that is
gone stops none; lookups take what is there and at most wait a moment for that task.

Source: AudioHook specification 10.7 (five minutes; once a minute for unknown keys).
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Generic, TypeVar

from service.secrets.keys import ClientSecrets
from service.secrets.port import SecretReader, SecretsError

TTL_S = 300.0
JITTER = 0.2
"""By how much of the TTL an instance reads earlier: a fleet does not ask all at once."""
STALE_S = 86_400.0
"""How long the last good version serves while the store fails: calls matter more than order."""
ASK_AGAIN_S = 60.0
"""Between two reads that callers cause: unknown keys cost the sender nothing."""
WAIT_S = 0.8
"""How long a lookup waits for a read."""
FIRST_WAIT_S = 3.0
"""For the very first read, on a machine that a call has just started: an SDK is loaded.

To be refused is worse for the caller than to wait; `service.gate` allows a little more.
"""
PAUSE_S = 0.5
"""Between two reads at least, however many calls wait for the first good one."""
MAX_RETRY_S = 60.0
"""Between two tries while the store fails; they begin with `PAUSE_S` and double."""

Texts = tuple[str, ...]
T = TypeVar("T")
_log = logging.getLogger(__name__)
_random = SystemRandom().random


class CachedSecret(Generic[T]):
    """One secret, decoded. Nothing is read, and the reader not made, before `watch` runs."""

    def __init__(
        self,
        name: str,
        make_reader: Callable[[], SecretReader],
        decode: Callable[[Texts], T],
        *,
        in_thread: Callable[[Callable[[], T]], Awaitable[T]] = asyncio.to_thread,
        random: Callable[[], float] = _random,
    ) -> None:
        """Make an empty cache.

        Args:
            name: of the setting, for the log.
            make_reader: called in the thread of the first read, so that it may import much.
            decode: the texts of `SecretReader.read`; raises `SecretsError`.
            in_thread: runs what blocks.
            random: from 0 to 1, for the jitter.
        """
        self._name = name
        self._make_reader = make_reader
        self._decode = decode
        self._in_thread = in_thread
        self._random = random
        self._reader: SecretReader | None = None
        self._value: T | None = None
        self._read_at_s = self._tried_at_s = -math.inf
        self._problem: SecretsError | None = None
        self._failures = 0
        self._is_reading = False
        self._wanted = asyncio.Event()
        self._finished = asyncio.Event()

    async def watch(self) -> None:
        """Read at once, then before the value is old and whenever a lookup asks for it."""
        while True:
            await self._read()
            await asyncio.sleep(PAUSE_S)
            try:
                async with asyncio.timeout(self._pause_s() - PAUSE_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def get(self) -> T:
        """Return the value: at once when one is known, else after a moment's wait.

        Raises:
            SecretsError: there is none, or it is older than `STALE_S`.
        """
        # While the store fails there is nothing to wait for: the old value serves.
        is_expected = self._age_s() > TTL_S and (self._problem is None or self._value is None)
        if is_expected or self._age_s() > STALE_S:
            await self._wait_for_read()
        if self._value is None or self._age_s() > STALE_S:
            raise SecretsError(self._problems())
        return self._value

    async def get_newer(self) -> T:
        """Return the value after another read, unless there was one within `ASK_AGAIN_S`.

        Raises:
            SecretsError: the last read failed, or takes too long.
        """
        if _now_s() - self._tried_at_s >= ASK_AGAIN_S:
            tried_at_s = self._tried_at_s
            await self._wait_for_read()
            if self._tried_at_s == tried_at_s:
                raise SecretsError(["the store has not answered in time"])
        if self._problem is not None:
            raise SecretsError(self._problems())
        return await self.get()

    async def _wait_for_read(self) -> None:
        """Wait for the end of the next read, or of the one under way, within bounds."""
        wait_s = FIRST_WAIT_S if self._tried_at_s == -math.inf else WAIT_S
        finished = self._finished
        if not self._is_reading:
            self._wanted.set()
        try:
            async with asyncio.timeout(wait_s):
                await finished.wait()
        except TimeoutError:
            return

    async def _read(self) -> None:
        self._is_reading = True
        self._wanted.clear()
        try:
            value = await self._in_thread(self._read_and_decode)
        except SecretsError as error:
            self._fail(error)
        else:
            self._take(value)
        finally:
            self._is_reading = False
            self._tried_at_s = _now_s()
            self._finished.set()
            self._finished = asyncio.Event()

    def _read_and_decode(self) -> T:
        if self._reader is None:
            self._reader = self._make_reader()
        return self._decode(self._reader.read())

    def _take(self, value: T) -> None:
        if self._failures:
            _log.info("a secret can be read again", extra={"setting": self._name})
        self._value, self._read_at_s = value, _now_s()
        self._problem, self._failures = None, 0

    def _fail(self, error: SecretsError) -> None:
        self._problem = error
        self._failures += 1
        if self._failures > 1:  # one line for each time the store fails, not for each try
            return
        known = {"setting": self._name, "problems": error.problems}
        if self._value is None:
            _log.error("a secret cannot be read; calls that need it fail until then", extra=known)
        else:
            _log.warning("a secret cannot be read; the last version stays in force", extra=known)

    def _problems(self) -> tuple[str, ...]:
        return self._problem.problems if self._problem else ("it has not been read yet",)

    def _pause_s(self) -> float:
        """Return the time until the next read is due by itself."""
        spread = 1 - JITTER * self._random()
        if self._failures:
            # The exponent is bounded: an outage may last for days.
            return max(PAUSE_S, min(MAX_RETRY_S, PAUSE_S * 2.0 ** min(self._failures, 10)) * spread)
        return TTL_S * spread

    def _age_s(self) -> float:
        return _now_s() - self._read_at_s


class CachedClientSecrets:
    """The secret service of a store that is read through a cache."""

    def __init__(self, secret: CachedSecret[ClientSecrets]) -> None:
        self._secret = secret
        self._is_emptiness_told = False
        self.watch = secret.watch

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        """See `SecretService`. Unknown keys are looked for again, once a minute for all."""
        found = (await self._secret.get()).of(api_key)
        if found:
            return found
        newer = await self._secret.get_newer()
        self._tell_emptiness(newer)
        return newer.of(api_key)

    def _tell_emptiness(self, secrets: ClientSecrets) -> None:
        """Say once that nobody can call. To empty a secret is allowed: it locks everybody out."""
        is_empty = not secrets.by_key
        if is_empty and not self._is_emptiness_told:
            _log.error("the secret holds no API key: every caller is refused")
        self._is_emptiness_told = is_empty


def _now_s() -> float:
    return asyncio.get_running_loop().time()
