"""The Lambda functions' entry points; they alone read settings.

Environment: `TABLE_NAME`, `LAKE_BUCKET`, `BUS_NAME`, `RETENTION_DAYS` (365), `CLAIM_BUCKET`, where
the data of large events lie (default: the lake's); the enricher's `JUDGE` (`none`),
`JUDGE_BASE_URL`, `JUDGE_MODEL`, `JUDGE_API_KEY_SECRET`, `JUDGE_LANGUAGE` (`en`). boto3 reads its
own, such as `AWS_ENDPOINT_URL`. Clients are made once per process, with the first event.
"""

import functools
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from service.analytics.aws import DynamoTable, EventBridgeBus, S3Claims, S3Client, S3Lake
from service.analytics.enricher import Enricher
from service.analytics.exporter import export_call
from service.analytics.judge_aws import BedrockJudge, ComprehendJudge
from service.analytics.judge_openai import OPENAI, OpenAIJudge
from service.analytics.judging import Judge, JudgeSetupError
from service.analytics.recorder import BatchHandler, Recorder, make_handler
from service.analytics.sweeper import Sweeper

_PATIENCE = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1})
"""Of a judge on AWS: a whole answer may take a minute. The queue is what tries again."""


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


def enricher(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Judge the calls of `CallCompleted` messages; returns what must stay on the queue."""
    judge = _judge()
    processor = BatchProcessor(event_type=EventType.SQS)
    if judge is None:
        return {"batchItemFailures": []}

    def enrich(record: SQSRecord) -> None:
        session_id = json.loads(record.body)["detail"]["session_id"]
        wanted = Enricher(judge, table=_table(), lake=_lake(), bus=_bus(), retention=_retention())
        try:
            wanted.enrich(session_id)
        except JudgeSetupError:
            _judge.cache_clear()  # its key may be another one by now: the next try reads it again
            raise

    return process_partial_response(
        event=event, record_handler=enrich, processor=processor, context=context
    )


@functools.cache
def _judge() -> Judge | None:
    """Return who judges.

    Raises:
        ValueError: `JUDGE` is something else, or there is no `JUDGE_MODEL`.
    """
    kind, model = os.environ.get("JUDGE", "none"), os.environ.get("JUDGE_MODEL", "")
    if kind == "none":
        return None
    if kind == "comprehend":
        language = os.environ.get("JUDGE_LANGUAGE") or "en"
        return ComprehendJudge(boto3.client("comprehend", config=_PATIENCE), language)
    if kind not in {"openai", "bedrock"} or not model:
        raise ValueError("JUDGE must be none, comprehend, or openai or bedrock with a JUDGE_MODEL")
    if kind == "bedrock":
        return BedrockJudge(boto3.client("bedrock-runtime", config=_PATIENCE), model)
    address = os.environ.get("JUDGE_BASE_URL") or OPENAI
    return OpenAIJudge(address, _judge_key(), model)


def _judge_key() -> str:
    name = os.environ.get("JUDGE_API_KEY_SECRET")
    if not name:
        return ""
    text: str = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return str(json.loads(text)["OPENAI_API_KEY"])
    except (ValueError, KeyError):
        # Without what was raised, which holds the text.
        raise ValueError("expected a key, or JSON with the member OPENAI_API_KEY") from None


def _retention() -> timedelta:
    return timedelta(days=int(os.environ.get("RETENTION_DAYS", "365")))


@functools.cache
def _bus() -> EventBridgeBus:
    return EventBridgeBus(boto3.client("events"), os.environ["BUS_NAME"])


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
        _bus(),
        retention=_retention(),
    )


@functools.cache
def _recorder_handler() -> BatchHandler:
    bucket = os.environ.get("CLAIM_BUCKET") or os.environ["LAKE_BUCKET"]
    return make_handler(_recorder(), S3Claims(_s3(), bucket))
