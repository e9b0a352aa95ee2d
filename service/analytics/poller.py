"""Takes messages from a queue to a handler, as Lambda's event source mapping does.

For a laptop and for tests, where no function of AWS runs. It receives a batch, calls the handler
and deletes what succeeded. What failed stays and is seen again after the queue's visibility time,
until the queue's own redrive policy moves it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

MAX_BATCH = 10

Handler = Callable[[dict[str, Any], Any], Mapping[str, Any]]


class QueueClient(Protocol):
    """What we use of `boto3.client("sqs")`."""

    def receive_message(self, **request: Any) -> dict[str, Any]:
        """Receive up to ten messages."""
        ...

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        """Delete messages by their receipts."""
        ...


class QueuePoller:
    """Takes the messages of one queue to one handler, batch by batch."""

    def __init__(self, client: QueueClient, queue_url: str, handler: Handler) -> None:
        self._client = client
        self._queue_url = queue_url
        self._handler = handler

    def poll(self, *, wait_s: int = 0) -> int:
        """Handle one batch and return how many messages were received.

        Args:
            wait_s: how long to wait for a first message, up to 20 s.
        """
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=MAX_BATCH,
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        failed = self._handle(messages) if messages else set()
        done = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
            if message["MessageId"] not in failed
        ]
        if done:
            self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=done)
        return len(messages)

    def drain(self) -> int:
        """Handle batches until none is visible; return how many messages were received."""
        received = 0
        while count := self.poll():
            received += count
        return received

    def _handle(self, messages: list[dict[str, Any]]) -> set[str]:
        event = {"Records": [_record(message) for message in messages]}
        try:
            answer = self._handler(event, None)
        except Exception:
            # As Lambda does: a function that fails has handled nothing of its batch.
            return {message["MessageId"] for message in messages}
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": "",
        "awsRegion": "",
    }
