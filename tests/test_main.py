import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service import __main__ as command
from service import start_checks, wiring
from service.loop_lag import LoopLag
from service.server import CallServer
from service.settings import VOICES, Settings

ROOT = Path(__file__).parents[1]
GOOD = {"OPENAI_API_KEY": "a-model-key", "ALLOW_ANONYMOUS": "1", "EVENTS_URL": "off:"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    for name in os.environ:
        if name != "PATH":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_dotenv_file_the_environment_is_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORT", "1234")

    assert command.environment() is os.environ


def test_the_environment_wins_over_the_dotenv_file(alone: Path, monkeypatch: pytest.MonkeyPatch):
    (alone / ".env").write_text("PORT=1\nHOST=from-the-file\n")
    monkeypatch.setenv("PORT", "2")

    found = command.environment()

    assert (found["PORT"], found["HOST"]) == ("2", "from-the-file")


def test_a_json_object_in_the_dotenv_file_is_kept_as_it_is(alone: Path):
    (alone / ".env").write_text('AUDIOHOOK_KEYS=\'{"key": ["QQ==", null]}\'\nEMPTY\nPUBLIC_HOST=\n')

    found = command.environment()

    assert found["AUDIOHOOK_KEYS"] == '{"key": ["QQ==", null]}'
    assert found["EMPTY"] == found["PUBLIC_HOST"] == ""


def test_bad_settings_end_with_2_and_a_line_for_each_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PORT", "nowhere")
    monkeypatch.setenv("AUDIOHOOK_KEYS", "{")

    code = command.main()

    told = capsys.readouterr()
    names = [line.partition(":")[0] for line in told.err.splitlines()]
    assert code == 2
    assert told.out == ""
    assert sorted(names) == ["AUDIOHOOK_KEYS", "OPENAI_API_KEY", "PORT"]


def test_the_server_is_built_from_the_settings():
    settings = Settings.from_env(GOOD | {"HOST": "127.0.0.1", "PORT": "0", "DRAIN_SECONDS": "7"})

    server = command.build(settings)

    assert isinstance(server, CallServer)
    assert (server.config.host, server.config.port) == ("127.0.0.1", 0)
    assert server.has_cut_calls is False


def test_building_opens_no_port_and_writes_no_file(alone: Path):
    server = command.build(Settings.from_env(GOOD | {"EVENTS_URL": "file:./events"}))
    server.handle_exit(signal.SIGTERM, None)

    assert not server.started
    assert list(alone.iterdir()) == []


def test_mistakes_in_the_bots_files_are_problems_of_the_start(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (alone / "bots").mkdir()
    (alone / "bots" / "default.toml").write_text("instructions = 'Be brief.'\nvoise = 'marin'\n")
    (alone / "bots" / "bank.toml").write_text("instructions = 'Be brief.'\nvoice = 'fable'\n")
    for name, value in (GOOD | {"BOTS_URL": "file:bots", "PORT": "x"}).items():
        monkeypatch.setenv(name, value)

    code = command.main()

    lines = sorted(capsys.readouterr().err.splitlines())
    assert code == 2
    assert [line.partition(", got")[0] for line in lines] == [
        f"BOTS_URL: bank.toml: voice: expected one of {', '.join(VOICES)}, or voice_… for your own",
        "BOTS_URL: default.toml: voise: no such key; did you mean voice?",
        "PORT: expected a whole number from 0 to 65535",
    ]


def test_a_folder_of_bots_that_is_not_there_is_a_problem():
    assert "BOTS_URL" in str(problems_of(BOTS_URL="file:./nowhere"))


def test_secrets_of_aws_are_not_looked_for_before_the_service_runs():
    assert problems_of(SECRETS_URL="aws-secretsmanager:nowhere", ALLOW_ANONYMOUS="0") == []


def test_secrets_of_aws_without_boto3_are_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boto3", None)

    assert problems_of(SECRETS_URL="aws-secretsmanager:x") == [
        "SECRETS_URL: AWS needs the extra `aws`: pip install '.[aws]'"
    ]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"OPENAI_API_KEY": "", "OPENAI_API_KEY_SECRET": "aws-secretsmanager:x"}, "OPENAI"),
        ({"AZURE_OPENAI_API_KEY_SECRET": "aws-secretsmanager:x"}, "AZURE_OPENAI"),
    ],
)
def test_key_in_aws_without_boto3_is_a_problem(
    settings: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "boto3", None)

    (problem,) = problems_of(**settings)
    assert problem.startswith(f"{name}_API_KEY_SECRET: AWS needs the extra `aws`")


def problems_of(**changes: str) -> list[str]:
    return start_checks.problems_of(Settings.from_env(GOOD | changes))


def test_a_queue_for_events_needs_boto3(monkeypatch: pytest.MonkeyPatch):
    url = "sqs:https://sqs.eu-central-1.amazonaws.com/123456789012/calls"
    with_it = problems_of(EVENTS_URL=url)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert with_it == []
    assert problems_of(EVENTS_URL=url) == [
        "EVENTS_URL: sqs: needs the extra `aws`: pip install '.[aws]'"
    ]


def test_building_with_a_queue_loads_no_boto3_and_makes_no_spool(alone: Path):
    code = (
        "import sys; from service import wiring; from service.settings import Settings\n"
        f"settings = Settings.from_env({GOOD | {'EVENTS_URL': 'sqs:http://127.0.0.1:9/1/q'}!r})\n"
        "wiring.make_events(settings)\n"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert done.returncode == 0
    assert list(alone.iterdir()) == []


@pytest.mark.parametrize("url", ["file:./events", "sqs:http://127.0.0.1:9/1/q"])
def test_a_disk_that_goes_away_with_the_machine_is_warned_of(
    url: str, caplog: pytest.LogCaptureFixture
):
    wiring.make_events(Settings.from_env(GOOD | {"EVENTS_URL": url, "FLY_MACHINE_ID": "1"}))

    assert "outlive" in caplog.text


@pytest.mark.parametrize(
    ("most_ms", "lag_s", "is_overloaded"),
    [("250", 0.25, False), ("250", 0.251, True), ("0", 60.0, False)],
)
def test_a_late_loop_is_an_overload_as_the_settings_say(
    most_ms: str, lag_s: float, is_overloaded: bool
):
    lag = LoopLag()
    lag.recent_s = lag_s
    settings = Settings.from_env(GOOD | {"MAX_LOOP_LAG_MS": most_ms})

    assert command._overload_of(settings, lag)() is is_overloaded
