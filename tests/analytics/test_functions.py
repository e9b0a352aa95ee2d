import json
import random
from collections.abc import Iterator

import pytest

from service.analytics import functions
from service.analytics.poller import QueuePoller
from service.call_events import to_json
from tests.analytics.cloud import Cloud, cloud
from tests.analytics.scene import World, call_of_turns
from tests.contracts.event_examples import SESSION

CALL = call_of_turns(4)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    names = {"TABLE_NAME": "calls", "LAKE_BUCKET": "lake", "BUS_NAME": "calls"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    names_of_clients = ("_table", "_lake", "_recorder", "_recorder_handler")
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
