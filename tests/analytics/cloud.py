"""The AWS of the functions inside this process: table, bucket, bus and queues in moto."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

REGION = "us-east-1"


class Cloud:
    """Clients and names; `seen` is a queue that gets what is put on the bus."""

    def __init__(self) -> None:
        self.dynamodb: Any = boto3.client("dynamodb", region_name=REGION)
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.events: Any = boto3.client("events", region_name=REGION)
        self.sqs: Any = boto3.client("sqs", region_name=REGION)
        self._make_table()
        self.s3.create_bucket(Bucket="lake")
        self.s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
        self.dead_url = self._queue("dead")
        redrive = {"deadLetterTargetArn": self._arn(self.dead_url), "maxReceiveCount": "2"}
        self.queue_url = self._queue(
            "events", VisibilityTimeout="0", RedrivePolicy=json.dumps(redrive)
        )
        self.seen_url = self._queue("seen")
        self.events.create_event_bus(Name="calls")
        self.events.put_rule(
            Name="all",
            EventBusName="calls",
            EventPattern=json.dumps({"detail-type": ["CallCompleted"]}),
        )
        self.events.put_targets(
            Rule="all",
            EventBusName="calls",
            Targets=[{"Id": "seen", "Arn": self._arn(self.seen_url)}],
        )

    def bodies(self, queue_url: str) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def lake(self) -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket="lake").get("Contents", [])
        return {
            each["Key"]: self.s3.get_object(Bucket="lake", Key=each["Key"])["Body"].read()
            for each in listed
        }

    def _make_table(self) -> None:
        names = ("pk", "sk", "day", "started_at", "conversation_id")
        self.dynamodb.create_table(
            TableName="calls",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            KeySchema=keys("pk", "sk"),
            GlobalSecondaryIndexes=[
                index("day", "day"),
                index("conversation", "conversation_id"),
            ],
        )

    def _queue(self, name: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _arn(self, queue_url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        arn: str = answer["Attributes"]["QueueArn"]
        return arn


def keys(partition: str, order: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": order, "KeyType": "RANGE"},
    ]


def index(name: str, partition: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": keys(partition, "started_at"),
        "Projection": {"ProjectionType": "ALL"},
    }


@contextmanager
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty cloud; nothing leaves this process, and no credentials of the machine are used."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield Cloud()
