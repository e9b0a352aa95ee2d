"""Exports calls as vCon 0.4 and in the shape of Contact Lens' files, from local files.

FOLDER is that of a local recorder; its calls are exported into its own `lake/exports`. Or it holds
event files (`EVENTS_URL=file:`), which are recorded into DIR first. `scripts.forget_call --local`
erases the exports with the call.
Use: python -m scripts.export_calls FOLDER [-o DIR] [--conversation ID]
Prints one JSON object. Exit code 1: nothing was exported.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from scripts.recorder_folder import add_folder, check_folder
from service.analytics.exporter import UnknownCallError, export_call
from service.analytics.local import FileLake, FileTable
from service.analytics.local_calls import record_files


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls were exported and where to; how many have no end yet; what was refused."""

    calls: int
    without_end: int
    refused: tuple[str, ...]
    folder: str


def export_calls(
    folder: Path, record_to: Path | None = None, *, conversation_id: str | None = None
) -> Exported:
    """Export the calls of a folder; doing it again replaces them.

    Args:
        folder: of a local recorder, where the exports go to `lake/exports`; or with event files.
        record_to: with event files, the folder of a recorder to make of them, and to export there.
        conversation_id: export the calls of this conversation only.
    """
    refused: tuple[str, ...] = ()
    if record_to:
        refused = record_files(folder, record_to).refused
        folder = record_to
    table, lake = FileTable(folder / "table"), FileLake(folder / "lake")
    rows = table.calls_of_conversation(conversation_id) if conversation_id else table.calls()
    done = 0
    for row in rows:
        try:
            export_call(row.session_id, table=table, lake=lake)
        except UnknownCallError:
            continue
        done += 1
    return Exported(
        calls=done,
        without_end=len(rows) - done,
        refused=refused,
        folder=str(folder / "lake" / "exports"),
    )


def main(arguments: list[str] | None = None) -> int:
    """Export and say what was exported."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export_calls",
        description="Exports local calls as vCon 0.4 and as Contact Lens would write them.",
    )
    add_folder(parser)
    parser.add_argument("--conversation", metavar="ID", help="only this Genesys conversation")
    given = parser.parse_args(arguments)
    check_folder(parser, given)
    exported = export_calls(given.folder, given.output, conversation_id=given.conversation)
    print(msgspec.json.encode(exported).decode())
    return 0 if exported.calls else 1


if __name__ == "__main__":
    sys.exit(main())
