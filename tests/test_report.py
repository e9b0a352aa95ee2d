"""The report as a command, over folders of calls."""

import re
import time
from pathlib import Path

import pytest

from scripts.report import NoCallsError, main, write_report
from scripts.synthetic_day import synthetic_day, write_day
from service.analytics.local_calls import record_files
from service.call_events import CallEndedData, CallEvent, to_json
from tests.analytics.scene import call_of_turns
from tests.reporting.reader import Reader, read
from tests.reporting.scene import write_calls

CALLS = 300


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    write_day(folder / "events", CALLS)
    return folder


def one_file(folder: Path, output: Path, pages: int = 10) -> Reader:
    return read(write_report(folder, output, pages=pages).path.read_text(encoding="utf-8"))


def end_of(call: list[CallEvent]) -> CallEndedData:
    assert isinstance(call[-1].data, CallEndedData)
    return call[-1].data


def test_the_figures_are_the_truth_of_the_day(day: Path, tmp_path: Path):
    ends = [end_of(call) for call in synthetic_day(CALLS)]
    contained = sum(end.disposition == "contained" for end in ends)
    usd = sum(end.cost.total or 0 for end in ends if end.cost)
    waits = sorted(wait for end in ends for wait in end.answer_latency_ms)

    text = one_file(day / "events", tmp_path / "report.html").text

    assert f"calls {CALLS} " in text
    assert f"{contained} calls" in text
    assert f"cost of the model ${usd:.2f} " in text
    assert f"answer, median {waits[len(waits) // 2 - (1 - len(waits) % 2)]} ms" in text
    assert f"{len(waits):,} answers" in text


def test_documents_of_the_recorder_make_the_same_report(day: Path, tmp_path: Path):
    record_files(day / "events", tmp_path / "events")

    of_events = write_report(day / "events", tmp_path / "a.html", pages=5)
    of_documents = write_report(tmp_path / "events", tmp_path / "b.html", pages=5)

    assert of_documents.path.read_bytes() == of_events.path.read_bytes()


def test_one_file_holds_the_worst_calls_and_its_links_stay_inside(day: Path, tmp_path: Path):
    drawn = one_file(day / "events", tmp_path / "report.html", pages=10)

    ids = set(drawn.values("id"))
    assert {f"c{number}" for number in range(1, 11)} <= ids
    assert all(href.startswith("#") and href[1:] in ids for href in drawn.values("href"))


def test_many_files_are_linked_both_ways(day: Path, tmp_path: Path):
    written = write_report(day / "events", tmp_path / "report", pages=10)
    index = read(written.path.read_text(encoding="utf-8"))

    hrefs = [a["href"] for a in index.of("a")]
    assert written.path == tmp_path / "report" / "index.html"
    assert len(hrefs) == 10
    for href in hrefs:
        page = tmp_path / "report" / href
        drawn = read(page.read_text(encoding="utf-8"))
        assert (page.parent / drawn.of("a")[0]["href"]).resolve() == written.path.resolve()


def test_pages_load_nothing_and_run_nothing(day: Path, tmp_path: Path):
    drawn = one_file(day / "events", tmp_path / "report.html")

    assert not {"script", "link", "iframe", "object", "img", "form"} & {t for t, _ in drawn.tags}
    assert drawn.values("src") == drawn.values("style") == []
    assert not [name for _, each in drawn.tags for name in each if name.startswith("on")]
    document = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|//\w+\.", document)


def test_thousands_of_calls_stay_quick_and_small(tmp_path: Path):
    write_day(tmp_path / "events", 2_000)

    began = time.monotonic()
    written = write_report(tmp_path / "events", tmp_path / "report")
    seconds = time.monotonic() - began

    assert seconds < 20  # 0.8 s on two idle cores
    assert (written.calls, written.pages) == (2_000, 50)
    assert written.path.stat().st_size < 100_000
    pages = list((tmp_path / "report" / "calls").iterdir())
    assert len(pages) == 50
    assert max(page.stat().st_size for page in pages) < 100_000


def test_a_single_call_is_its_own_page_with_its_sound(tmp_path: Path):
    write_calls(tmp_path / "calls", call_of_turns(4, "only"))
    sound = tmp_path / "calls" / "call.wav"
    sound.write_bytes(b"RIFF")

    written = write_report(tmp_path / "calls", tmp_path / "report.html", recording=sound)

    drawn = read(written.path.read_text(encoding="utf-8"))

    assert "all calls" not in drawn.text
    assert drawn.of("audio")[0]["src"] == "calls/call.wav"


def test_sound_of_one_of_many_lies_beside_its_events(tmp_path: Path):
    write_calls(tmp_path, call_of_turns(2, "one"), call_of_turns(2, "two words"))
    sound = next(tmp_path.glob("dt=*")) / "one.wav"
    sound.write_bytes(b"RIFF")

    write_report(tmp_path, tmp_path / "report")

    with_sound = [
        read(page.read_text(encoding="utf-8")).of("audio")[0]["src"]
        for page in (tmp_path / "report" / "calls").iterdir()
        if "<audio" in page.read_text(encoding="utf-8")
    ]
    assert with_sound == [f"../../{sound.parent.name.replace('=', '%3D')}/one.wav"]


def test_an_evil_id_of_a_call_writes_no_file_elsewhere(tmp_path: Path):
    events = call_of_turns(2, "../../../evil<script>")
    path = tmp_path / "events" / "evil.ndjson"
    path.parent.mkdir()
    path.write_bytes(b"\n".join(map(to_json, events)))

    write_report(tmp_path / "events", tmp_path / "out" / "report")

    names = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert len(names) == 3
    assert all(name.startswith(("events/evil", "out/report/")) for name in names)


def test_the_command_says_where_the_report_is(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "r.html"

    code = main([str(day / "events"), "-o", str(output), "--calls", "3", "--order", "newest"])

    told = capsys.readouterr()
    assert code == 0
    assert told.out == f"{output}\n"
    assert told.err == f"report: {CALLS} calls, 3 of them with a page\n"


def test_a_folder_without_calls_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_calls(tmp_path, call_of_turns(2)[:-1])

    with pytest.raises(NoCallsError, match="1 without an end"):
        write_report(tmp_path, tmp_path / "report.html")
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.count("report: ") == 2
