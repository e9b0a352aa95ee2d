"""The way of the demo's events on AWS: queue, functions, table, lake and bus, all emulated.

The service publishes to SQS; a poller takes the messages to the handler of the recorder, as
Lambda's event source mapping does, and what the bus announces is exported.
"""

import json
from pathlib import Path

from scripts.demo_analytics import FOLDER, REPORT, NotRecordedError
from scripts.emulated_aws import BUS, LAKE, TABLE, EmulatedAws
from scripts.report import write_report
from service.analytics.aws import DynamoTable, EventBridgeBus, S3Lake
from service.analytics.exporter import export_call
from service.analytics.local import FileLake
from service.analytics.poller import QueuePoller
from service.analytics.recorder import Recorder, make_handler
from service.analytics.rows import ENDED, STARTED
from service.call_events_reading import from_json


class AwsAnalytics:
    """What happens to the events of a call that is published to the emulated AWS."""

    def __init__(self, aws: EmulatedAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._lake = S3Lake(aws.s3, LAKE)
        self._table = DynamoTable(aws.dynamodb, TABLE, self._lake)

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the service that send its events here."""
        return self._aws.environment | {
            "EVENTS_URL": f"sqs:{self._aws.events_url}",
            "SPOOL_DIR": str(self._folder / "spool"),
        }

    def events_of(self, session_id: str) -> Path | None:
        """Let the functions work, then write the call's events as the table has them to a file.

        Raises:
            NotRecordedError: a message could not be handled, or the call was not announced.
        """
        bus = EventBridgeBus(self._aws.events, BUS)
        handler = make_handler(Recorder(self._table, self._lake, bus))
        QueuePoller(self._aws.sqs, self._aws.events_url, handler).drain()
        if dead := self._aws.bodies(self._aws.dead_url):
            raise NotRecordedError(f"{len(dead)} events are on the dead-letter queue")
        rows = [row for row in self._table.rows(session_id) if row.body]
        if not rows:
            return None
        rows.sort(key=lambda row: (row.part == ENDED, row.part != STARTED, row.part))
        day = f"dt={from_json(rows[0].body).time:%Y-%m-%d}"
        path = self._folder / day / f"{session_id}.ndjson"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{row.body}\n" for row in rows), encoding="utf-8")
        return path

    def report(self, events: Path, recording: Path) -> Path:
        """Export what the bus announced, copy the lake, and write the report of it.

        Raises:
            NotRecordedError: nothing was announced.
            NoCallsError: the call has no end.
        """
        announced = [
            json.loads(body)["detail"] for body in self._aws.bodies(self._aws.completed_url)
        ]
        if not announced:
            raise NotRecordedError("the bus announced no call")
        for detail in announced:
            export_call(detail["session_id"], table=self._table, lake=self._lake)
        copy = FileLake(self._folder / FOLDER / "lake")
        for key, body in self._aws.lake():
            copy.put(key, body)
        return write_report(self._folder / FOLDER, self._folder / REPORT, recording=recording).path
