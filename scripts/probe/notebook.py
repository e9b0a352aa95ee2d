"""Observations as NDJSON: one line for each thing that was seen, grouped by visit.

A visit is one upgrade request and the session that may follow. Callers choose what they say, so
the length of a value, the lines of a visit and the number of visits are bounded.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FILE_NAME = "observations.ndjson"
MAX_TEXT = 200  # characters of any value
MAX_LINES = 2000  # of one visit: a 15-minute call has about 200 pings
ENDING_LINES = 50  # besides, for errors, and again for the messages that end a session
ENDINGS = frozenset({"audio", "probe_closed", "probe_gave_up", "socket_gone"})
MAX_VISITS = 500


class NotebookFullError(Exception):
    """No further visit is written down; start again with another folder."""


class Notebook:
    """Appends to `observations.ndjson` of a folder.

    Args:
        folder: Made when it is not there.
        now_s: A monotonic clock in seconds.
        started: ISO 8601 time of this run; part of every visit's name.
    """

    def __init__(self, folder: Path, *, now_s: Callable[[], float], started: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._now_s = now_s
        self._started = started
        self._visits = 0

    def visit(self, experiment: str) -> "VisitNotes":
        """Begin a visit; its clock starts now.

        Raises:
            NotebookFullError: There have been `MAX_VISITS`.
        """
        if self._visits >= MAX_VISITS:
            raise NotebookFullError
        self._visits += 1
        return VisitNotes(self._path, experiment, f"{self._started}/{self._visits}", self._now_s)


class VisitNotes:
    """Writes down what happens in one visit, at once."""

    def __init__(self, path: Path, experiment: str, name: str, now_s: Callable[[], float]) -> None:
        self._path = path
        self._head = {"visit": name, "experiment": experiment}
        self._now_s = now_s
        self._origin_s = now_s()
        self._lines = 0

    def at_s(self) -> float:
        """Seconds since the request came."""
        return self._now_s() - self._origin_s

    def note(self, what: str, **facts: object) -> None:
        """Append one line; beyond the bound only how it ends is written."""
        if self._lines >= _most(what, facts.get("type")):
            return
        self._lines += 1
        line = {**self._head, "at_s": round(self.at_s(), 3), "what": what}
        line |= {name: _bounded(value) for name, value in facts.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _most(what: str, kind: object) -> int:
    """How many lines a visit may have for another one to be written; each ending comes once."""
    if what in ENDINGS:
        return MAX_LINES + 2 * ENDING_LINES + len(ENDINGS)
    if kind in {"close", "disconnect"}:  # errors, which may be many, leave them room
        return MAX_LINES + 2 * ENDING_LINES
    return MAX_LINES + ENDING_LINES * (kind == "error")


@dataclass(slots=True)
class Visit:
    """What was written down in one visit, in order."""

    experiment: str
    lines: list[dict[str, object]] = field(default_factory=list)

    def all(self, what: str, **facts: object) -> list[dict[str, object]]:
        """The lines of this kind whose facts have these values."""
        return [
            line
            for line in self.lines
            if line["what"] == what and all(line.get(k) == v for k, v in facts.items())
        ]

    def times(self, what: str, **facts: object) -> list[float]:
        """When these happened, in seconds since the request."""
        return [float(str(line["at_s"])) for line in self.all(what, **facts)]


def read_visits(folder: Path) -> list[Visit]:
    """All visits of a folder, in the order of their first line.

    Raises:
        FileNotFoundError: The folder has no observations.
        ValueError: A line is no observation; the message says which.
    """
    visits: dict[str, Visit] = {}
    path = folder / FILE_NAME
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            visit = visits.setdefault(line["visit"], Visit(line["experiment"]))
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path}, line {number}: expected an observation of the field probe"
            raise ValueError(message) from error
        visit.lines.append(line)
    return list(visits.values())


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list | tuple):
        return [_bounded(item) for item in value[:20]]
    return value
