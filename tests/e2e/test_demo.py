"""The demo as a command: what it prints, what it leaves behind, and how it fails."""

import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.demo_plans import BOTS
from scripts.service_process import ROOT
from tests.reporting.reader import read

pytestmark = pytest.mark.timeout(180)

SIDES = ("caller", "agent")
KEYS = {
    "ok": bool,
    "turns": list,
    "barge_ins": int,
    "answer_latency_ms": list,
    "disconnect": dict | None,
    "recording": str | None,
    "events": str | None,
}
TURN = {
    "speaker": str,
    "text": str,
    "heard": str,
    "start_ms": int,
    "end_ms": int,
    "interrupted": bool,
}


def demo(*arguments: str, timeout_s: float = 20) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.call", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def has_every_key(told: dict[str, Any]) -> bool:
    return told.keys() == KEYS.keys() and all(
        isinstance(told[name], kind) for name, kind in KEYS.items()
    )


@dataclass
class Played:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.stdout)
        return told


@pytest.fixture(scope="module")
def demos() -> Iterator[dict[str, Played]]:
    """The demo of each bot and one on AWS, all at once; the longest lasts about a minute."""
    arguments = {bot: ["--bot", bot] for bot in BOTS} | {"aws": ["--bot", "bank", "--aws"]}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "scripts.call", "--json", "--scripted", *those],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, those in arguments.items()
    }
    demos = {}
    for name, process in running.items():
        stdout, stderr = process.communicate(timeout=150)
        demos[name] = Played(process.returncode, stdout, stderr)
    yield demos
    for played in demos.values():
        if recording := played.told["recording"]:
            shutil.rmtree(Path(recording).parent)


@pytest.fixture(scope="module")
def played(demos: dict[str, Played]) -> Played:
    """The demo as a newcomer runs it."""
    return demos["default"]


@pytest.mark.slow
def test_the_demo_prints_one_object_with_every_key_and_nothing_else(played: Played):
    assert played.stdout.count("\n") == 1
    assert has_every_key(played.told)


@pytest.mark.slow
@pytest.mark.parametrize("bot", BOTS)
def test_the_demo_is_a_good_call(demos: dict[str, Played], bot: str):
    assert demos[bot].told["ok"] is True, demos[bot].stderr
    assert demos[bot].exit_code == 0


@pytest.mark.slow
def test_the_bank_tells_the_balance_and_nobody_else_the_number(demos: dict[str, Played]):
    told = demos["bank"].told

    assert "Your balance is 1250.40 euros." in [turn["heard"] for turn in told["turns"]]
    assert "12345678" not in demos["bank"].stdout + demos["bank"].stderr
    assert "12345678" not in Path(told["events"]).read_text()


@pytest.mark.slow
def test_each_side_of_the_bilingual_call_speaks_both_languages(demos: dict[str, Played]):
    turns = demos["bilingual"].told["turns"]
    heard = {side: " ".join(t["heard"] for t in turns if t["speaker"] == side) for side in SIDES}

    assert "Sunday" in heard["caller"]
    assert "auf Wiederhören" in heard["caller"]
    assert "Sunday" in heard["agent"]
    assert "Auf Wiederhören" in heard["agent"]


@pytest.mark.slow
def test_reception_greets_at_once_and_passes_on(demos: dict[str, Played]):
    told = demos["reception"].told
    kinds = [json.loads(line) for line in Path(told["events"]).read_text().splitlines()]
    (ended,) = [event["data"] for event in kinds if event["type"] == "call.ended.v1"]

    assert told["turns"][0]["heard"].startswith("Welcome to Northwind.")
    assert told["turns"][0]["start_ms"] < 300
    assert ended["bot_ids"] == ["reception", "billing"]


@pytest.mark.slow
def test_the_demos_caller_is_answered_and_interrupts_once(played: Played):
    turns = played.told["turns"]

    assert played.told["barge_ins"] == 1
    assert [turn["speaker"] for turn in turns if turn["interrupted"]] == ["agent"]
    assert len(played.told["answer_latency_ms"]) >= 4
    assert all(0 < latency_ms < 5_000 for latency_ms in played.told["answer_latency_ms"])


@pytest.mark.slow
def test_every_turn_of_the_demo_is_whole(played: Played):
    for turn in played.told["turns"]:
        assert turn.keys() == TURN.keys()
        assert all(isinstance(turn[name], kind) for name, kind in TURN.items())
        assert turn["speaker"] in SIDES
        assert turn["start_ms"] <= turn["end_ms"]
        assert turn["interrupted"] or turn["heard"] == turn["text"]


@pytest.mark.slow
def test_the_demo_ends_with_a_person(played: Played):
    disconnect = played.told["disconnect"]

    assert disconnect["reason"] == "completed"
    assert disconnect["output_variables"]["BOT_STATUS"] == "transfer"
    assert disconnect["output_variables"]["TRANSFER_REASON"]
    assert disconnect["output_variables"].keys() == {
        "BOT_STATUS",
        "END_REASON",
        "TRANSFER_REASON",
        "TRANSFER_TARGET",
        "SUMMARY",
    }


@pytest.mark.slow
def test_the_demo_records_both_sides(played: Played):
    with wave.open(played.told["recording"]) as recording:
        shape = (recording.getnchannels(), recording.getsampwidth(), recording.getframerate())
        seconds = recording.getnframes() / recording.getframerate()
        frames = recording.readframes(recording.getnframes())

    assert shape == (2, 2, 8_000)
    assert seconds > 20
    left, right = memoryview(frames).cast("h")[::2], memoryview(frames).cast("h")[1::2]
    assert max(left) > 1_000
    assert max(right) > 1_000


@pytest.mark.slow
def test_the_demos_events_are_of_its_call_alone(played: Played):
    events = [json.loads(line) for line in Path(played.told["events"]).read_text().splitlines()]
    kinds = [event["type"] for event in events]

    assert kinds.count("call.started.v1") == kinds.count("call.ended.v1") == 1
    assert kinds.count("call.turn.v1") == len(played.told["turns"])
    assert len({event["sessionid"] for event in events}) == 1


@pytest.mark.slow
def test_events_that_went_through_aws_tell_the_same_call(demos: dict[str, Played]):
    told = demos["aws"].told
    folder = Path(told["recording"]).parent
    events = [json.loads(line) for line in Path(told["events"]).read_text().splitlines()]
    documents = {path.parents[1].name for path in (folder / "analytics" / "lake").rglob("*.*")}

    assert (demos["aws"].exit_code, told["ok"]) == (0, True), demos["aws"].stderr
    assert [event["type"] for event in events] == [
        "call.started.v1", *["call.turn.v1"] * len(told["turns"]), "call.ended.v1",
    ]  # fmt: skip
    assert {"calls", "turns", "transcripts", "vcon", "contact_lens"} <= documents
    assert "Your balance is 1250.40 euros." in (folder / "report.html").read_text(encoding="utf-8")
    assert [path for path in (folder / "spool").rglob("*") if path.is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("bot", BOTS)
def test_the_demo_ends_with_a_report_of_its_call(demos: dict[str, Played], bot: str):
    *_, last = demos[bot].stderr.splitlines()
    report = ROOT / last.removeprefix("demo: the report is ")

    drawn = read(report.read_text(encoding="utf-8"))

    assert report.parent == Path(demos[bot].told["recording"]).parent
    assert drawn.of("audio")[0]["src"] == "call.wav"
    for turn in demos[bot].told["turns"]:
        assert turn["heard"] in drawn.text
    assert (report.parent / "analytics" / "completed.ndjson").is_file()
    assert "12345678" not in drawn.text


def test_help_explains_itself():
    ended = demo("--help")

    assert ended.returncode == 0
    assert all(
        option in ended.stdout for option in ("--bot", "--json", "--live", "--wav", "--scripted")
    )


def test_a_demo_that_fails_prints_an_object_with_every_key(tmp_path: Path):
    ended = demo("--json", "--scripted", "--wav", str(tmp_path / "missing.wav"))

    told = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert has_every_key(told)
    assert told["ok"] is False
    assert "missing.wav" in ended.stderr


def test_a_file_that_is_no_wav_is_told_without_a_traceback(tmp_path: Path):
    (tmp_path / "words.wav").write_text("these are not samples")

    ended = demo("--json", "--scripted", "--wav", str(tmp_path / "words.wav"))

    assert ended.returncode == 1
    assert json.loads(ended.stdout)["ok"] is False
    assert "Traceback" not in ended.stderr


def test_a_live_demo_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    ended = demo("--live")

    assert ended.returncode == 2
    assert "OPENAI_API_KEY" in ended.stderr


def test_a_demo_of_an_unknown_bot_lists_those_there_are():
    ended = demo("--bot", "nobody")

    assert ended.returncode == 2
    assert all(bot in ended.stderr for bot in BOTS)
