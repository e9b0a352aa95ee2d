import gzip
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scripts.reporting.calls import MAX_NAMED, Call, sources_in
from scripts.synthetic_day import synthetic_day, write_day
from service.analytics.local_calls import record_files
from service.call_events import CallEndedData, TurnData
from tests.analytics.scene import call_of_turns
from tests.reporting.scene import calls_in, write_calls
from tests.test_event_schemas import document


def facts(calls: list[Call]) -> list[Any]:
    return [
        (
            msgspec.to_builtins(call.ended) | {"language": call.language, "dnis": call.dnis},
            call.turns,
        )
        for call in calls
    ]


def test_event_files_and_documents_of_the_recorder_tell_the_same_calls(tmp_path: Path):
    write_day(tmp_path / "events", 30)
    record_files(tmp_path / "events", tmp_path / "recorded")

    of_events, gaps = calls_in(tmp_path / "events")
    of_recorder, more_gaps = calls_in(tmp_path / "recorded")
    of_lake, _ = calls_in(tmp_path / "recorded" / "lake")

    truth = [call[-1].data for call in synthetic_day(30)]
    assert [call.ended for call in of_events] == truth
    assert facts(of_recorder) == facts(of_lake) == facts(of_events)
    assert all(call.language for call in of_events)
    assert gaps == more_gaps
    assert (gaps.open_calls, gaps.refused_lines) == (0, 0)


def test_events_of_a_call_may_come_twice_in_any_order_and_past_midnight(tmp_path: Path):
    events = [
        msgspec.structs.replace(event, time=event.time + timedelta(hours=hour))
        for hour, event in zip((0, 1, 2, 23, 24, 24), call_of_turns(4), strict=True)
    ]
    mixed = [*events, *events]
    random.Random(1).shuffle(mixed)

    [call], gaps = calls_in(write_calls(tmp_path, mixed))

    assert len(list(tmp_path.glob("dt=*"))) == 2
    assert [turn.seq for turn in call.turns] == [1, 2, 3, 4]
    assert call.missing_turns == 0
    assert gaps.open_calls == 0


def test_own_end_of_the_service_wins_over_the_sweepers(tmp_path: Path):
    *begin, end = call_of_turns(2)
    assert isinstance(end.data, CallEndedData)
    lost = msgspec.structs.replace(
        end, data=msgspec.structs.replace(end.data, end_reason="lost", disposition="abandoned")
    )

    for folder, ends in (("first", [lost, end]), ("last", [end, lost])):
        [call], _ = calls_in(write_calls(tmp_path / folder, [*begin, *ends]))
        assert call.ended == end.data


def test_what_cannot_be_read_is_counted_and_named_without_its_words(tmp_path: Path):
    write_calls(tmp_path, call_of_turns(2, "whole"), call_of_turns(2, "open")[:-1])
    path = tmp_path / "dt=2026-11-22" / "whole.ndjson"
    with path.open("ab") as file:
        file.write(b'{"secret words\n' * (MAX_NAMED + 3))

    calls, gaps = calls_in(tmp_path)

    assert [call.ended.session_id for call in calls] == ["whole"]
    assert gaps.open_calls == 1
    assert gaps.refused_lines == MAX_NAMED + 3
    assert len(gaps.refused) == MAX_NAMED
    assert gaps.refused[0].startswith("whole.ndjson:5: ")
    assert "secret" not in "".join(gaps.refused)


def test_a_missing_turn_is_known(tmp_path: Path):
    started, _, second, ended = call_of_turns(2)

    [call], _ = calls_in(write_calls(tmp_path, [started, second, ended]))

    assert isinstance(second.data, TurnData)
    assert call.turns == (second.data,)
    assert call.missing_turns == 1


def test_documents_that_are_broken_are_told(tmp_path: Path):
    write_day(tmp_path / "events", 4)
    record_files(tmp_path / "events", tmp_path / "recorded")
    cut, no_row, no_transcript, _ = sorted((tmp_path / "recorded/lake/calls").glob("*/*"))
    cut.write_bytes(cut.read_bytes()[:-9])
    no_row.write_bytes(gzip.compress(b'{"session_id": 1}\n'))
    name = no_transcript.name.removesuffix(".ndjson.gz")
    next((tmp_path / "recorded/lake/transcripts").glob(f"*/{name}.json")).unlink()

    calls, gaps = calls_in(tmp_path / "recorded")

    assert len(calls) == 1
    assert gaps.refused_lines == 3


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        sources_in(tmp_path / "nowhere")


def test_a_judgement_beside_the_documents_is_read_and_a_broken_one_costs_no_call(tmp_path: Path):
    write_day(tmp_path / "events", 2)
    record_files(tmp_path / "events", tmp_path / "recorded")
    lake = tmp_path / "recorded" / "lake"
    first, second = (path.name.removesuffix(".ndjson.gz") for path in lake.glob("calls/*/*"))
    [day] = {path.parent.name for path in lake.glob("calls/*/*")}
    (lake / "analysis" / day).mkdir(parents=True)
    example = document("call.analysis.v1")
    (lake / "analysis" / day / f"{first}.json").write_text(json.dumps(example))
    (lake / "analysis" / day / f"{second}.json").write_text('{"words": "')

    calls, gaps = calls_in(tmp_path / "recorded")

    models = {call.ended.session_id: call.analysis and call.analysis.model for call in calls}
    assert models == {first: example["data"]["model"], second: None}
    assert gaps.refused == [f"{second}.json: its judgement cannot be read"]
