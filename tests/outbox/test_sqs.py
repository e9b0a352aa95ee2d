import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from service.call_events import CallEvent, to_json
from service.call_events_reading import from_json
from service.claim_check import CLAIM_ABOVE, claim_of, redeemed
from service.outbox.letter import Letter, letter_of
from service.outbox.port import Answer, PublishError
from service.outbox.schedule import MAX_BYTES
from service.outbox.sqs import OVERHEAD, SqsPublisher, make_publisher, region_of
from tests.analytics.cloud import Cloud, cloud
from tests.contracts.event_examples import ENDED, EXAMPLES, ORGANIZATION, SESSION, STARTED, TURN


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud(monkeypatch) as made:
        yield made


def letters(*events: CallEvent) -> list[Letter]:
    return [letter_of(to_json(event)) for event in events]


def received(aws: Cloud, url: str) -> list[dict[str, Any]]:
    answer = aws.sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


class Client:
    """A client that answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.entries: list[dict[str, Any]] = []

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        self.entries = request["Entries"]
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "SendMessageBatch")


# On a queue.


def test_message_is_the_event_with_what_it_is_filtered_by(aws: Cloud):
    answers = make_publisher(aws.queue_url).publish(letters(*EXAMPLES.values()))

    messages = received(aws, aws.queue_url)
    assert answers == [Answer("taken")] * 3
    assert [from_json(each["Body"]) for each in messages] == list(EXAMPLES.values())
    attributes = [
        {name: value["StringValue"] for name, value in each["MessageAttributes"].items()}
        for each in messages
    ]
    assert attributes == [
        {"type": "call.started.v1", "org": ORGANIZATION, "language": "en-US"},
        {"type": "call.turn.v1", "org": ORGANIZATION},
        {"type": "call.ended.v1", "org": ORGANIZATION, "disposition": "escalated"},
    ]


def test_size_of_a_letter_is_at_least_that_of_its_message():
    client = Client({"Successful": []})
    publisher = SqsPublisher(client, "url")
    (letter,) = letters(ENDED)

    publisher.publish([letter])

    (entry,) = client.entries
    attributes = entry["MessageAttributes"]
    size = len(entry["MessageBody"]) + sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"])
        for name, value in attributes.items()
    )
    assert size <= publisher.size_of(letter) < MAX_BYTES


def test_fifo_queue_gets_calls_as_groups(aws: Cloud):
    url = aws.sqs.create_queue(QueueName="calls.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    publisher = make_publisher(url)

    publisher.publish(letters(STARTED, TURN))
    publisher.publish(letters(TURN))  # again, as after an answer that was lost

    groups = [each["Attributes"]["MessageGroupId"] for each in received(aws, url)]
    assert groups == [SESSION, SESSION]


def test_queue_that_is_gone_fails_as_a_whole(aws: Cloud):
    aws.sqs.delete_queue(QueueUrl=aws.queue_url)

    with pytest.raises(PublishError) as caught:
        make_publisher(aws.queue_url).publish(letters(TURN))

    assert "NonExistentQueue" in caught.value.code
    assert not caught.value.is_about_content


def test_characters_that_json_takes_and_sqs_does_not_arrive(aws: Cloud):
    assert isinstance(TURN.data, msgspec.Struct)
    words = "\x00 \x1f \x7f \ufffe \uffff \U0001f600 \u4f60 \\ufffe"
    event = msgspec.structs.replace(TURN, data=msgspec.structs.replace(TURN.data, text=words))

    (answer,) = make_publisher(aws.queue_url).publish(letters(event))

    (message,) = received(aws, aws.queue_url)
    assert answer == Answer("taken")
    assert json.loads(message["Body"])["data"]["text"] == words
    assert not any("\ufffe" <= character <= "\uffff" for character in message["Body"])


# What it says of failures.


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ({"Code": "InternalError", "SenderFault": False}, Answer("again", "InternalError")),
        ({"Code": "KMS.ThrottlingException", "SenderFault": True},
         Answer("again", "KMS.ThrottlingException")),
        ({"Code": "InvalidMessageContents", "SenderFault": True},
         Answer("refused", "InvalidMessageContents")),
        ({"Code": "KmsAccessDenied", "SenderFault": True}, Answer("again", "KmsAccessDenied")),
        ({}, Answer("again", "unknown")),
    ],
)  # fmt: skip
def test_entries_fail_one_by_one(failed: dict[str, Any], expected: Answer):
    client = Client({"Successful": [{"Id": "0"}], "Failed": [{"Id": "2", **failed}]})

    answers = SqsPublisher(client, "url").publish(letters(STARTED, TURN, ENDED))

    assert answers == [Answer("taken"), Answer("again", "unanswered"), expected]


@pytest.mark.parametrize(
    ("error", "code", "is_about_content"),
    [
        (refusal("AccessDenied"), "AccessDenied", False),
        (refusal("RequestThrottled"), "RequestThrottled", False),
        (refusal("InvalidMessageContents"), "InvalidMessageContents", True),
        (refusal("AWS.SimpleQueueService.BatchRequestTooLong"),
         "AWS.SimpleQueueService.BatchRequestTooLong", True),
        (EndpointConnectionError(endpoint_url="http://x"), "EndpointConnectionError", False),
    ],
)  # fmt: skip
def test_whole_requests_fail_by_whose_fault_it_is(
    error: Exception, code: str, is_about_content: bool
):
    with pytest.raises(PublishError) as caught:
        SqsPublisher(Client(error), "url").publish(letters(TURN))

    assert (caught.value.code, caught.value.is_about_content) == (code, is_about_content)
    assert "words" not in str(caught.value)


@pytest.mark.parametrize("organization", ["", "two words", "\u4f60", "x" * 200])
def test_odd_organisation_is_a_group_all_the_same(organization: str):
    client = Client({"Successful": [{"Id": "0"}]})
    event = msgspec.structs.replace(TURN, orgid=organization)

    SqsPublisher(client, "url").publish(letters(event))

    assert len(client.entries[0]["MessageGroupId"]) == 64


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/calls", "eu-central-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/calls", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/calls", "cn-north-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/calls", "eu-west-1"),
        ("http://127.0.0.1:5000/123456789012/calls", None),
    ],
)
def test_region_is_that_of_the_address(url: str, region: str | None):
    assert region_of(url) == region


# Events that are too large for a message.


class Bucket:
    """Objects by key; fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.objects: dict[str, bytes] = {}
        self._errors = list(errors)

    def put_object(self, **request: Any) -> dict[str, Any]:
        if self._errors:
            raise self._errors.pop()
        self.objects[request["Key"]] = request["Body"]
        return {}


def large() -> CallEvent:
    data = msgspec.structs.replace(TURN.data, text="x" * CLAIM_ABOVE)
    return msgspec.structs.replace(TURN, data=data)


def claiming(client: Client, bucket: Bucket) -> SqsPublisher:
    return SqsPublisher(client, "url", claim_bucket="lake", make_s3=lambda: bucket)


def test_data_of_a_large_event_go_to_the_bucket_and_the_message_stays_small():
    client, bucket = Client({"Successful": [{"Id": "0"}, {"Id": "1"}]}), Bucket()
    publisher = claiming(client, bucket)
    small, big = letters(STARTED, large())

    answers = publisher.publish([small, big])

    bodies = [entry["MessageBody"] for entry in client.entries]
    claim = claim_of(bodies[1])
    assert claim
    assert answers == [Answer("taken")] * 2
    assert from_json(bodies[0]) == STARTED
    assert from_json(redeemed(bodies[1], claim, bucket.objects[claim.key])) == large()
    assert len(bodies[1]) + OVERHEAD <= publisher.size_of(big) < 10_000


def test_bucket_that_fails_holds_up_the_large_event_alone():
    client = Client({"Successful": [{"Id": "0"}]})
    publisher = claiming(client, Bucket(refusal("SlowDown")))

    answers = publisher.publish(letters(STARTED, large()))

    assert answers == [Answer("taken"), Answer("again", "claim: SlowDown")]
    assert len(client.entries) == 1
    assert publisher.publish(letters(large())) == [Answer("taken")]


def test_batch_of_which_nothing_is_ready_is_not_sent():
    client = Client(AssertionError("nothing is to be sent"))
    publisher = claiming(client, Bucket(EndpointConnectionError(endpoint_url="http://x")))

    answers = publisher.publish(letters(large()))

    assert answers == [Answer("again", "claim: EndpointConnectionError")]


def test_without_a_bucket_the_queue_is_asked_with_the_whole_event():
    client = Client({"Successful": [{"Id": "0"}]})
    publisher = SqsPublisher(client, "url")
    (big,) = letters(large())

    assert publisher.publish([big]) == [Answer("taken")]
    assert publisher.size_of(big) > CLAIM_ABOVE
    assert len(client.entries[0]["MessageBody"]) == len(big.body)
