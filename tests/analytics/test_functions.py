import contextlib
import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from scripts.forget_call import main
from service.analytics import functions
from service.analytics.poller import QueuePoller
from service.call_events import CallEvent, to_json
from service.claim_check import checked_in
from service.outbox.letter import letter_of
from service.outbox.sqs import SqsPublisher
from tests.analytics.cloud import Cloud, cloud
from tests.analytics.scene import World, call_of_turns
from tests.analytics.test_judge_openai import Endpoint, answers, endpoint
from tests.analytics.test_judging import ANSWER
from tests.contracts.event_examples import CONVERSATION, SESSION

CALL = call_of_turns(4)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    names = {"TABLE_NAME": "calls", "LAKE_BUCKET": "lake", "BUS_NAME": "calls"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    names_of_clients = (
        "_table", "_lake", "_bus", "_s3", "_judge", "_recorder", "_recorder_handler",
    )  # fmt: skip
    caches = [getattr(functions, name) for name in names_of_clients]
    with cloud(monkeypatch) as made:
        yield made
    for cache in caches:
        cache.cache_clear()


def send(aws: Cloud, *bodies: bytes) -> None:
    for body in bodies:
        aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=body.decode())


def test_call_goes_from_the_queue_to_table_lake_and_bus_whatever_the_order(aws: Cloud):
    world = World()
    events = [*CALL, *CALL[1:3]]
    random.Random(6).shuffle(events)
    for event in CALL:
        world.recorder().record(event)
    send(aws, *map(to_json, events), b"poison")

    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()

    assert aws.lake() == world.lake
    assert any(SESSION in seen and '"turns"' in seen for seen in aws.bodies(aws.seen_url))
    assert aws.bodies(aws.queue_url) == []
    assert aws.bodies(aws.dead_url) == ["poison"]


def test_call_of_a_killed_service_is_closed_by_the_sweeper(aws: Cloud):
    send(aws, *map(to_json, CALL[:3]))
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()

    at_once = functions.sweeper({"time": "2026-11-22T09:45:00Z"}, None)
    later = functions.sweeper({"time": "2026-11-22T10:15:00Z"}, None)

    assert (at_once, later) == ({"lost": 0, "with_gaps": 0}, {"lost": 1, "with_gaps": 0})
    assert len(aws.lake()) == 3
    assert '"lost"' in aws.bodies(aws.seen_url)[0]


def test_announced_call_is_exported(aws: Cloud):
    send(aws, *map(to_json, CALL))
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()
    [seen] = aws.bodies(aws.seen_url)

    keys = functions.exporter(json.loads(seen), None)

    assert set(keys.values()) < aws.lake().keys()
    assert json.loads(aws.lake()[keys["vcon"]])["vcon"] == "0.4.0"


def large_call() -> list[CallEvent]:
    """A call one of whose turns is larger than a message of the queue may be."""
    started, turn, *rest = CALL
    words = "\u4f60 " * 400_000
    data = msgspec.structs.replace(turn.data, text=words)
    return [started, msgspec.structs.replace(turn, data=data), *rest]


def test_call_of_more_than_a_megabyte_is_recorded_by_claim_check_and_forgotten(aws: Cloud):
    events = large_call()
    publisher = SqsPublisher(aws.sqs, aws.queue_url, claim_bucket="lake", make_s3=lambda: aws.s3)
    world = World()
    for event in events:
        world.recorder().record(event)

    answers = publisher.publish([letter_of(to_json(event)) for event in events])
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()

    documents = {k: v for k, v in aws.lake().items() if not k.startswith("oversize/")}
    assert {answer.fate for answer in answers} == {"taken"}
    assert documents == world.lake
    assert aws.bodies(aws.dead_url) == []
    claimed = [key for key in aws.lake() if key.startswith("oversize/")]
    assert sorted(claimed) == [
        f"oversize/{SESSION}/turn/1.json",
        f"oversize/rows/{SESSION}/TURN_00001/0-{claimed_digest()}.json",
    ]

    assert main([CONVERSATION, "--table", "calls", "--bucket", "lake"]) == 0
    assert aws.lake() == {}


def claimed_digest() -> str:
    return hashlib.sha256(f"rows/{SESSION}/TURN#00001/0".encode()).hexdigest()[:16]


def test_message_whose_data_are_gone_goes_to_the_dead_letters_and_harms_no_other(aws: Cloud):
    parts = checked_in(to_json(CALL[1]), "lake")
    elsewhere = checked_in(to_json(CALL[1]), "somewhere")
    send(aws, parts.message, elsewhere.message, *map(to_json, CALL))

    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()

    dead = aws.bodies(aws.dead_url)
    assert sorted(dead) == sorted([parts.message.decode(), elsewhere.message.decode()])
    assert len(aws.lake()) == 3


WRITES = ("dynamodb.PutItem", "s3.PutObject", "events.PutEvents")


class FunctionKilled(BaseException):
    """The function's process is gone: nothing in it can catch that."""


@contextlib.contextmanager
def living_for(writes: int) -> Iterator[None]:
    """Let the recorder do so many writes, and die instead of the next."""
    functions._recorder_handler()
    recorder = functions._recorder()
    left = writes

    def write(**_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise FunctionKilled

    parts: list[Any] = [recorder._table, recorder._bus]
    clients: list[Any] = [functions._s3(), *(part._client for part in parts)]
    for client in clients:
        for operation in WRITES:
            client.meta.events.register(f"before-call.{operation}", write, unique_id=operation)
    try:
        yield
    finally:
        for client in clients:
            for operation in WRITES:
                client.meta.events.unregister(f"before-call.{operation}", unique_id=operation)


def test_function_may_be_killed_at_any_of_its_writes(aws: Cloud):
    """It is begun again with the same messages, as the queue does; the result is the same."""
    deaths = 0
    for writes in range(20):
        call, world = call_of_turns(4, f"session-{writes}"), World()
        for event in call:
            world.recorder().record(event)
        records = [sqs_record(number, event) for number, event in enumerate(call)]
        try:
            with living_for(writes):
                functions.recorder({"Records": records}, None)
        except FunctionKilled:
            deaths += 1
            functions.recorder({"Records": records}, None)

        documents = {key: aws.lake()[key] for key in world.lake}
        announced = [seen for seen in aws.bodies(aws.seen_url) if f'"session-{writes}"' in seen]
        assert documents == world.lake
        assert announced

    assert deaths == 14  # rows, documents, the announcement and its mark


def sqs_record(number: int, event: CallEvent) -> dict[str, Any]:
    return {
        "messageId": str(number),
        "body": to_json(event).decode(),
        "eventSource": "aws:sqs",
    }


@pytest.fixture
def completed(aws: Cloud) -> dict[str, Any]:
    """The batch that the enricher's queue gives it for a recorded call."""
    send(aws, *map(to_json, CALL))
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()
    [seen] = aws.bodies(aws.seen_url)
    return {"Records": [{"messageId": "m1", "body": seen}]}


def test_without_a_judge_nobody_is_asked(aws: Cloud, completed: dict[str, Any]):
    assert functions.enricher(completed, None) == {"batchItemFailures": []}
    assert not [key for key in aws.lake() if key.startswith("analysis/")]


def test_a_completed_call_is_judged(
    aws: Cloud, completed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    boto3.client("secretsmanager").create_secret(Name="judge", SecretString="sk-judge\n")
    answers(200, {"content": json.dumps(ANSWER)})
    with endpoint() as url:
        judge_at(url, monkeypatch)
        monkeypatch.setenv("JUDGE_API_KEY_SECRET", "judge")
        assert functions.enricher(completed, None) == {"batchItemFailures": []}

    assert Endpoint.authorization == "Bearer sk-judge"
    [document] = [json.loads(b) for k, b in aws.lake().items() if k.startswith("analysis/")]
    assert document["data"]["judgement"]["intent"] == "opening hours"
    # The rows are still those of a call, beside its judgement.
    assert functions.exporter({"detail": {"session_id": SESSION}}, None)


@pytest.mark.parametrize("text", [" sk-judge\n", '{"OPENAI_API_KEY": "sk-judge", "key": null}'])
def test_a_key_stands_alone_or_among_others(aws: Cloud, monkeypatch: pytest.MonkeyPatch, text: str):
    boto3.client("secretsmanager").create_secret(Name="judge", SecretString=text)
    monkeypatch.setenv("JUDGE_API_KEY_SECRET", "judge")
    assert functions._judge_key() == "sk-judge"


@pytest.mark.parametrize("text", ['{"sk-judge": 1}', '{"sk-judge'])
def test_a_secret_without_a_key_is_said_and_not_quoted(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, text: str
):
    boto3.client("secretsmanager").create_secret(Name="judge", SecretString=text)
    monkeypatch.setenv("JUDGE_API_KEY_SECRET", "judge")
    with pytest.raises(ValueError, match="expected a key") as caught:
        functions._judge_key()
    assert "sk-judge" not in str(caught.value)


def test_a_changed_key_is_read_once_the_old_one_is_refused(
    aws: Cloud, completed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="judge", SecretString="sk-old")
    monkeypatch.setenv("JUDGE_API_KEY_SECRET", "judge")
    with endpoint() as url:
        judge_at(url, monkeypatch)
        answers(401, {})
        with pytest.raises(BatchProcessingError):
            functions.enricher(completed, None)
        secrets.put_secret_value(SecretId="judge", SecretString="sk-new")
        answers(200, {"content": json.dumps(ANSWER)})
        assert functions.enricher(completed, None) == {"batchItemFailures": []}

    assert Endpoint.authorization == "Bearer sk-new"


def test_a_call_goes_from_the_queue_to_its_judgement_by_way_of_the_bus(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
):
    send(aws, *map(to_json, CALL))
    answers(200, {"content": json.dumps(ANSWER)})

    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()
    with endpoint() as url:
        judge_at(url, monkeypatch)
        QueuePoller(aws.sqs, aws.seen_url, functions.enricher).drain()

    folders = {key.partition("/")[0] for key in aws.lake()}
    assert {"calls", "turns", "analysis"} <= folders
    assert aws.bodies(aws.seen_url) == []


def test_a_throttled_judge_leaves_the_message_on_the_queue(
    aws: Cloud, completed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    answers(429, {})
    with endpoint() as url:
        judge_at(url, monkeypatch)
        with pytest.raises(BatchProcessingError):  # all failed: the whole batch stays
            functions.enricher(completed, None)


def test_a_judge_without_a_model_is_said(
    aws: Cloud, completed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JUDGE", "openai")
    with pytest.raises(ValueError, match="JUDGE_MODEL"):
        functions.enricher(completed, None)


def judge_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JUDGE": "openai", "JUDGE_BASE_URL": url, "JUDGE_MODEL": "m"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("kind", "name"), [("bedrock", "bedrock"), ("comprehend", "comprehend"), ("openai", "openai")]
)
def test_each_judge_can_be_chosen(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
):
    monkeypatch.setenv("JUDGE", kind)
    monkeypatch.setenv("JUDGE_MODEL", "m")
    judge = functions._judge()
    assert judge is not None
    assert judge.name == name
