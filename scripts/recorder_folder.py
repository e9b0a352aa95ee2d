"""The folder of a local recorder as the argument of a command, or event files to record first."""

import argparse
from pathlib import Path


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Let a command take `folder` and `--output`."""
    parser.add_argument("folder", type=Path, help="of a local recorder, or with event files")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="with event files: where to record them"
    )


def check_folder(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """End the command with a sentence where it was told what cannot be."""
    if not given.folder.is_dir():
        parser.error(f"there is no folder {given.folder}")
    is_recorded = (given.folder / "table").is_dir()
    if is_recorded and given.output:
        parser.error(f"{given.folder} is a recorder's folder: it is written to itself, without -o")
    if not is_recorded and not given.output:
        parser.error(f"{given.folder} is no recorder's folder: say where to record, with -o DIR")
