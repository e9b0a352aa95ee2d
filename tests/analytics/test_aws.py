from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.analytics.aws import (
    BusRefusedError,
    ClaimRefusedError,
    DynamoTable,
    EventBridgeBus,
    S3Claims,
    S3Lake,
)
from service.analytics.port import CallTable
from tests.analytics.cloud import Cloud, cloud
from tests.contracts.call_table_contract import CallTableContract, meta, row


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud(monkeypatch) as made:
        yield made


def table_of(aws: Cloud, name: str = "calls") -> DynamoTable:
    return DynamoTable(aws.dynamodb, name, S3Lake(aws.s3, "lake"))


class TestContractOfDynamo(CallTableContract):
    @pytest.fixture(autouse=True)
    def _aws(self, aws: Cloud):
        self.aws = aws

    def make(self, tmp_path: Path) -> CallTable:
        return table_of(self.aws)


def test_item_has_the_attributes_of_the_table(aws: Cloud):
    table_of(aws).add(meta("call 1"))

    [item] = aws.dynamodb.scan(TableName="calls")["Items"]

    assert (item["pk"], item["sk"]) == ({"S": "CALL#call 1"}, {"S": "META"})
    assert item["expires"] == {"N": "1800000000"}


def test_rows_come_from_all_pages(aws: Cloud):
    table = table_of(aws)
    large = "x" * 350_000  # A page ends at 1 MB.
    for number in range(5):
        table.add(row(f"TURN#{number:05}", body=large))

    assert len(table.rows("s")) == 5


def test_row_larger_than_an_item_is_kept_replaced_and_erased(aws: Cloud):
    """DynamoDB, and moto, refuse an item of more than 400 kB."""
    table = table_of(aws)
    large, larger = "\u00fc" * 300_000, "y" * 1_100_000

    added = [
        table.add(row("ENDED", body=large, precedence=0)),
        table.add(row("ENDED", body=large, precedence=0)),
        table.add(row("ENDED", body=larger, precedence=1)),
        table.add(row("ENDED", body=large, precedence=0)),
    ]
    kept = [each.body for each in table.rows("s")]
    erased = table.erase("s")

    assert added == [True, False, True, False]
    assert kept == [larger]
    assert erased == 1
    assert table.rows("s") == []


def test_claims_are_fetched_from_their_own_bucket_alone(aws: Cloud):
    S3Lake(aws.s3, "lake").put("oversize/a.json", b"{}")
    claims = S3Claims(aws.s3, "lake")

    assert claims.fetch("lake", "oversize/a.json") == b"{}"
    with pytest.raises(ClaimRefusedError, match="other"):
        claims.fetch("other", "oversize/a.json")


def test_other_errors_are_not_taken_for_a_row_that_is_there(aws: Cloud):
    with pytest.raises(ClientError, match="ResourceNotFound"):
        table_of(aws, "no such table").add(row())


def test_erased_document_leaves_no_older_version(aws: Cloud):
    lake = S3Lake(aws.s3, "lake")
    for key in ("calls/a", "calls/a", "calls/ab"):
        lake.put(key, b"x")

    assert lake.erase("calls/a")
    assert not lake.erase("calls/a")

    left = aws.s3.list_object_versions(Bucket="lake")
    assert [each["Key"] for each in left["Versions"]] == ["calls/ab"]
    assert "DeleteMarkers" not in left


def test_call_completed_reaches_who_listens(aws: Cloud):
    EventBridgeBus(aws.events, "calls").call_completed(b'{"session_id":"s"}')

    [seen] = aws.bodies(aws.seen_url)
    assert '"detail-type":"CallCompleted"' in seen.replace(": ", ":")
    assert '"session_id":"s"' in seen.replace(": ", ":")


def test_a_judgement_goes_to_the_bus_under_its_own_name():
    sent: list[dict[str, Any]] = []

    class Taking:
        def put_events(self, **request: Any) -> dict[str, Any]:
            sent.extend(request["Entries"])
            return {"FailedEntryCount": 0, "Entries": [{}]}

    EventBridgeBus(Taking(), "calls").call_analyzed(b'{"id":"s/analysis"}')
    assert (sent[0]["DetailType"], sent[0]["Detail"]) == ("CallAnalyzed", '{"id":"s/analysis"}')


def test_refusal_of_the_bus_is_an_error():
    class Refusing:
        def put_events(self, **request: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}

    with pytest.raises(BusRefusedError, match="ThrottlingException"):
        EventBridgeBus(Refusing(), "calls").call_completed(b"{}")
