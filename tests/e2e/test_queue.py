"""From the caller's socket to the table, the lake and the bus, by way of a queue that fails."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import CallReport, CallSetup, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.service_process import ServiceProcess, running_service
from service.analytics import functions
from service.analytics.poller import QueuePoller
from tests.analytics.cloud import Cloud
from tests.e2e.aws import Way, empty_cloud, moto_process, way_to
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, MODEL_KEY, SHOUT, SMALL_TALK
from tests.e2e.quick_calls import PROMPT, ask_once, greeted, quiet

T = TypeVar("T")
KEYS = json.dumps({API_KEY: CLIENT_SECRET})
OUTAGE = "the queue takes no events: they are kept and sent again"
KEPT = "events were not sent in time: the spool keeps them for the next process on this disk"


@pytest.fixture(scope="module")
def moto() -> Iterator[int]:
    with moto_process() as port:
        yield port


@pytest.fixture
def aws(moto: int) -> Iterator[Cloud]:
    with empty_cloud(moto) as cloud:
        yield cloud


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 50), debug=False)


@contextlib.asynccontextmanager
async def serving(aws: Cloud, way: Way, spool: Path, *words: str) -> AsyncIterator[ServiceProcess]:
    """A service process that sends to the queue along the way, and a model that hears words."""
    scenario = replace(PROMPT, caller_words=words) if words else PROMPT
    async with RealtimeEmulator(scenario=scenario, brain=DialogueBrain(SMALL_TALK)) as model:
        settings = {
            "AUDIOHOOK_KEYS": KEYS,
            "OPENAI_API_KEY": MODEL_KEY,
            "OPENAI_BASE_URL": model.base_url,
            "EVENTS_URL": f"sqs:{aws.queue_url}",
            "SPOOL_DIR": str(spool),
            "AWS_ENDPOINT_URL": way.url,
        }
        async with running_service(settings) as service:
            yield service


async def call(service: ServiceProcess, script: Any = ask_once) -> CallReport:
    return await play_call(CallSetup(service.call_url, API_KEY, CLIENT_SECRET), script)


def messages(service: ServiceProcess) -> list[object]:
    return [line["message"] for line in service.log]


async def said(service: ServiceProcess, message: str) -> None:
    async with asyncio.timeout(15):
        while message not in messages(service):
            await asyncio.sleep(0.05)


async def emptied(spool: Path) -> None:
    """Wait until everything that was spooled was delivered: the segment's end is noted down."""
    async with asyncio.timeout(20):
        while True:
            for folder in spool.iterdir():
                segment = folder / "00000001.seg"
                note = folder / "delivered"
                if note.exists() and note.read_text() == f"1 {segment.stat().st_size}\n":
                    return
            await asyncio.sleep(0.05)


def depth(aws: Cloud) -> int:
    answer = aws.sqs.get_queue_attributes(
        QueueUrl=aws.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def record(aws: Cloud) -> dict[str, Any]:
    """Run the recorder, and return what it announced: one call."""
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()
    assert aws.bodies(aws.dead_url) == []
    (seen,) = aws.bodies(aws.seen_url)
    detail: dict[str, Any] = json.loads(seen)["detail"]
    return detail


def transcript(aws: Cloud, detail: dict[str, Any]) -> list[dict[str, Any]]:
    document = json.loads(aws.lake()[detail["documents"]["transcript"]])
    turns: list[dict[str, Any]] = document["data"]["turns"]
    return turns


def assert_small_talk(aws: Cloud, detail: dict[str, Any]) -> None:
    turns = transcript(aws, detail)
    assert [turn["seq"] for turn in turns] == [1, 2, 3]
    assert [turn["speaker"] for turn in turns] == ["agent", "caller", "agent"]
    assert detail["is_complete"]
    assert len(aws.lake()) == 3


def test_call_arrives_in_table_lake_and_bus_and_leaves_no_spool(
    aws: Cloud, moto: int, tmp_path: Path
):
    spool = tmp_path / "spool"

    async def scenario() -> tuple[CallReport, ServiceProcess]:
        async with way_to(moto) as way:
            async with serving(aws, way, spool) as service:
                report = await call(service)
            return report, service

    report, service = run(scenario())

    assert report.violations == []
    assert service.process.returncode == 0
    assert [line for line in service.log if line["level"] in ("warning", "error")] == []
    assert list(spool.iterdir()) == []
    detail = record(aws)
    assert_small_talk(aws, detail)
    assert detail["end_reason"] == "caller_hangup"


def test_queue_that_is_down_for_the_whole_call_gets_it_when_it_is_back(
    aws: Cloud, moto: int, tmp_path: Path
):
    async def scenario() -> tuple[CallReport, ServiceProcess, int]:
        async with way_to(moto) as way:
            await way.cut()
            async with serving(aws, way, tmp_path) as service:
                report = await call(service)
                await said(service, OUTAGE)
                before = await asyncio.to_thread(depth, aws)
                await way.open()
                await emptied(tmp_path)
            return report, service, before

    report, service, before = run(scenario())

    assert report.violations == []
    assert before == 0
    assert messages(service).count(OUTAGE) == 1
    assert "the queue takes events again" in messages(service)
    assert_small_talk(aws, record(aws))


def test_queue_that_is_down_until_the_end_gets_the_call_from_the_next_process(
    aws: Cloud, moto: int, tmp_path: Path
):
    async def scenario() -> tuple[ServiceProcess, ServiceProcess]:
        async with way_to(moto) as way:
            await way.cut()
            async with serving(aws, way, tmp_path) as first:
                await call(first)
            await way.open()
            async with serving(aws, way, tmp_path) as second:
                await said(second, "events of an earlier process are delivered now")
                async with asyncio.timeout(20):
                    while list(tmp_path.glob("*/*.seg")):
                        await asyncio.sleep(0.05)
            return first, second

    first, second = run(scenario())

    assert (first.process.returncode, second.process.returncode) == (0, 0)
    (kept,) = [line for line in first.log if line["message"] == KEPT]
    assert kept["events"] == 5
    assert_small_talk(aws, record(aws))


def test_every_finished_turn_of_a_killed_service_arrives_and_the_sweeper_ends_the_call(
    aws: Cloud, moto: int, tmp_path: Path
):
    """The queue was down all the time: what was told lay on the disk alone."""

    async def kill(call: GenesysCall, service: ServiceProcess) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await quiet(call)
        await call.say(SHOUT)
        await call.agent_speaks()
        await call.sleep(0.5)  # in the middle of the story
        service.process.kill()
        await call.ended(within_s=10)

    async def scenario() -> int:
        async with way_to(moto) as way:
            await way.cut()
            async with serving(aws, way, tmp_path, "hello", "story") as first:
                await call(first, lambda each: kill(each, first))
            await way.open()
            async with serving(aws, way, tmp_path) as second:
                await said(second, "events of an earlier process are delivered now")
            assert first.process.returncode is not None
            return first.process.returncode

    killed = run(scenario())
    QueuePoller(aws.sqs, aws.queue_url, functions.recorder).drain()
    before = aws.bodies(aws.seen_url)
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 the wall clock of the schedule
    swept = functions.sweeper({"time": later.isoformat()}, None)

    assert killed == -9
    assert before == []
    assert swept == {"lost": 1, "with_gaps": 0}
    detail = record(aws)
    turns = transcript(aws, detail)
    assert detail["end_reason"] == "lost"
    assert [turn["speaker"] for turn in turns] == ["agent", "caller", "agent", "caller"]
    assert [turn["seq"] for turn in turns] == [1, 2, 3, 4]
