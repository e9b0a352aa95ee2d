import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.judge_calls import MAX_BUSY, main
from scripts.report import write_report
from tests.analytics.scene import call_of_turns
from tests.analytics.test_judge_openai import Endpoint, answers, endpoint
from tests.analytics.test_judging import ANSWER
from tests.reporting.scene import write_calls

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    answers(200, {"content": json.dumps(ANSWER)})
    with endpoint() as address:
        yield address


@pytest.fixture
def events(tmp_path: Path) -> Path:
    calls = [call_of_turns(2, f"call-{number}") for number in range(MAX_BUSY + 2)]
    return write_calls(tmp_path / "events", *calls, call_of_turns(2, "open")[:-1])


def run(capsys: Capture, *arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    code = main(["--model", "m", *map(str, arguments)])
    told = capsys.readouterr()
    return code, json.loads(told.out or "{}"), told.err


def test_calls_are_judged_once_and_the_report_shows_it(
    url: str, events: Path, tmp_path: Path, capsys: Capture
):
    folder = tmp_path / "recorded"

    code, done, told = run(capsys, events, "-o", folder, "--base-url", url)
    again, before, _ = run(capsys, folder, "--base-url", url)

    assert (code, again) == (0, 0)
    assert (done["judged"], done["open"], done["left"]) == (MAX_BUSY + 2, 1, 0)
    assert (before["judged"], before["before"]) == (0, MAX_BUSY + 2)
    assert "1 of 6, call-0: judged" in told
    page = write_report(folder, tmp_path / "report.html").path.read_text()
    assert "The caller asked for the opening hours." in page


def test_openais_key_goes_to_openai_alone(
    url: str, events: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    run(capsys, events, "-o", tmp_path / "first", "--base-url", url)
    without = Endpoint.authorization
    monkeypatch.setenv("JUDGE_API_KEY", "sk-judge")
    run(capsys, events, "-o", tmp_path / "second", "--base-url", url)

    assert (without, Endpoint.authorization) == (None, "Bearer sk-judge")


def test_a_judge_that_is_down_is_not_asked_about_every_call_and_another_run_does_the_rest(
    url: str, events: Path, tmp_path: Path, capsys: Capture
):
    folder = tmp_path / "recorded"
    answers(503, {})
    code, done, told = run(capsys, events, "-o", folder, "--base-url", url)
    answers(200, {"content": json.dumps(ANSWER)})
    _, after, _ = run(capsys, folder, "--base-url", url)

    assert (code, done["judged"]) == (1, 0)
    assert done["left"] == MAX_BUSY + 3
    assert told.count("left: the endpoint answered 503") == MAX_BUSY
    assert (after["judged"], after["left"]) == (MAX_BUSY + 2, 0)


def test_a_wrong_key_is_said_at_once(url: str, events: Path, tmp_path: Path, capsys: Capture):
    answers(401, {})

    code, _, told = run(capsys, events, "-o", tmp_path / "recorded", "--base-url", url)

    assert code == 1
    assert "look at the judge's address, key and model" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["nowhere"], ["{events}"], ["{events}", "--base-url", "x"]])
def test_what_cannot_be_is_said(arguments: list[str], events: Path, capsys: Capture):
    with pytest.raises(SystemExit):
        main(["--model", "m", *(each.format(events=events) for each in arguments)])
    assert "error: " in capsys.readouterr().err
