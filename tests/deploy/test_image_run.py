"""The image, built and run for real: as process 1, as its own user, with no program but Python.

Skipped where it cannot be built; the reason says what is missing.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from scripts import container_image
from scripts.container_image import FIRST_LOOK
from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import CallReport, CallSetup, play_call
from scripts.emulators.realtime import RealtimeEmulator
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, SMALL_TALK
from tests.e2e.quick_calls import ask_once, quick

WHY_NOT = container_image.hindrance()
MAX_OURS_BYTES = 20e6
"""Compressed, above the base image; measured 14.3 MB. numpy alone would bring 20."""
MAX_TOTAL_BYTES = 110e6
"""Compressed; measured 89 MB on the stand-in for the base, which is larger than the real one."""
MAX_READY_MS = 5_000
"""A cold start must fit into a caller's patience; measured 0.9 s on a busy machine."""
OUTSIDE = 10_001
"""The image's user."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=f"the image cannot be built here: {WHY_NOT}"),
]


@pytest.fixture(scope="module")
def tag() -> Iterator[str]:
    name = f"localhost/audioconnector-bridge:test-{os.getpid()}"
    container_image.build(name)
    yield name
    container_image.remove(name)


@pytest.fixture(scope="module")
def config(tag: str) -> dict[str, Any]:
    return container_image.config_of(tag)


@pytest.fixture(scope="module")
def root(tag: str) -> Iterator[Path]:
    """The files of a container in which there is no program but Python."""
    with container_image.file_tree(tag) as files:
        removed = container_image.remove_tools(files)
        assert {"sh", "ls", "env"} <= set(removed)
        yield files


def get(port: int, path: str) -> int:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return int(answer.status)


def test_the_service_is_process_1_of_an_unprivileged_user_and_ends_on_sigterm(root, config):
    with container_image.running(root, config, FIRST_LOOK) as container:
        status = container.status()

        assert status["NSpid"][-1] == "1"
        assert set(status["Uid"]) == {str(OUTSIDE)}
        assert set(status["Gid"]) == {str(OUTSIDE)}
        assert get(container.port, "/livez") == 200
        assert get(container.port, "/readyz") == 200
        assert container.ready_ms < MAX_READY_MS
        assert container.stop() == 0


def test_bad_settings_end_the_container_with_all_problems(root, config):
    both = r"(?s)OPENAI_API_KEY.*AUDIOHOOK_KEYS"

    with (
        pytest.raises(container_image.ImageFailed, match=both),
        container_image.running(root, config, {}),
    ):
        pytest.fail("it runs")


def test_a_call_runs_through_the_container_and_its_events_lie_where_a_disk_can_be_mounted(
    root, config
):
    report = asyncio.run(call_through(root, config))
    (events,) = (root / "data" / "events").rglob("*.ndjson")

    assert report.violations == []
    assert report.http_status == 101
    assert events.stat().st_uid == OUTSIDE
    assert '"call.ended.v1"' in events.read_text(encoding="utf-8")


async def call_through(root: Path, config: dict[str, Any]) -> CallReport:
    async with RealtimeEmulator(**quick(DialogueBrain(SMALL_TALK), "hello")) as model:
        settings = {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": model.base_url,
            "AUDIOHOOK_KEYS": f'{{"{API_KEY}": "{CLIENT_SECRET}"}}',
        }
        with container_image.running(root, config, settings) as container:
            url = f"ws://127.0.0.1:{container.port}/audiohook/default"
            setup = CallSetup(url=url, api_key=API_KEY, client_secret=CLIENT_SECRET)
            report = await play_call(setup, ask_once)
            assert container.stop() == 0
    return report


def test_it_is_no_larger_than_it_should_be(tag: str):
    layers = container_image.layers_of(tag)

    assert layers.ours_bytes < MAX_OURS_BYTES
    assert layers.total_bytes < MAX_TOTAL_BYTES


def test_nothing_is_in_it_but_the_service(root: Path):
    files = {path.relative_to(root / "app").as_posix() for path in (root / "app").rglob("*")}
    ours = {name for name in files if not name.startswith(".venv")}

    assert "service/__main__.py" in ours
    assert "service/bots/catalog/default.toml" in ours
    assert {name.partition("/")[0] for name in ours} == {"service"}
    assert [name for name in ours if "analytics" in name or name.endswith((".md", ".env"))] == []
    assert [n for n in ours if n.endswith(".txt")] == ["service/image-requirements.txt"]


def test_its_user_can_write_to_data_alone(root: Path):
    writable = [
        str(path.relative_to(root))
        for top in ("app", "data", "etc", "usr/lib/python3", "home", "opt")
        for path in [root / top, *(root / top).rglob("*")]
        if not path.is_symlink() and path.exists()
        if path.stat().st_uid == OUTSIDE or path.stat().st_mode & 0o002
    ]

    assert {name.partition("/")[0] for name in writable} == {"data"}


def test_boto3_still_makes_every_client_that_the_service_uses(root, config):
    program = (
        "import boto3; print([boto3.client(name, region_name='us-east-1').meta.service_model"
        ".service_name for name in ('polly', 's3', 'secretsmanager', 'sqs', 'sts')])"
    )
    command = ["/app/.venv/bin/python", "-c", program]

    done = subprocess.run(
        container_image.command_in(root, config, command),
        env=container_image.environment_of(config),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.strip() == "['polly', 's3', 'secretsmanager', 'sqs', 'sts']", done.stderr


def test_the_tracer_is_in_it(root, config):
    traced = {**FIRST_LOOK, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

    with container_image.running(root, config, traced) as container:
        assert container.stop() == 0
