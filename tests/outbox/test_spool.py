import logging
from pathlib import Path

import pytest

from service.outbox import spool as spool_module
from service.outbox.spool import Spool, Spooled

BODIES = [f'{{"number": {number}}}'.encode() for number in range(9)]


def bodies(events: list[Spooled]) -> list[bytes]:
    return [event.body for event in events]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_events_wait_until_they_are_settled(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.append(BODIES)

    events = spool.read(at_least=99)
    depths = [spool.depth]
    spool.settle(events[:4])
    depths.append(spool.depth)
    spool.settle(events[4:])

    assert bodies(events) == BODIES
    assert [*depths, spool.depth] == [9, 5, 0]
    assert spool.read(at_least=1) == []


def test_spool_that_delivered_everything_leaves_no_folder(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.append(BODIES)
    spool.settle(spool.read(at_least=99))

    spool.close()

    assert list(tmp_path.iterdir()) == []


def test_what_is_left_is_inherited_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    first = Spool(tmp_path)
    first.append(BODIES)
    first.settle(first.read(at_least=99)[:4])
    first.close()

    second = Spool(tmp_path)
    second.inherit()
    second.append([b"new"])
    events = second.read(at_least=99)
    depth = second.depth
    second.settle(events)
    second.close()

    assert bodies(events) == [*BODIES[4:], b"new"]
    assert (depth, second.depth) == (6, 0)
    (record,) = caplog.records
    assert (record.levelno, vars(record)["events"]) == (logging.WARNING, 5)
    assert list(tmp_path.iterdir()) == []


def test_living_neighbour_is_left_alone(tmp_path: Path):
    neighbour = Spool(tmp_path)
    neighbour.append(BODIES)
    spool = Spool(tmp_path)

    spool.inherit()

    assert (spool.depth, spool.read(at_least=1)) == (0, [])


def test_without_a_disk_events_wait_in_memory_and_go_there_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    root = tmp_path / "spool"
    root.write_text("no directory")
    spool = Spool(root)
    spool.append(BODIES[:2])
    spool.append(BODIES[2:4])
    before = spool.unwritten
    root.unlink()

    spool.append([])
    after = spool.unwritten
    spool.close()
    heir = Spool(root)
    heir.inherit()

    assert (before, after) == (4, 0)
    assert bodies(heir.read(at_least=99)) == BODIES[:4]
    assert messages(caplog)[:2] == [
        "events cannot be spooled: they are kept in memory alone",
        "events are spooled again",
    ]


def test_without_a_disk_events_are_delivered_from_memory(tmp_path: Path):
    root = tmp_path / "spool"
    root.write_text("no directory")
    spool = Spool(root)
    spool.append(BODIES)

    events = spool.read(at_least=4)
    spool.settle(events)

    assert bodies(events) == BODIES[:4]
    assert spool.depth == 5


def test_memory_is_behind_what_the_disk_took_before(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.append(BODIES[:3])
    spool._unwritten.extend(BODIES[3:])  # as a disk that fails from now on leaves it

    assert bodies(spool.read(at_least=99)) == BODIES


def test_full_spool_loses_what_is_new_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spool = Spool(tmp_path, max_bytes=60)

    for body in BODIES:
        spool.append([body])

    events = spool.read(at_least=99)
    kept = len(events)
    assert 0 < kept < len(BODIES)
    assert bodies(events) == BODIES[:kept]
    assert (spool.lost, spool.depth) == (len(BODIES) - kept, kept)
    assert messages(caplog) == ["events are lost: the spool is full"]


def test_memory_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_module, "MAX_MEMORY_BYTES", 40)
    (tmp_path / "spool").write_text("no directory")
    spool = Spool(tmp_path / "spool")

    for body in BODIES:
        spool.append([body])

    assert (spool.depth, spool.lost) == (3, 6)


def test_spool_that_cannot_be_read_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spool = Spool(tmp_path)
    spool.append(BODIES)
    (segment,) = tmp_path.glob("*/*.seg")
    segment.rename(tmp_path / "elsewhere")

    nothing = [spool.read(at_least=1), spool.read(at_least=1)]
    (tmp_path / "elsewhere").rename(segment)

    assert nothing == [[], []]
    assert messages(caplog) == ["the spool cannot be read"]
    assert bodies(spool.read(at_least=99)) == BODIES


def test_what_nobody_takes_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_module, "MAX_REJECTED", 2)
    spool = Spool(tmp_path)

    kept = [spool.set_aside(body) for body in BODIES[:3]]

    assert kept == [True, True, False]
    files = (tmp_path / "rejected").iterdir()
    assert sorted(path.read_bytes() for path in files) == BODIES[:2]


def test_thread_that_comes_too_late_changes_nothing(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.append(BODIES)
    events = spool.read(at_least=99)
    spool.close()

    spool.settle(events)
    heir = Spool(tmp_path)
    heir.inherit()

    assert heir.depth == len(BODIES)


def test_spool_that_cannot_be_taken_over_is_left_for_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    dead = Spool(tmp_path)
    dead.append(BODIES)
    dead.close()
    (segment,) = tmp_path.glob("*/*.seg")
    segment.rename(tmp_path / "elsewhere")
    segment.mkdir()  # can be listed, and cannot be read
    spool = Spool(tmp_path)

    spool.inherit()
    said = messages(caplog)
    segment.rmdir()
    (tmp_path / "elsewhere").rename(segment)
    spool.inherit()

    assert said == ["a spool cannot be taken over"]
    assert bodies(spool.read(at_least=99)) == BODIES
