"""Events on an Amazon SQS queue. boto3 blocks: the outbox gives it a thread of its own.

A standard queue is meant: consumers find duplicates by `id` and the order by `seq`. Everything of
an organisation is one message group there, so that none keeps the others waiting ("fair queues");
on a FIFO queue a call is a group. Source: events specification, 5; deployment facts, 4.1.
"""

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.aws_session import make_session
from service.claim_check import CLAIM_ABOVE, checked_in
from service.outbox.letter import Letter
from service.outbox.port import Answer, PublishError

TIMEOUTS = Config(
    connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}, tcp_keepalive=True
)
"""Trying again is the outbox' own business: it knows what else waits."""
OVERHEAD = 512
"""Bytes allowed for the attributes of a message, which count like its body."""
CLAIM_BYTES = 4_096
"""Bytes allowed for a message whose data lie in the bucket."""

_ABOUT_CONTENT = frozenset({
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "BatchRequestTooLong",
    "InvalidMessageContents",
    "InvalidParameterValue",
})  # fmt: skip
_WILL_PASS = re.compile("throttl|overlimit|kms|accessdenied", re.IGNORECASE)
"""SQS blames the sender for these, too; but time or an administrator mends them, and the event is
as good as any other."""
_REGION = re.compile(r"https?://(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.(?:queue\.)?amazonaws\.")
_GROUP = re.compile(r"[!-~]{1,128}")


class SqsClient(Protocol):
    """What we use of `boto3.client("sqs")`."""

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """Send up to ten messages."""
        ...


class S3Client(Protocol):
    """What we use of `boto3.client("s3")`."""

    def put_object(self, **request: Any) -> dict[str, Any]:
        """Write an object."""
        ...


class SqsPublisher:
    """Sends events to one queue, and the data of large ones to a bucket."""

    def __init__(
        self,
        client: SqsClient,
        queue_url: str,
        *,
        claim_bucket: str = "",
        make_s3: Callable[[], S3Client] | None = None,
    ) -> None:
        """`make_s3` is called with the first large event; without a bucket there is none."""
        self._client = client
        self._queue_url = queue_url
        self._is_fifo = queue_url.endswith(".fifo")
        self._claim_bucket = claim_bucket
        self._s3 = functools.cache(make_s3) if claim_bucket and make_s3 else None

    def size_of(self, letter: Letter) -> int:
        """Return the bytes of the message, its attributes included."""
        return CLAIM_BYTES if self._is_claimed(letter) else len(letter.body) + OVERHEAD

    def publish(self, letters: list[Letter]) -> list[Answer]:
        """Send a batch.

        Raises:
            PublishError: nothing of it was taken.
        """
        # An entry that is in none of the lists of the answer was not taken either.
        answers = [Answer("again", "unanswered")] * len(letters)
        entries = []
        for number, letter in enumerate(letters):
            try:
                entries.append(self._entry(str(number), letter))
            except (ClientError, BotoCoreError) as error:  # of the bucket: the others can go
                answers[number] = Answer("again", f"claim: {_code(error)}")
        if not entries:
            return answers
        answer = self._send(entries)
        for each in answer.get("Successful", []):
            answers[int(each["Id"])] = Answer("taken")
        for each in answer.get("Failed", []):
            answers[int(each["Id"])] = _failure(each)
        return answers

    def _send(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        try:
            return self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            code = _code(error)
            raise PublishError(code, is_about_content=code in _ABOUT_CONTENT) from error

    def _is_claimed(self, letter: Letter) -> bool:
        return self._s3 is not None and len(letter.body) > CLAIM_ABOVE

    def _body(self, letter: Letter) -> bytes:
        if self._s3 is None or not self._is_claimed(letter):
            return letter.body
        parts = checked_in(letter.body, self._claim_bucket)
        self._s3().put_object(
            Bucket=self._claim_bucket,
            Key=parts.key,
            Body=parts.data,
            ContentType="application/json",
        )
        return parts.message

    def _entry(self, number: str, letter: Letter) -> dict[str, Any]:
        entry = {
            "Id": number,
            "MessageBody": _text(self._body(letter)),
            "MessageAttributes": _attributes(letter),
            "MessageGroupId": _group(letter.call if self._is_fifo else letter.organization),
        }
        if self._is_fifo:
            digest = hashlib.sha256(letter.event_id.encode()).hexdigest()
            entry["MessageDeduplicationId"] = digest
        return entry


def make_publisher(queue_url: str, claim_bucket: str = "", role_arn: str = "") -> SqsPublisher:
    """Return the publisher of a queue, with boto3's own credentials and settings.

    Args:
        queue_url: of the queue.
        claim_bucket: for events that are too large for it; none when empty.
        role_arn: the role that we take on a Fly Machine; see `service.aws_session`.

    Raises:
        BotoCoreError: boto3 has no region, and the address names none.
    """
    session = make_session(region_of(queue_url) or "", role_arn)
    return SqsPublisher(
        session.client("sqs", config=TIMEOUTS),
        queue_url,
        claim_bucket=claim_bucket,
        make_s3=lambda: session.client("s3", config=TIMEOUTS),
    )


def region_of(queue_url: str) -> str | None:
    """Return the region that the address of a queue names; None: boto3 has to know it."""
    found = _REGION.match(queue_url)
    return found[1] if found else None


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def _failure(failed: dict[str, Any]) -> Answer:
    code = str(failed.get("Code", "unknown"))
    is_for_good = failed.get("SenderFault", False) and not _WILL_PASS.search(code)
    return Answer("refused" if is_for_good else "again", code)


def _text(body: bytes) -> str:
    # The two characters that JSON takes as they are and SQS does not.
    return body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _attributes(letter: Letter) -> dict[str, dict[str, str]]:
    values = {
        "type": letter.type,
        "org": letter.organization,
        "language": letter.language,
        "disposition": letter.disposition,
    }
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in values.items()
        if value and value.isprintable() and len(value) <= 64
    }


def _group(name: str) -> str:
    if _GROUP.fullmatch(name):
        return name
    return hashlib.sha256(name.encode()).hexdigest()
