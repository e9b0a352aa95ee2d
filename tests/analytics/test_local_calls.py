import json
from pathlib import Path

from service.analytics.local_calls import record_files
from service.call_events import to_json
from tests.analytics.scene import call_of_turns
from tests.contracts.event_examples import SESSION

CALL = call_of_turns(2)


def test_event_files_of_the_service_become_documents(tmp_path: Path):
    events, analytics = tmp_path / "events", tmp_path / "analytics"
    (events / "dt=2026-11-22").mkdir(parents=True)
    path = events / "dt=2026-11-22" / f"{SESSION}.ndjson"
    path.write_bytes(b"\n".join(map(to_json, CALL)) + b'\n{"specversion":"1.')

    first = record_files(events, analytics)
    second = record_files(events, analytics)

    assert first == second
    assert first.events == len(CALL)
    assert [reason.split(": ")[0] for reason in first.refused] == [f"{SESSION}.ndjson:5"]
    [line] = (analytics / "completed.ndjson").read_text().splitlines()
    documents = json.loads(line)["documents"].values()
    assert all((analytics / "lake" / key).is_file() for key in documents)
