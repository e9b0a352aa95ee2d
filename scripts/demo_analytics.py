"""What becomes of the demo's call after its end: the recorder's documents, and the report of them.

The recorder is the function that runs on AWS; table, lake and bus are files of the demo's folder.
"""

from pathlib import Path

from scripts.report import write_report
from service.analytics.local_calls import record_files

FOLDER = "analytics"
REPORT = "report.html"


class NotRecordedError(Exception):
    """The recorder refused an event of the service; the message says which and why."""


def report_of(events: Path, folder: Path, recording: Path) -> Path:
    """Record the events of a call and write the report of what was recorded.

    Args:
        events: the event file of the call.
        folder: of the demo's run; the documents go to `analytics` in it, the report beside them.
        recording: the sound of the call.

    Returns:
        The path of the report.

    Raises:
        NotRecordedError: an event does not fit the contract.
        NoCallsError: the call has no end.
    """
    recorded = record_files(events.parent, folder / FOLDER)
    if recorded.refused:
        raise NotRecordedError(f"the recorder refused {recorded.refused[0]}")
    return write_report(folder / FOLDER, folder / REPORT, recording=recording).path
