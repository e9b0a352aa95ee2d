"""Says at the start when events would lie on a disk that goes away with the machine."""

import logging
from pathlib import Path
from typing import Literal

Platform = Literal["", "fly", "ecs"]
"""Where the service runs, as far as that is known."""
MOUNTS = Path("/proc/self/mountinfo")

_GOES_AWAY: dict[str, str] = {
    "fly": "a Machine's own disk is made anew when it starts: mount a volume, or use sqs:",
    "ecs": "a task's own disk goes with the task: mount an EFS volume, or use sqs:",
}
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay"})
_log = logging.getLogger(__name__)


def warn_of_passing_disk(platform: Platform, directory: Path, *, mounts: Path = MOUNTS) -> None:
    """Warn when what is written there is lost with the machine, on a platform that is known."""
    if platform not in _GOES_AWAY:
        return
    try:
        table = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        table = ""
    if not is_on_volume(directory.absolute(), table):
        _log.warning(
            "events that are written here do not outlive this machine: %s",
            _GOES_AWAY[platform],
            extra={"platform": platform, "directory": str(directory)},
        )


def is_on_volume(directory: Path, mounts: str) -> bool:
    """Return whether a directory lies on something that was mounted, and not in memory.

    Args:
        directory: absolute; it need not exist.
        mounts: the table of mounts as Linux gives it in `/proc/self/mountinfo`.
    """
    kinds = dict(filter(None, map(_mount, mounts.splitlines())))
    for folder in (directory, *directory.parents):
        if (kind := kinds.get(str(folder))) is not None:
            return str(folder) != "/" and kind not in _IN_MEMORY
    return False


def _mount(line: str) -> tuple[str, str] | None:
    """Return the folder and the file system of a line: fields 5 and, behind the dash, 1."""
    left, dash, right = line.partition(" - ")
    fields, kind = left.split(), right.split()
    if not dash or len(fields) < 5 or not kind:
        return None
    return fields[4].replace(r"\040", " "), kind[0]
