"""Table, lake and bus on AWS: DynamoDB, S3, EventBridge. The clients are given, and boto3's.

Keys of the table: `pk` = `CALL#<session>`, `sk` = the part. Two sparse indexes, which hold the one
indexed row of each call: `day` (`day`, `started_at`) and `conversation` (`conversation_id`,
`started_at`). TTL attribute: `expires`. An item has at most 400 kB: the body of a larger row lies
in the lake, under `oversize/rows/`, and the item says where (`body_key`).
"""

from collections.abc import Iterator
from typing import Any, Protocol

from botocore.exceptions import ClientError

from service.analytics.port import IndexEntry, Row
from service.claim_check import key_of

EVENT_SOURCE = "audioconnector-bridge"
DETAIL_TYPE = "CallCompleted"
ANALYZED = "CallAnalyzed"

MAX_BODY = 350_000
"""Bytes of a row's body inside its item. DynamoDB takes 400 kB with all names and values."""

Item = dict[str, dict[str, str]]


class DynamoClient(Protocol):
    """What we use of `boto3.client("dynamodb")`."""

    def put_item(self, **request: Any) -> dict[str, Any]:
        """Write an item."""
        ...

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Read an item."""
        ...

    def query(self, **request: Any) -> dict[str, Any]:
        """Read a page of the items of one key."""
        ...

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """Remove an item."""
        ...


class S3Client(Protocol):
    """What we use of `boto3.client("s3")`."""

    def put_object(self, **request: Any) -> dict[str, Any]:
        """Write an object."""
        ...

    def get_object(self, **request: Any) -> dict[str, Any]:
        """Read an object."""
        ...

    def list_object_versions(self, **request: Any) -> dict[str, Any]:
        """Read a page of the versions of the objects below a prefix."""
        ...

    def delete_object(self, **request: Any) -> dict[str, Any]:
        """Remove a version of an object."""
        ...


class EventsClient(Protocol):
    """What we use of `boto3.client("events")`."""

    def put_events(self, **request: Any) -> dict[str, Any]:
        """Publish events."""
        ...


class BusRefusedError(Exception):
    """EventBridge took the request and not the event; the message is its error code."""


class ClaimRefusedError(Exception):
    """A message names a bucket that is not the one of the events' data."""


class DynamoTable:
    """Rows as items of one table. Raises botocore's errors as they are."""

    def __init__(self, client: DynamoClient, name: str, lake: "S3Lake") -> None:
        """`lake` takes the bodies that are too large for an item."""
        self._client = client
        self._name = name
        self._lake = lake

    def add(self, row: Row) -> bool:
        """Keep the row, unless one of no lower precedence is there: one conditional write."""
        item = _item(row)
        if len(row.body.encode()) > MAX_BODY:
            # Before the item that names it. Two events of one part never share an object: their
            # precedence differs, or they are the same event.
            key = _body_key(row.session_id, row.part, row.precedence)
            self._lake.put(key, row.body.encode())
            item |= {"body": {"S": ""}, "body_key": {"S": key}}
        try:
            self._client.put_item(
                TableName=self._name,
                Item=item,
                ConditionExpression="attribute_not_exists(pk) OR precedence < :precedence",
                ExpressionAttributeValues={":precedence": {"N": str(row.precedence)}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def has(self, session_id: str, part: str) -> bool:
        """Return whether the row is there; a consistent read."""
        answer = self._client.get_item(
            TableName=self._name,
            Key=_key(session_id, part),
            ConsistentRead=True,
            ProjectionExpression="pk",
        )
        return "Item" in answer

    def rows(self, session_id: str) -> list[Row]:
        """Return all rows of a call in the order of their parts; consistent reads."""
        return list(self._query("pk", f"CALL#{session_id}", ConsistentRead=True))

    def calls_of_day(self, day: str) -> list[Row]:
        """Return the indexed rows of a day, earliest call first."""
        return list(self._query("day", day, IndexName="day"))

    def calls_of_conversation(self, conversation_id: str) -> list[Row]:
        """Return the indexed rows of a conversation, earliest call first."""
        return list(self._query("conversation_id", conversation_id, IndexName="conversation"))

    def erase(self, session_id: str) -> int:
        """Remove all rows of a call and return how many there were."""
        items = list(self._items("pk", f"CALL#{session_id}", ConsistentRead=True))
        for item in items:
            if "body_key" in item:
                self._lake.erase(item["body_key"]["S"])
            key = {"pk": item["pk"], "sk": item["sk"]}
            self._client.delete_item(TableName=self._name, Key=key)
        return len(items)

    def _query(self, key: str, value: str, **how: Any) -> Iterator[Row]:
        for item in self._items(key, value, **how):
            if "body_key" in item:
                body = self._lake.get(item["body_key"]["S"]).decode()
                yield _row(item | {"body": {"S": body}})
            else:
                yield _row(item)

    def _items(self, key: str, value: str, **how: Any) -> Iterator[Item]:
        request = how | {
            "TableName": self._name,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": key},
            "ExpressionAttributeValues": {":value": {"S": value}},
        }
        while True:
            page = self._client.query(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class S3Lake:
    """Documents as objects of one bucket. Raises botocore's errors as they are."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        """Write a document; S3 shows the old or the new one, never a part."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        """Return a document."""
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body

    def erase(self, key: str) -> bool:
        """Remove every version of a document and return whether there was one."""
        page = self._client.list_object_versions(Bucket=self._bucket, Prefix=key)
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        versions = [each["VersionId"] for each in found if each["Key"] == key]
        for version in versions:
            self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        return bool(versions)


class S3Claims:
    """The data of large events, in one bucket. Raises botocore's errors as they are."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._lake = S3Lake(client, bucket)
        self._bucket = bucket

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return the data.

        Raises:
            ClaimRefusedError: they are said to lie in another bucket.
        """
        if bucket != self._bucket:
            raise ClaimRefusedError(f"expected data in {self._bucket}, got {bucket[:63]}")
        return self._lake.get(key)


class EventBridgeBus:
    """`CallCompleted` on an EventBridge bus."""

    def __init__(self, client: EventsClient, name: str) -> None:
        self._client = client
        self._name = name

    def call_completed(self, detail: bytes) -> None:
        """Publish the detail.

        Raises:
            BusRefusedError: EventBridge did not take it; the record stays on the queue.
        """
        self._put(DETAIL_TYPE, detail)

    def call_analyzed(self, event: bytes) -> None:
        """Publish a `call.analysis.v1` as the detail of `CallAnalyzed`.

        Raises:
            BusRefusedError: As `call_completed`.
        """
        self._put(ANALYZED, event)

    def _put(self, detail_type: str, detail: bytes) -> None:
        entry = {
            "EventBusName": self._name,
            "Source": EVENT_SOURCE,
            "DetailType": detail_type,
            "Detail": detail.decode(),
        }
        answer = self._client.put_events(Entries=[entry])
        # Refused entries are no error of the request: they must be looked for.
        if answer["FailedEntryCount"]:
            raise BusRefusedError(answer["Entries"][0].get("ErrorCode", "unknown"))


def _body_key(session_id: str, part: str, precedence: int) -> str:
    return key_of(f"rows/{session_id}/{part}/{precedence}")


def _key(session_id: str, part: str) -> Item:
    return {"pk": {"S": f"CALL#{session_id}"}, "sk": {"S": part}}


def _item(row: Row) -> Item:
    item = _key(row.session_id, row.part) | {
        "precedence": {"N": str(row.precedence)},
        "body": {"S": row.body},
        "expires": {"N": str(row.expires_at)},
    }
    if row.index:
        item |= {
            "day": {"S": row.index.day},
            "started_at": {"S": row.index.started_at},
            "conversation_id": {"S": row.index.conversation_id},
            "state": {"S": row.index.state},
        }
    return item


def _row(item: Item) -> Row:
    index = None
    if "day" in item:
        index = IndexEntry(
            day=item["day"]["S"],
            started_at=item["started_at"]["S"],
            conversation_id=item["conversation_id"]["S"],
            state=item["state"]["S"],  # type: ignore[arg-type]  # as `_item` wrote it
        )
    return Row(
        session_id=item["pk"]["S"].removeprefix("CALL#"),
        part=item["sk"]["S"],
        precedence=int(item["precedence"]["N"]),
        body=item["body"]["S"],
        expires_at=int(item["expires"]["N"]),
        index=index,
    )
