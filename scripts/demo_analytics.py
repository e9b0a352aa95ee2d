"""What becomes of the demo's call after its end: the recorder's documents, and the report of them.

The recorder is the function that runs on AWS; table, lake and bus are files of the demo's folder.
"""

from pathlib import Path
from typing import Protocol

from scripts.report import write_report
from service.analytics.local_calls import record_files

FOLDER = "analytics"
REPORT = "report.html"


class NotRecordedError(Exception):
    """The recorder refused an event of the service; the message says which and why."""


class Analytics(Protocol):
    """Where the demo's service publishes to, and what becomes of it after the call."""

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the service."""
        ...

    def events_of(self, session_id: str) -> Path | None:
        """Return the file of a call's events, once the service has ended; None: there are none.

        Raises:
            NotRecordedError: some could not be handled.
        """
        ...

    def report(self, events: Path, recording: Path) -> Path:
        """Record the call, and return the path of its report.

        Args:
            events: what `events_of` returned.
            recording: the sound of the call.

        Raises:
            NotRecordedError: an event does not fit the contract.
            NoCallsError: the call has no end.
        """
        ...


class LocalAnalytics:
    """Files alone: the documents go to `analytics` in the demo's folder, the report beside them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a service that writes its events into the folder."""
        return {"EVENTS_URL": f"file:{self._folder}"}

    def events_of(self, session_id: str) -> Path | None:
        """Return the file that the service wrote."""
        return next(self._folder.glob(f"dt=*/{session_id}.ndjson"), None)

    def report(self, events: Path, recording: Path) -> Path:
        """Record the file, and write the report of what was recorded."""
        recorded = record_files(events.parent, self._folder / FOLDER)
        if recorded.refused:
            raise NotRecordedError(f"the recorder refused {recorded.refused[0]}")
        return write_report(self._folder / FOLDER, self._folder / REPORT, recording=recording).path
