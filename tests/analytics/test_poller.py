from typing import Any

from service.analytics.poller import QueuePoller


class Queue:
    """Messages by id, of which ten are seen at a time until they are deleted."""

    def __init__(self, messages: int) -> None:
        self.waiting = {str(number): f"body {number}" for number in range(messages)}

    def receive_message(self, **request: Any) -> dict[str, Any]:
        ids = list(self.waiting)[: request["MaxNumberOfMessages"]]
        if not ids:
            return {}
        return {
            "Messages": [
                {"MessageId": each, "ReceiptHandle": each, "Body": self.waiting[each]}
                for each in ids
            ]
        }

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        for entry in request["Entries"]:
            del self.waiting[entry["ReceiptHandle"]]
        return {}


def test_what_succeeded_is_deleted_and_what_failed_stays():
    queue = Queue(3)

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failed = [each["messageId"] for each in event["Records"] if each["body"] == "body 1"]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    assert QueuePoller(queue, "url", handler).poll() == 3
    assert list(queue.waiting) == ["1"]


def test_function_that_fails_has_handled_nothing():
    queue = Queue(3)

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise RuntimeError

    assert QueuePoller(queue, "url", handler).poll() == 3
    assert len(queue.waiting) == 3


def test_queue_is_drained_ten_at_a_time_and_an_empty_one_calls_nobody():
    queue, sizes = Queue(23), []

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        sizes.append(len(event["Records"]))
        return {"batchItemFailures": []}

    assert QueuePoller(queue, "url", handler).drain() == 23
    assert (sizes, queue.waiting) == ([10, 10, 3], {})
