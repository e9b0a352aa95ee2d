from pathlib import Path

from service.analytics.local import FileBus, FileLake, FileTable
from service.analytics.port import CallTable
from service.analytics.recorder import Recorder
from tests.analytics.scene import World, call_of_turns
from tests.contracts.call_table_contract import CallTableContract
from tests.contracts.event_examples import SESSION

CALL = call_of_turns(3)


class TestContractOfFiles(CallTableContract):
    def make(self, tmp_path: Path) -> CallTable:
        return FileTable(tmp_path)


def test_call_recorded_in_files_is_the_same_as_anywhere(tmp_path: Path):
    world = World()
    local = Recorder(
        FileTable(tmp_path / "table"), FileLake(tmp_path / "lake"), FileBus(tmp_path / "bus.ndjson")
    )

    for event in [*reversed(CALL), *CALL]:
        world.recorder().record(event)
        local.record(event)

    lake = tmp_path / "lake"
    written = {path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file()}
    assert written == world.lake.keys()
    assert {key: (lake / key).read_bytes() for key in written} == world.lake
    assert (tmp_path / "bus.ndjson").read_text().count(SESSION) > 0
    assert (tmp_path / "bus.ndjson").read_text().count("\n") == len(world.bus)


def test_erased_document_is_gone(tmp_path: Path):
    lake = FileLake(tmp_path)
    lake.put("calls/dt=2026-11-22/a.ndjson.gz", b"x")

    assert lake.erase("calls/dt=2026-11-22/a.ndjson.gz")
    assert not lake.erase("calls/dt=2026-11-22/a.ndjson.gz")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_judgements_are_lines_of_a_file_of_their_own(tmp_path: Path):
    FileBus(tmp_path / "completed.ndjson").call_analyzed(b'{"subject":"c"}')
    assert (tmp_path / "analyzed.ndjson").read_bytes() == b'{"subject":"c"}\n'
