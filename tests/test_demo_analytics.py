from pathlib import Path

import pytest

from scripts.demo_analytics import LocalAnalytics, NotRecordedError
from scripts.report import NoCallsError
from tests.analytics.scene import call_of_turns
from tests.reporting.reader import read
from tests.reporting.scene import write_calls


def test_the_recorders_documents_and_the_report_lie_in_the_demos_folder(tmp_path: Path):
    write_calls(tmp_path, call_of_turns(4, "one"))
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF")

    analytics = LocalAnalytics(tmp_path)
    events = analytics.events_of("one")
    assert events == tmp_path / "dt=2026-11-22" / "one.ndjson"
    report = analytics.report(events, recording)

    drawn = read(report.read_text(encoding="utf-8"))
    assert report == tmp_path / "report.html"
    assert drawn.of("audio")[0]["src"] == "call.wav"
    assert "words 4" in drawn.text
    recorded = {path.parent.name for path in (tmp_path / "analytics").rglob("*.*")}
    assert recorded >= {"one", "dt=2026-11-22", "analytics"}


def test_an_event_that_is_none_and_a_call_without_an_end_are_told(tmp_path: Path):
    write_calls(tmp_path, call_of_turns(1, "one")[:-1])
    path = tmp_path / "dt=2026-11-22" / "one.ndjson"
    analytics = LocalAnalytics(tmp_path)

    with pytest.raises(NoCallsError):
        analytics.report(path, tmp_path / "call.wav")
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(NotRecordedError, match=r"one.ndjson:3"):
        analytics.report(path, tmp_path / "call.wav")


def test_a_call_that_published_nothing_has_no_events(tmp_path: Path):
    assert LocalAnalytics(tmp_path).events_of("one") is None
