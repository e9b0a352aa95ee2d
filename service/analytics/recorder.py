"""The recorder: call events from the queue into the table, the lake and onto the bus.

Events may come in any order, more than once, and beside each other in several functions. The rule:
keep the event, then look whether the call is complete, then write what it amounts to. A function
that dies between two of its writes leaves the event on the queue, and doing it all again changes
nothing that was right. Receivers of `CallCompleted` may see the same one twice.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from service.analytics.documents import Documents, documents_of
from service.analytics.port import Bus, CallTable, Claims, Lake, Row
from service.analytics.rows import (
    ENDED,
    PUBLISHED,
    RecordedCall,
    call_of,
    published_row,
    rows_of,
    state_row,
)
from service.call_events import CallEndedData, CallEvent
from service.call_events_reading import from_json
from service.claim_check import ClaimError, claim_of, redeemed

RETENTION = timedelta(days=365)
"""How long the table keeps a call when nothing else is said."""

BatchHandler = Callable[[dict[str, Any], Any], PartialItemFailureResponse]


class Recorder:
    """Keeps events, and completes a call when the last of them is there, whichever that is."""

    def __init__(
        self, table: CallTable, lake: Lake, bus: Bus, *, retention: timedelta = RETENTION
    ) -> None:
        self._table = table
        self._lake = lake
        self._bus = bus
        self._retention = retention

    def record(self, event: CallEvent) -> None:
        """Keep the event; once its call has ended and no turn is missing, publish the call."""
        for row in rows_of(event, retention=self._retention):
            self._table.add(row)
        # Two functions that bring the last two events cannot both miss the other's: each has
        # written its own before it reads.
        is_end = isinstance(event.data, CallEndedData)
        if is_end or self._table.has(event.sessionid, ENDED):
            self.publish(event.sessionid)

    def publish(self, session_id: str, *, with_gaps: bool = False) -> bool:
        """Write the call's documents and announce them, if they were not announced as they are.

        Args:
            session_id: the call.
            with_gaps: also when turns are missing; they are no longer expected to come.

        Returns:
            Whether the call has ended and its documents are written.
        """
        rows = self._table.rows(session_id)
        call = call_of(rows)
        # What was published with gaps follows each turn that still comes.
        with_gaps = with_gaps or any(row.part.startswith(PUBLISHED) for row in rows)
        while (documents := documents_of(call)) and (with_gaps or call.has_all_turns):
            for key, body in documents.by_key.items():
                self._lake.put(key, body)
            # Another function may have read less, and written later, or the other way round.
            # Whoever writes last looks again after it, so that the newest stays.
            rows = self._table.rows(session_id)
            if (seen := call_of(rows)) == call:
                self._announce(call, documents, rows)
                return True
            call = seen
        return False

    def _announce(self, call: RecordedCall, documents: Documents, rows: list[Row]) -> None:
        ended = call.ended
        if ended is None or not isinstance(ended.data, CallEndedData):
            return
        mark = published_row(ended, documents.digest, retention=self._retention)
        if mark.part not in {row.part for row in rows}:
            self._bus.call_completed(documents.detail)
            self._table.add(mark)
        started_at = ended.data.started_at
        self._table.add(
            state_row(ended, "published", started_at=started_at, retention=self._retention)
        )


def make_handler(recorder: Recorder, claims: Claims | None = None) -> BatchHandler:
    """Return the Lambda handler of an SQS queue of call events.

    `claims` has the data of events that were too large for the queue.

    Records that could not be recorded are reported one by one and stay on the queue; when none of
    a batch could, the function fails (`BatchProcessingError`), which SQS treats the same.
    """
    processor = BatchProcessor(event_type=EventType.SQS)

    def record_one(record: SQSRecord) -> None:
        recorder.record(from_json(_whole(record.body, claims)))

    def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
        return process_partial_response(
            event=event, record_handler=record_one, processor=processor, context=context
        )

    return handler


def _whole(message: str, claims: Claims | None) -> str | bytes:
    claim = claim_of(message)
    if claim is None:
        return message
    if claims is None:
        raise ClaimError("the message names data in a bucket, and there is none")
    return redeemed(message, claim, claims.fetch(claim.bucket, claim.key))
