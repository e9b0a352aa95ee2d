"""Credentials from a JSON file (a Docker secret, Fly `[[files]]`), which may change at any time."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.secrets.keys import ClientSecrets, parse_client_secrets
from service.secrets.port import SecretsError

CHECK_INTERVAL_S = 1.0  # a rotated secret works within a second; a flood of upgrades stats once

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Version:
    """Tells one state of the file from another, also when it was replaced within one tick."""

    mtime_ns: int
    ctime_ns: int  # permissions were repaired
    size_bytes: int
    inode: int


class FileSecrets:
    """The secret service of `SECRETS_URL=file:PATH`.

    An edit is taken over at the first lookup a second or more after the last check. A file that
    cannot be used, or is gone, leaves the last good version in force and is warned of once.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file. Blocks: call it at start.

        Args:
            path: the JSON file.
            clock: monotonic seconds.

        Raises:
            SecretsError: it is missing, not readable, or has problems.
        """
        self._path = path
        self._clock = clock
        self._version = _version_of(path)
        self._current = _read(path)
        self._checked_at_s = clock()
        self._reading = threading.Lock()

    @property
    def key_count(self) -> int:
        """API keys of the last good version; with none, every caller is refused."""
        return len(self._current.by_key)

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        """See `SecretService`. One lookup a second waits for the disk; none fails."""
        now_s = self._clock()
        if now_s - self._checked_at_s >= CHECK_INTERVAL_S:
            self._checked_at_s = now_s
            await asyncio.to_thread(self._check)
        return self._current.of(api_key)

    def _check(self) -> None:
        """Run in a thread, to its end even if the lookup that began it is cancelled.

        While the disk hangs, one thread waits for it and later ones leave at once. The event loop
        sees `_current` before or after, never half.
        """
        if not self._reading.acquire(blocking=False):
            return
        try:
            self._reload()
        finally:
            self._reading.release()

    def _reload(self) -> None:
        # The version is taken before the content: an edit in between is read again next time.
        version = _version_of(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._current = _read(self._path)
        except SecretsError as error:
            logger.warning(
                "client secrets file is not usable; the last good version stays in force",
                extra={"problems": error.problems},
            )


def _version_of(path: Path) -> _Version | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return _Version(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def _read(path: Path) -> ClientSecrets:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors leave a byte order mark
    except OSError as error:
        raise SecretsError([f"the file cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        # `from None`: the error holds the content.
        raise SecretsError(["the file is not UTF-8"]) from None
    return parse_client_secrets(text)
