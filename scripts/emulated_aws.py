"""AWS on this machine: moto's server as a process of its own, with what the functions need.

A process of its own, so that it takes no time from the call that is played beside it. It ends
with whoever started it. Nothing leaves the machine, and no credentials of it are used.
Use: python -m scripts.emulated_aws   (prints its address; ends when its input does)
"""

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

REGION = "us-east-1"
TABLE, LAKE, BUS = "calls", "call-lake", "calls"
MAX_RECEIVES = 3
"""How often a message is tried before it goes to the dead-letter queue."""
START_DEADLINE_S = 30
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_DEFAULT_REGION": REGION,
}


class AwsFailed(Exception):
    """The emulated AWS did not start; the message says why."""


class EmulatedAws:
    """Clients of the emulated AWS, and the addresses of its queues.

    `events_url`: the queue of call events; `dead_url`: what could not be handled;
    `completed_url`: gets each `CallCompleted` of the bus.
    """

    def __init__(self, endpoint: str) -> None:
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=endpoint, config=Config(proxies={}))

        self.endpoint = endpoint
        self.dynamodb, self.s3 = client("dynamodb"), client("s3")
        self.events, self.sqs = client("events"), client("sqs")
        self._make_table()
        self.s3.create_bucket(Bucket=LAKE)
        self.dead_url = self._queue("call-events-dead")
        redrive = {
            "deadLetterTargetArn": self._arn(self.dead_url),
            "maxReceiveCount": str(MAX_RECEIVES),
        }
        self.events_url = self._queue(
            "call-events", VisibilityTimeout="0", RedrivePolicy=json.dumps(redrive)
        )
        self.completed_url = self._queue("calls-completed")
        self._make_bus()

    @property
    def environment(self) -> dict[str, str]:
        """What another process needs for its boto3 to come here."""
        return _CREDENTIALS | {"AWS_ENDPOINT_URL": self.endpoint, "NO_PROXY": "127.0.0.1"}

    def bodies(self, queue_url: str) -> list[str]:
        """Take up to ten messages from a queue."""
        answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def lake(self) -> Iterator[tuple[str, bytes]]:
        """Yield the documents of the lake by key."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=LAKE):
            for each in page.get("Contents", []):
                yield each["Key"], self.s3.get_object(Bucket=LAKE, Key=each["Key"])["Body"].read()

    def _make_table(self) -> None:
        names = ("pk", "sk", "day", "started_at", "conversation_id")
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            KeySchema=_keys("pk", "sk"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": name,
                    "KeySchema": _keys(key, "started_at"),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for name, key in (("day", "day"), ("conversation", "conversation_id"))
            ],
        )

    def _make_bus(self) -> None:
        self.events.create_event_bus(Name=BUS)
        pattern = json.dumps({"detail-type": ["CallCompleted"]})
        self.events.put_rule(Name="completed", EventBusName=BUS, EventPattern=pattern)
        target = {"Id": "queue", "Arn": self._arn(self.completed_url)}
        self.events.put_targets(Rule="completed", EventBusName=BUS, Targets=[target])

    def _queue(self, name: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _arn(self, queue_url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        arn: str = answer["Attributes"]["QueueArn"]
        return arn


@contextlib.contextmanager
def running_aws() -> Iterator[EmulatedAws]:
    """Start an empty AWS; end it afterwards.

    Raises:
        AwsFailed: it did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.emulated_aws"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield EmulatedAws(_address(process))
    finally:
        process.terminate()
        process.communicate(timeout=START_DEADLINE_S)


def _address(process: "subprocess.Popen[str]") -> str:
    output = process.stdout
    is_ready = output and select.select([output], [], [], START_DEADLINE_S)[0]
    line = output.readline() if output and is_ready else ""
    if not line.startswith("http"):
        raise AwsFailed("moto's server did not start: is the extra `test` installed?")
    return line.strip()


def _keys(partition: str, order: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": order, "KeyType": "RANGE"},
    ]


def main() -> None:
    """Serve until the input ends."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
