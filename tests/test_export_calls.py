import json
from pathlib import Path

import pytest

from scripts.export_calls import export_calls, main
from scripts.forget_call import forget_locally
from scripts.synthetic_day import synthetic_day, write_day
from service.analytics.local_calls import record_files
from service.call_events import CallEndedData, CallEvent
from tests.analytics.scene import call_of_turns
from tests.reporting.scene import write_calls


def end_of(call: list[CallEvent]) -> CallEndedData:
    assert isinstance(call[-1].data, CallEndedData)
    return call[-1].data


def exports(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "lake" / "exports").rglob("*") if path.is_file())


def test_every_call_of_event_files_is_exported_in_both_formats(tmp_path: Path):
    write_day(tmp_path / "events", 20)

    exported = export_calls(tmp_path / "events", tmp_path / "out")

    assert (exported.calls, exported.without_end, exported.refused) == (20, 0, ())
    files = exports(tmp_path / "out")
    assert len(files) == 40
    said = {
        entry["text"]
        for path in files
        if path.suffix == ".vcon"
        for entry in json.loads(path.read_bytes())["analysis"][0]["body"]
    }
    truth = {
        event.data.text
        for call in synthetic_day(20)
        for event in call
        if event.type == "call.turn.v1" and hasattr(event.data, "text")
    }
    assert said == truth


def test_a_recorders_folder_gets_the_same_exports_in_place(tmp_path: Path):
    write_day(tmp_path / "events", 5)
    record_files(tmp_path / "events", tmp_path / "recorded")

    export_calls(tmp_path / "recorded")
    export_calls(tmp_path / "events", tmp_path / "out")

    in_place, beside = exports(tmp_path / "recorded"), exports(tmp_path / "out")
    assert [path.read_bytes() for path in in_place] == [path.read_bytes() for path in beside]
    assert list(tmp_path.glob("events/**/exports")) == []


def test_one_conversation_is_exported_and_forgotten(tmp_path: Path):
    write_day(tmp_path / "events", 5)
    conversation = end_of(next(synthetic_day(5))).conversation_id

    exported = export_calls(tmp_path / "events", tmp_path / "out", conversation_id=conversation)
    forget_locally(conversation, tmp_path / "out")

    assert exported.calls == 1
    assert exports(tmp_path / "out") == []


def test_calls_without_an_end_and_broken_lines_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_calls(tmp_path / "events", call_of_turns(2, "ended"), call_of_turns(2, "open")[:-1])
    with next((tmp_path / "events").rglob("open.ndjson")).open("ab") as file:
        file.write(b"{}\n")

    code = main([str(tmp_path / "events"), "-o", str(tmp_path / "out")])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["calls"], told["without_end"], len(told["refused"])) == (1, 1, 1)


def test_event_files_need_a_place_to_be_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "recorded" / "table").mkdir(parents=True)
    for arguments, told in (
        ([str(tmp_path)], "-o DIR"),
        ([str(tmp_path / "nowhere")], "no folder"),
        ([str(tmp_path / "recorded"), "-o", str(tmp_path / "out")], "without -o"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert told in capsys.readouterr().err
    assert main([str(tmp_path), "-o", str(tmp_path / "out")]) == 1
