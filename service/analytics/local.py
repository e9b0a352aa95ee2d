"""Table, lake and bus as files of one folder: the analytics functions without an account.

For one process at a time. What is there stays right when it is killed: a file is whole or absent.
"""

from pathlib import Path
from urllib.parse import quote

import msgspec

from service.analytics.port import Row
from service.analytics.rows import META

_rows = msgspec.json.Decoder(Row)


class FileTable:
    """Rows as `DIR/<session>/<part>.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, row: Row) -> bool:
        """Keep the row, unless one of no lower precedence is there."""
        path = self._folder(row.session_id) / f"{_name(row.part)}.json"
        if path.exists() and _read(path).precedence >= row.precedence:
            return False
        _write(path, msgspec.json.encode(row))
        return True

    def has(self, session_id: str, part: str) -> bool:
        """Return whether the row is there."""
        return (self._folder(session_id) / f"{_name(part)}.json").exists()

    def rows(self, session_id: str) -> list[Row]:
        """Return all rows of a call in the order of their parts."""
        rows = [_read(path) for path in self._folder(session_id).glob("*.json")]
        return sorted(rows, key=lambda row: row.part)

    def calls(self) -> list[Row]:
        """Return the indexed rows of all calls, earliest call first."""
        rows = [_read(path) for path in self._directory.glob(f"*/{META}.json")]
        return sorted(
            rows, key=lambda row: (row.index.started_at if row.index else "", row.session_id)
        )

    def calls_of_day(self, day: str) -> list[Row]:
        """Return the indexed rows of a day, earliest call first."""
        return [row for row in self.calls() if row.index and row.index.day == day]

    def calls_of_conversation(self, conversation_id: str) -> list[Row]:
        """Return the indexed rows of a conversation."""
        return [
            row
            for row in self.calls()
            if row.index and row.index.conversation_id == conversation_id
        ]

    def erase(self, session_id: str) -> int:
        """Remove all rows of a call and return how many there were."""
        paths = list(self._folder(session_id).glob("*.json"))
        for path in paths:
            path.unlink()
        return len(paths)

    def _folder(self, session_id: str) -> Path:
        return self._directory / _name(session_id)


class FileLake:
    """Documents as `DIR/<key>`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, key: str, body: bytes) -> None:
        """Write a document in one step."""
        _write(self._directory / key, body)

    def erase(self, key: str) -> bool:
        """Remove a document and return whether there was one."""
        path = self._directory / key
        is_there = path.exists()
        path.unlink(missing_ok=True)
        return is_there


class FileBus:
    """`CallCompleted` as lines of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call_completed(self, detail: bytes) -> None:
        """Append the detail."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(detail + b"\n")

    def call_analyzed(self, event: bytes) -> None:
        """Append the event to `analyzed.ndjson` beside that file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name("analyzed.ndjson").open("ab") as file:
            file.write(event + b"\n")


def _name(text: str) -> str:
    """Return a file name that is this text's alone, whatever it is made of."""
    return quote(text, safe="").replace(".", "%2E") or "%"


def _read(path: Path) -> Row:
    return _rows.decode(path.read_bytes())


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(body)
    partial.replace(path)
