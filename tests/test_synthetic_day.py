from pathlib import Path

from scripts.synthetic_day import ENDS, synthetic_day, write_day
from service.call_events import CallEndedData, to_json
from service.call_events_reading import from_json


def test_same_seed_is_the_same_day():
    assert list(synthetic_day(20, seed=3)) == list(synthetic_day(20, seed=3))
    assert list(synthetic_day(20, seed=3)) != list(synthetic_day(20, seed=4))


def test_every_event_fits_the_contract_and_comes_in_its_time():
    for events in synthetic_day(50):
        assert [from_json(to_json(event)) for event in events] == events
        assert [event.time for event in events] == sorted(event.time for event in events)
        assert len({event.id for event in events}) == len(events)


def test_day_has_every_kind_of_end():
    ends = {
        call[-1].data.end_reason
        for call in synthetic_day(500)
        if isinstance(call[-1].data, CallEndedData)
    }

    assert ends == set(ENDS)


def test_day_is_written_as_the_service_writes_it(tmp_path: Path):
    events = write_day(tmp_path, 10)

    files = sorted(tmp_path.glob("dt=2026-11-22/*.ndjson"))
    assert len(files) == 10
    assert sum(path.read_bytes().count(b"\n") for path in files) == events
