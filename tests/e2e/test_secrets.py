"""The service as a process, with its secrets in AWS: emulated by moto, reached over loopback."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import (
    CallFailed,
    CallReport,
    CallSetup,
    GenesysCall,
    Script,
    play_call,
)
from scripts.emulators.realtime import RealtimeEmulator
from scripts.service_process import ServiceProcess, running_service
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, MODEL_KEY, SHOUT, SMALL_TALK
from tests.e2e.quick_calls import PROMPT, greeted

NAME = "bridge/keys"
REGION = "eu-central-1"
WANTS_A_PERSON = replace(PROMPT, caller_words=("person",))
OF_AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
ALL_IN_ONE = json.dumps({API_KEY: CLIENT_SECRET, "OPENAI_API_KEY": MODEL_KEY})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty Secrets Manager."""
    for name, value in OF_AWS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urlopen(f"{url}/moto-api/reset", data=b"", timeout=5).close()  # one state for the process
    yield url
    server.stop()


def store(cloud: str, text: str) -> None:
    client: Any = boto3.client("secretsmanager", region_name=REGION, endpoint_url=cloud)
    client.create_secret(Name=NAME, SecretString=text)


def settings_for(cloud: str, model: RealtimeEmulator, events: Path) -> dict[str, str]:
    return OF_AWS | {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SECRETS_URL": f"aws-secretsmanager:{NAME}",
        "OPENAI_API_KEY_SECRET": f"aws-secretsmanager:{NAME}",
        "OPENAI_BASE_URL": model.base_url,
        "EVENTS_URL": f"file:{events}",
    }


async def ask_for_a_person(call: GenesysCall) -> None:
    await greeted(call)
    await call.say(SHOUT)
    await call.disconnected()


async def wait_for_the_end(call: GenesysCall) -> None:
    await call.disconnected()


async def ring(service: ServiceProcess, script: Script) -> CallReport:
    try:
        return await play_call(CallSetup(service.call_url, API_KEY, CLIENT_SECRET), script)
    except CallFailed as failed:
        assert failed.report is not None
        return failed.report


def play(
    cloud: str, events: Path, script: Script = wait_for_the_end
) -> tuple[CallReport, ServiceProcess]:
    """One call, at once: boto3 is still being loaded."""

    async def scenario() -> tuple[CallReport, ServiceProcess]:
        async with (
            RealtimeEmulator(
                scenario=WANTS_A_PERSON,
                brain=DialogueBrain(SMALL_TALK),
                api_keys=frozenset({MODEL_KEY}),
            ) as model,
            running_service(settings_for(cloud, model, events)) as service,
        ):
            return await ring(service, script), service

    return asyncio.run(asyncio.wait_for(scenario(), 40))


def ended(events: Path) -> dict[str, Any]:
    (path,) = events.rglob("*.ndjson")
    last: dict[str, Any] = json.loads(path.read_text("utf-8").splitlines()[-1])["data"]
    return last


def test_call_is_made_with_all_secrets_from_one_secret(cloud: str, tmp_path: Path):
    store(cloud, ALL_IN_ONE)

    report, service = play(cloud, tmp_path, ask_for_a_person)

    assert report.http_status == 101
    assert (ended(tmp_path)["end_reason"], ended(tmp_path)["errors"]) == ("transfer", [])
    assert service.stderr == ""
    told = json.dumps(service.log)
    assert [it for it in service.log if it["level"] in ("warning", "error")] == []
    assert not any(secret in told for secret in (API_KEY, CLIENT_SECRET, MODEL_KEY))


def test_store_out_of_reach_refuses_calls_and_stops_no_service(tmp_path: Path):
    report, service = play("http://127.0.0.1:1", tmp_path)

    assert report.http_status == 503
    told = [it for it in service.log if it["level"] == "error"]
    assert {it["setting"] for it in told} == {"SECRETS_URL", "OPENAI_API_KEY_SECRET"}
    assert service.process.returncode == 0


def test_call_without_a_key_of_the_model_goes_back_to_its_flow(cloud: str, tmp_path: Path):
    store(cloud, json.dumps({API_KEY: CLIENT_SECRET}))

    report, _ = play(cloud, tmp_path)

    assert report.http_status == 101
    assert ended(tmp_path)["end_reason"] == "provider_error"
    assert "key_unavailable" in json.dumps(ended(tmp_path)["errors"])
