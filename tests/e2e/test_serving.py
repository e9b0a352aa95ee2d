"""`python -m service` as a process: settings, signals, exit codes, health, logs, files."""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from scripts.emulators import genesys_setup
from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import CallReport, CallSetup, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.service_process import ROOT, ServiceFailed, ServiceProcess, running_service
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, MODEL_KEY, SHOUT, SMALL_TALK
from tests.e2e.quick_calls import PROMPT, greeted, say
from tests.e2e.raw_http import UPGRADE, Answer, ask, request, signed

T = TypeVar("T")
WANTS_A_PERSON = replace(PROMPT, caller_words=("person",))
KEYS = json.dumps({API_KEY: CLIENT_SECRET})
SAID = ("Welcome", "I will connect you", "Wants person", "person")


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 40), debug=False)


@contextlib.asynccontextmanager
async def serving(**settings: str) -> AsyncIterator[ServiceProcess]:
    """A service process and its model."""
    async with RealtimeEmulator(scenario=WANTS_A_PERSON, brain=DialogueBrain(SMALL_TALK)) as model:
        own = {
            "AUDIOHOOK_KEYS": KEYS,
            "OPENAI_API_KEY": MODEL_KEY,
            "OPENAI_BASE_URL": model.base_url,
            "EVENTS_URL": "off:",
        }
        async with running_service(own | settings) as service:
            yield service


def setup_for(service: ServiceProcess) -> CallSetup:
    return CallSetup(service.call_url, API_KEY, CLIENT_SECRET)


async def get(service: ServiceProcess, path: str) -> Answer:
    host = f"127.0.0.1:{service.port}"
    return await ask(service.port, request(path, [("Connection", "close")], host=host))


async def ring(service: ServiceProcess) -> Answer:
    """Ask for a call and hang up at once."""
    headers = [*UPGRADE, *signed(setup_for(service))]
    host = f"127.0.0.1:{service.port}"
    return await ask(service.port, request("/audiohook/default", headers, host=host))


# One whole call of a process with files, seen from all sides.


@dataclass
class OneCall:
    setup: CallSetup
    report: CallReport
    log: list[dict[str, Any]]
    stderr: str
    exit_code: int
    events: list[dict[str, Any]]
    files: list[Path] = field(default_factory=list)


@pytest.fixture(scope="module")
def one_call(tmp_path_factory: pytest.TempPathFactory) -> OneCall:
    folder = tmp_path_factory.mktemp("events")

    async def talk(call: GenesysCall) -> None:
        await greeted(call)
        await call.press("1")
        await call.say(SHOUT)
        await call.disconnected()

    async def play() -> OneCall:
        async with serving(EVENTS_URL=f"file:{folder}", LOG_LEVEL="debug") as service:
            await ask(service.port, request("/audiohook/secret-bot", UPGRADE, host="x"))
            setup = setup_for(service)
            report = await play_call(setup, talk)
            exit_code = await service.stop()
        files = sorted(folder.glob("*/*"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        events = [json.loads(line) for line in lines]
        return OneCall(setup, report, service.log, service.stderr, exit_code, events, files)

    return run(play())


def test_a_call_through_the_process_breaks_no_rule(one_call: OneCall):
    assert one_call.report.violations == []
    assert one_call.exit_code == 0


def test_the_ready_line_names_the_port(one_call: OneCall):
    ready = [line for line in one_call.log if line["message"] == "ready"]

    assert len(ready) == 1
    assert ready[0]["port"] > 0


def test_a_call_leaves_one_canonical_line(one_call: OneCall):
    (line,) = [line for line in one_call.log if line["message"] == "call ended"]

    assert line["session_id"] == line["call"] == one_call.setup.session_id
    assert line["end_reason"] == "transfer"
    assert line["counts"]["dtmf_events"] == 1


@pytest.mark.parametrize(
    "secret",
    [*SAID, API_KEY, CLIENT_SECRET, MODEL_KEY, "sk-", "Signature", "pressed", "tel:", "Bearer"],
)
def test_no_log_line_holds_words_keys_or_secrets(one_call: OneCall, secret: str):
    assert [line for line in one_call.log if secret in json.dumps(line)] == []
    assert secret not in one_call.stderr


def test_a_good_call_and_a_refused_one_log_no_error(one_call: OneCall):
    assert [line for line in one_call.log if line["level"] in ("error", "critical")] == []
    assert [line for line in one_call.log if "exception" in line] == []
    assert one_call.stderr == ""


def test_a_refused_upgrade_is_logged_with_its_cause(one_call: OneCall):
    (line,) = [line for line in one_call.log if line["message"] == "an upgrade was refused"]

    assert (line["status"], line["reason"]) == (401, "api_key_missing")


def test_each_call_has_a_file_in_the_folder_of_its_day(one_call: OneCall):
    (file,) = one_call.files
    date = one_call.events[0]["time"][:10]

    assert file.name == f"{one_call.setup.session_id}.ndjson"
    assert file.parent.name == f"dt={date}"


def test_the_file_holds_the_call_from_start_to_end(one_call: OneCall):
    kinds = [event["type"] for event in one_call.events]
    ids = [event["id"].partition("/")[2] for event in one_call.events]

    assert kinds[0] == "call.started.v1"
    assert kinds[-1] == "call.ended.v1"
    assert set(kinds[1:-1]) == {"call.turn.v1"}
    assert (ids[0], ids[-1]) == ("started", "ended")
    assert sorted(ids[1:-1]) == [f"turn/{number}" for number in range(1, len(ids) - 1)]


# Health.


def test_health_says_what_the_process_can_do():
    async def scenario() -> list[Answer]:
        async with serving(MAX_CALLS="1") as service:
            answers = [await get(service, "/livez"), await get(service, "/readyz")]

            async def fill(call: GenesysCall) -> None:
                await call.opened()
                answers.append(await get(service, "/readyz"))
                answers.append(await ring(service))
                answers.append(await get(service, "/livez"))

            await play_call(setup_for(service), fill)
            return answers

    answers = run(scenario())
    empty, full = (json.loads(answer.body) for answer in answers[1:3])

    assert [answer.status for answer in answers] == [200, 200, 503, 503, 200]
    assert answers[3].headers["retry-after"] == "5"
    assert empty == {
        "ready": True,
        "draining": False,
        "calls": 0,
        "max_calls": 1,
        "providers": {"openai": "closed"},
    }
    assert full == empty | {"ready": False, "calls": 1}


# Signals.


@dataclass
class Drained:
    report: CallReport
    exit_code: int
    after_s: float
    notes: list[Answer]
    log: list[dict[str, Any]]


def drain(
    script: Callable[[GenesysCall, ServiceProcess, list[Answer]], Awaitable[None]],
    **settings: str,
) -> Drained:
    """Play a call whose script sends signals, and wait for the end of the process."""

    async def play() -> Drained:
        loop = asyncio.get_running_loop()
        async with serving(**settings) as service:
            notes: list[Answer] = []
            setup = setup_for(service)
            report = await play_call(setup, lambda call: script(call, service, notes))
            began_s = loop.time()
            exit_code = await service.ended(20)
            return Drained(report, exit_code, loop.time() - began_s, notes, service.log)

    return run(play())


def terminate(service: ServiceProcess) -> None:
    service.process.send_signal(signal.SIGTERM)


def test_a_signal_lets_the_live_call_end_by_itself():
    async def script(call: GenesysCall, service: ServiceProcess, notes: list[Answer]) -> None:
        await greeted(call)
        terminate(service)
        await call.sleep(0.4)
        notes += [await get(service, "/readyz"), await ring(service), await get(service, "/livez")]
        await call.say(SHOUT)
        await call.disconnected()

    drained = drain(script)

    assert [answer.status for answer in drained.notes] == [503, 503, 200]
    assert json.loads(drained.notes[0].body)["draining"] is True
    assert drained.notes[1].headers["retry-after"] == "5"
    assert drained.report.violations == []
    assert drained.report.disconnect is not None
    assert drained.report.disconnect.output_variables["BOT_STATUS"] == "transfer"
    assert drained.exit_code == 0
    assert drained.after_s < 4


@pytest.mark.parametrize("drain_seconds", ["0", "1"])
def test_after_the_drain_the_caller_is_told_and_handed_over(drain_seconds: str):
    async def script(call: GenesysCall, service: ServiceProcess, notes: list[Answer]) -> None:
        del notes
        await greeted(call)
        terminate(service)
        await call.agent_speaks(within_s=5)
        await call.disconnected()

    drained = drain(script, DRAIN_SECONDS=drain_seconds)

    assert drained.report.violations == []
    assert drained.report.unplayed_ms == 0
    assert drained.report.disconnect is not None
    assert drained.report.disconnect.reason == "completed"
    assert drained.report.disconnect.output_variables == {
        "BOT_STATUS": "shutdown",
        "END_REASON": "drain",
        "TRANSFER_REASON": "",
        "TRANSFER_TARGET": "",
        "SUMMARY": "",
    }
    assert drained.exit_code == 0


def test_a_call_that_opens_during_the_drain_is_handed_over_too():
    async def scenario() -> tuple[CallReport, int]:
        async with serving(DRAIN_SECONDS="0") as service:

            async def script(call: GenesysCall) -> None:
                terminate(service)
                await call.sleep(0.4)  # past the drain's deadline
                call.send_message("open", opening)
                await call.disconnected(within_s=8)

            setup = setup_for(service)
            opening = genesys_setup.open_parameters(setup)
            chaos = genesys_setup.Chaos(sends_open=False)
            report = await play_call(replace(setup, chaos=chaos), script)
            return report, await service.ended(10)

    report, exit_code = run(scenario())

    assert report.violations == []
    assert report.disconnect is not None
    assert report.disconnect.output_variables["BOT_STATUS"] == "shutdown"
    assert exit_code == 0


def test_a_second_signal_cuts_the_call_and_says_so():
    async def script(call: GenesysCall, service: ServiceProcess, notes: list[Answer]) -> None:
        del notes
        await greeted(call)
        terminate(service)
        await call.sleep(0.3)
        terminate(service)
        await call.ended(within_s=8)

    drained = drain(script)

    assert drained.report.violations == []
    assert drained.report.disconnect is not None
    assert drained.report.disconnect.output_variables["BOT_STATUS"] == "shutdown"
    assert drained.exit_code == 1
    (ended,) = [line for line in drained.log if line["message"] == "call ended"]
    assert ended["end_reason"] == "drain"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_process_ends_at_once(by: signal.Signals):
    async def scenario() -> tuple[int, float]:
        async with serving() as service:
            began_s = asyncio.get_running_loop().time()
            code = await service.stop(by=by)
            return code, asyncio.get_running_loop().time() - began_s

    code, took_s = run(scenario())

    assert code == 0
    assert took_s < 4


# Settings.


def start(folder: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the service where it must end by itself."""
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=folder,
        env=path | dict(env),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_all_problems_of_the_settings_are_told_at_once(tmp_path: Path):
    ended = start(
        tmp_path,
        {
            "PORT": "eighty",
            "OPENAI_REALTIME_VOICE": "nova",
            "EVENTS_URL": "ftp:somewhere",
            "MAX_CALLS": "0",
            "AUDIOHOOK_KEYS": '{"a": "not base64!"}',
            "OPENAI_API_KEY": "",
        },
    )

    lines = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert {line.partition(":")[0] for line in lines} == {
        "PORT",
        "OPENAI_REALTIME_VOICE",
        "EVENTS_URL",
        "MAX_CALLS",
        "AUDIOHOOK_KEYS",
        "OPENAI_API_KEY",
    }
    assert "not base64!" not in ended.stderr


def test_a_port_that_is_taken_is_a_crash_told_in_the_log(tmp_path: Path):
    async def scenario() -> "subprocess.CompletedProcess[str]":
        async with serving() as service:
            settings = {
                "HOST": "127.0.0.1",
                "PORT": str(service.port),
                "AUDIOHOOK_KEYS": KEYS,
                "OPENAI_API_KEY": MODEL_KEY,
            }
            return await asyncio.to_thread(start, tmp_path, settings)

    ended = run(scenario())

    assert ended.returncode == 1
    assert "address already in use" in ended.stdout.lower()
    assert "Traceback" not in ended.stdout + ended.stderr


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path):
    dotenv = f"AUDIOHOOK_KEYS='{KEYS}'\nMAX_CALLS=7\nDRAIN_SECONDS=3\n# a comment\nPUBLIC_HOST=\n"
    (tmp_path / ".env").write_text(dotenv)

    async def scenario() -> tuple[dict[str, Any], int]:
        settings = {"OPENAI_API_KEY": MODEL_KEY, "MAX_CALLS": "9", "EVENTS_URL": "off:"}
        settings |= {"SERVICE_DIRECTORY": str(tmp_path)}
        async with running_service(settings) as service:
            state = json.loads((await get(service, "/readyz")).body)
            return state, (await ring(service)).status

    state, status = run(scenario())

    assert state["max_calls"] == 9
    assert status == 101  # signed with the key of the file


def test_anonymous_service_is_warned_of(tmp_path: Path):
    async def scenario() -> tuple[list[dict[str, object]], int]:
        settings = {"OPENAI_API_KEY": MODEL_KEY, "ALLOW_ANONYMOUS": "1", "EVENTS_URL": "off:"}
        settings |= {"SERVICE_DIRECTORY": str(tmp_path)}
        async with running_service(settings) as service:
            answer = await ask(service.port, request("/audiohook", UPGRADE, host="x"))
            return service.log, answer.status

    log, status = run(scenario())

    assert any("not authenticated" in str(line["message"]) for line in log)
    assert status == 101


def test_a_service_without_credentials_does_not_start(tmp_path: Path):
    async def scenario() -> None:
        settings = {"OPENAI_API_KEY": MODEL_KEY, "SERVICE_DIRECTORY": str(tmp_path)}
        async with running_service(settings):
            pass

    with pytest.raises(BaseExceptionGroup) as failure:
        run(scenario())

    assert failure.group_contains(ServiceFailed, match="AUDIOHOOK_KEYS")


# Cold start.


NOT_AT_THE_START = (
    "boto3", "botocore", "numpy", "httpx", "httpcore2", "openai", "opentelemetry", "pydantic",
    "requests", "urllib3", "dotenv", "scripts", "service.secrets.aws", "service.aws_session",
)  # fmt: skip
"""Each costs between 30 ms and a second: callers wait for a machine that starts with their call."""
CASCADE = {"SPEECH_PROVIDER": "cascade", "ASR_MODEL": "a", "LLM_MODEL": "l", "TTS_MODEL": "n/J"} | {
    f"{part}_BASE_URL": "http://127.0.0.1:1/v1" for part in ("ASR", "LLM")
}
AWS = "aws-secretsmanager:bridge/keys"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"OPENAI_API_KEY": "k"}, id="plain"),
        pytest.param({"OPENAI_API_KEY": "k", "METRICS": "off"}, id="no metrics"),
        pytest.param(
            {"SECRETS_URL": AWS, "OPENAI_API_KEY_SECRET": AWS, "AWS_ROLE_ARN": "arn:aws:iam::1:r"},
            id="secrets in AWS",
        ),
        pytest.param(
            {
                "SPEECH_PROVIDER": "azure",
                "AZURE_OPENAI_ENDPOINT": "https://x.example",
                "AZURE_OPENAI_DEPLOYMENT": "d",
                "AZURE_OPENAI_API_KEY_SECRET": AWS,
            },
            id="Azure's key in AWS",
        ),
        pytest.param(CASCADE | {"TTS_BASE_URL": "http://127.0.0.1:1/v1"}, id="cascade"),
        pytest.param(CASCADE | {"TTS_BASE_URL": "aws-polly://eu-west-1"}, id="Polly"),
    ],
)
def test_what_the_start_does_not_need_is_not_imported(settings: dict[str, str]):
    code = (
        "import sys; from service import start_checks; from service.__main__ import build; "
        "from service.settings import Settings; "
        f"settings = {settings | {'ALLOW_ANONYMOUS': '1', 'EVENTS_URL': 'off:'}!r}; "
        "build(Settings.from_env(settings, check=start_checks.problems_of)).config.load(); "
        f"print([m for m in {NOT_AT_THE_START!r} if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert found.stdout.strip() == "[]"


# A fleet.


def test_a_process_that_nobody_needs_ends_by_itself_but_never_with_a_call():
    async def scenario() -> tuple[float, int, CallReport]:
        loop = asyncio.get_running_loop()
        async with serving(IDLE_EXIT_SECONDS="1") as service:

            async def script(call: GenesysCall) -> None:
                await greeted(call)
                await call.sleep(2.5)  # longer than the process would wait without a call
                await say(call)

            report = await play_call(setup_for(service), script)
            ended_s = loop.time()
            exit_code = await service.ended(10)
            return loop.time() - ended_s, exit_code, report

    after_s, exit_code, report = run(scenario())

    assert exit_code == 0
    assert 0.9 <= after_s < 6
    assert report.failure is None
    assert len(report.response_latencies_ms) == 1


def test_twenty_calls_outlive_the_signal_and_end_as_their_callers_like():
    async def scenario() -> tuple[list[CallReport], int, list[dict[str, Any]]]:
        async with serving() as service:
            greeted_calls = 0

            async def script(call: GenesysCall) -> None:
                nonlocal greeted_calls
                await greeted(call)
                greeted_calls += 1
                while greeted_calls < 20:
                    await call.sleep(0.05)
                if service.process.returncode is None and greeted_calls == 20:
                    greeted_calls += 1
                    terminate(service)
                await call.sleep(0.5)
                await say(call)

            calls = (play_call(setup_for(service), script) for _ in range(20))
            reports = await asyncio.gather(*calls)
            return reports, await service.ended(20), service.log

    reports, exit_code, log = run(scenario())

    assert exit_code == 0
    assert [report.failure for report in reports] == [None] * 20
    assert [report.violations for report in reports] == [[]] * 20
    assert all(report.response_latencies_ms for report in reports)
    assert sum(line["message"] == "call ended" for line in log) == 20


def test_calls_that_are_too_many_are_refused_at_once_and_the_others_do_not_notice():
    async def scenario() -> tuple[CallReport, list[float], list[Answer]]:
        loop = asyncio.get_running_loop()
        waits: list[float] = []
        refusals: list[Answer] = []
        async with serving(MAX_CALLS="1") as service:

            async def script(call: GenesysCall) -> None:
                await greeted(call)
                for _ in range(20):
                    began = loop.time()
                    refusals.append(await ring(service))
                    waits.append(loop.time() - began)
                await say(call)

            return await play_call(setup_for(service), script), waits, refusals

    report, waits, refusals = run(scenario())

    assert {answer.status for answer in refusals} == {503}
    assert statistics.median(waits) < 0.25
    assert max(report.rtts_ms) < 250
    assert report.violations == []
    assert len(report.response_latencies_ms) == 1
