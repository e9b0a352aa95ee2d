"""Records the event files that the service writes with `EVENTS_URL=file:`, into a local folder."""

from pathlib import Path

import msgspec

from service.analytics.local import FileBus, FileLake, FileTable
from service.analytics.recorder import Recorder
from service.call_events_reading import NotAnEventError, from_json


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were recorded, and which lines were refused: `file:line: reason`."""

    events: int
    refused: tuple[str, ...]


def local_recorder(directory: Path) -> Recorder:
    """Return a recorder over `table`, `lake` and `completed.ndjson` of a folder."""
    return Recorder(
        FileTable(directory / "table"),
        FileLake(directory / "lake"),
        FileBus(directory / "completed.ndjson"),
    )


def record_files(events: Path, directory: Path) -> Recorded:
    """Record all `*.ndjson` files below a folder; what was recorded before changes nothing.

    A line that is no event (the last one of a killed service may be cut) is skipped and told.
    """
    recorder = local_recorder(directory)
    count, refused = 0, []
    for path in sorted(events.rglob("*.ndjson")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                recorder.record(from_json(line))
            except NotAnEventError as error:
                refused.append(f"{path.name}:{number}: {error}")
            else:
                count += 1
    return Recorded(events=count, refused=tuple(refused))
