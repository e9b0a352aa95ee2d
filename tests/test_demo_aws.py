"""The emulated AWS of the demo, as a process, with the events of a call on its queue."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.demo_analytics import LocalAnalytics, NotRecordedError
from scripts.demo_aws import AwsAnalytics
from scripts.emulated_aws import EmulatedAws, running_aws
from service.call_events import CallEvent, to_json
from service.call_events_reading import from_json
from tests.analytics.scene import call_of_turns
from tests.contracts.event_examples import SESSION
from tests.reporting.reader import read
from tests.reporting.scene import write_calls


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatedAws]:
    with running_aws() as started:
        yield started


def send(aws: EmulatedAws, *bodies: str) -> None:
    for body in bodies:
        aws.sqs.send_message(QueueUrl=aws.events_url, MessageBody=body)


def texts(events: list[CallEvent]) -> list[str]:
    return [to_json(event).decode() for event in events]


def test_a_call_comes_out_of_the_queue_as_it_would_lie_in_files(aws: EmulatedAws, tmp_path: Path):
    call = call_of_turns(4)
    sent = [*texts(call), *texts(call[1:3])]
    random.Random(2).shuffle(sent)
    send(aws, *sent)
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF")
    analytics = AwsAnalytics(aws, tmp_path)

    events = analytics.events_of(SESSION)
    assert events
    report = analytics.report(events, recording)

    assert [from_json(line) for line in events.read_bytes().splitlines()] == call
    assert read(report.read_text(encoding="utf-8")).of("audio")
    local = LocalAnalytics(write_calls(tmp_path / "local", call))
    local_events = local.events_of(SESSION)
    assert local_events
    local.report(local_events, recording)
    for document in (tmp_path / "local" / "analytics" / "lake").rglob("*.*"):
        of_aws = tmp_path / document.relative_to(tmp_path / "local")
        assert of_aws.is_dir() or of_aws.read_bytes() == document.read_bytes()
    assert len(list((tmp_path / "analytics" / "lake" / "exports").rglob("*.vcon"))) == 1


def test_what_cannot_be_handled_is_told(aws: EmulatedAws, tmp_path: Path):
    send(aws, "poison")

    with pytest.raises(NotRecordedError, match="1 events are on the dead-letter queue"):
        AwsAnalytics(aws, tmp_path).events_of("nobody")


def test_a_call_that_published_nothing_is_told(aws: EmulatedAws, tmp_path: Path):
    analytics = AwsAnalytics(aws, tmp_path)

    assert analytics.events_of("nobody") is None
    with pytest.raises(NotRecordedError, match="announced no call"):
        analytics.report(tmp_path, tmp_path)


def test_the_service_is_sent_to_this_machine_and_nowhere_else(aws: EmulatedAws, tmp_path: Path):
    settings = AwsAnalytics(aws, tmp_path).settings

    assert settings["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert settings["EVENTS_URL"].startswith(f"sqs:{settings['AWS_ENDPOINT_URL']}/")
    assert settings["AWS_ACCESS_KEY_ID"] == settings["AWS_SECRET_ACCESS_KEY"] == "emulated"
