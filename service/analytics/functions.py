"""The Lambda functions' entry points: `recorder`, `sweeper`, `exporter`; alone it reads settings.

Environment: `TABLE_NAME`, `LAKE_BUCKET`, `BUS_NAME`, `RETENTION_DAYS` (365), and `CLAIM_BUCKET`,
where the data of large events lie (default: the lake's). boto3 reads its own, such as
`AWS_ENDPOINT_URL`. Clients are made once per process, with the first event.
"""

import functools
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

from service.analytics.aws import DynamoTable, EventBridgeBus, S3Claims, S3Client, S3Lake
from service.analytics.exporter import export_call
from service.analytics.recorder import BatchHandler, Recorder, make_handler
from service.analytics.sweeper import Sweeper


def recorder(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Record a batch of the queue of call events; returns what must stay on the queue."""
    return _recorder_handler()(event, context)


def sweeper(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Close the calls that must be over at the schedule's `time`; returns how many of each kind."""
    now = datetime.fromisoformat(event["time"]).astimezone(UTC)
    swept = Sweeper(_table(), _recorder()).sweep(now)
    return {"lost": swept.lost, "with_gaps": swept.with_gaps}


def exporter(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Export the call of a `CallCompleted` from the bus; returns the keys by format."""
    return export_call(event["detail"]["session_id"], table=_table(), lake=_lake())


@functools.cache
def _table() -> DynamoTable:
    return DynamoTable(boto3.client("dynamodb"), os.environ["TABLE_NAME"], _lake())


@functools.cache
def _lake() -> S3Lake:
    return S3Lake(_s3(), os.environ["LAKE_BUCKET"])


@functools.cache
def _s3() -> S3Client:
    client: S3Client = boto3.client("s3")
    return client


@functools.cache
def _recorder() -> Recorder:
    return Recorder(
        _table(),
        _lake(),
        EventBridgeBus(boto3.client("events"), os.environ["BUS_NAME"]),
        retention=timedelta(days=int(os.environ.get("RETENTION_DAYS", "365"))),
    )


@functools.cache
def _recorder_handler() -> BatchHandler:
    bucket = os.environ.get("CLAIM_BUCKET") or os.environ["LAKE_BUCKET"]
    return make_handler(_recorder(), S3Claims(_s3(), bucket))
