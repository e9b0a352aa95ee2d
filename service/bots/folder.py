"""The folder of the bots' files: what is in it, and how one state of it is told from another."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service.audio.clip_file import MAX_FILE_BYTES, SUFFIXES, ClipError, pcmu_of

MAX_BOT_BYTES = 262_144
"""Of one bot's file; a prompt of this size would cost more than the call."""
MAX_BOTS = 500
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.toml\Z")


@dataclass(frozen=True, slots=True)
class FileState:
    """Tells one state of a file from another, also when it was replaced within one tick."""

    mtime_ns: int
    ctime_ns: int  # permissions were repaired
    size_bytes: int
    inode: int


States = dict[str, FileState | None]
"""By name in the folder; None for a file that is not there."""


class BotFolder:
    """Reads bots' files and their clips. Blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def states(self, names: Iterable[str] = ()) -> States:
        """Return the state of each bot's file, and of those that have `names`."""
        return {name: _state_of(self._path / name) for name in {*self._names(), *names}}

    def read(self) -> tuple[dict[str, bytes], list[str]]:
        """Return the content of each bot's file by the bot's id, and what cannot be read."""
        contents: dict[str, bytes] = {}
        problems: list[str] = []
        names = self._names()
        if not names:
            problems.append("the bots' folder: expected files such as default.toml, got none")
        if len(names) > MAX_BOTS:
            problems.append(f"the bots' folder: expected at most {MAX_BOTS} bots")
        for name in names[:MAX_BOTS]:
            try:
                contents[name.removesuffix(".toml")] = _content_of(self._path / name)
            except _Unreadable as error:
                problems.append(f"{_shown(name)}: {error}")
        return contents, problems

    def read_clip(self, name: str) -> bytes:
        """Return the PCMU of a clip.

        Raises:
            ClipError: it is not in the folder, cannot be read, or cannot be played.
        """
        path = self._path / name
        if not name.lower().endswith(SUFFIXES):
            raise ClipError(f"a file that ends on {' or '.join(SUFFIXES)}", "another")
        if not self._is_inside(name):
            raise ClipError("a file inside the bots' folder", "one outside")
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ClipError("a file that can be read", error.strerror or "an error") from error
        if len(raw) > MAX_FILE_BYTES:
            raise ClipError("up to 60 seconds of sound", "more")
        return pcmu_of(raw, name)

    def _is_inside(self, name: str) -> bool:
        """True when the name, with all links followed, leads to a place below the folder."""
        if ".." in Path(name).parts:
            return False
        try:
            return (self._path / name).resolve().is_relative_to(self._path.resolve())
        except (OSError, RuntimeError, ValueError):  # a ring of links, a name with a zero byte
            return False

    def _names(self) -> list[str]:
        """Return the names of the bots' files; those that editors hide begin with a dot."""
        try:
            names = [entry.name for entry in self._path.iterdir()]
        except OSError:
            return []
        return sorted(name for name in names if name.endswith(".toml") and name[0] != ".")


class _Unreadable(Exception):
    """A bot's file cannot be taken; the message says what was expected."""


def _content_of(path: Path) -> bytes:
    if not _FILE_NAME.match(path.name):
        raise _Unreadable("expected a name of a-z, 0-9, _ and -, such as my_bot.toml")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BOT_BYTES + 1)
    except OSError as error:
        raise _Unreadable(f"expected a file that can be read, got {error.strerror}") from error
    if len(content) > MAX_BOT_BYTES:
        raise _Unreadable(f"expected at most {MAX_BOT_BYTES} bytes")
    return content


def _state_of(path: Path) -> FileState | None:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # a name with a zero byte
        return None
    return FileState(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def _shown(name: str) -> str:
    return name[:80].encode("ascii", "backslashreplace").decode()
