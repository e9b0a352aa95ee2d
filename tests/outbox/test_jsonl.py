import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.call_events import CallEvent, to_json
from service.outbox import jsonl
from service.outbox.intake import MAX_EVENTS
from service.outbox.jsonl import JsonLinesSink, NoSink, append
from service.outbox.port import EventSink, OutboxState
from tests.contracts.event_examples import ENDED, EXAMPLES, SESSION, STARTED, TURN
from tests.contracts.event_sink_contract import EventSinkContract

DAY = "dt=2026-11-22"
ROOT = Path(__file__).parents[2]
WORDS = "Your new card"  # of TURN


def event(number: int = 0, *, session_id: str = SESSION, days: int = 0) -> CallEvent:
    return msgspec.structs.replace(
        STARTED,
        id=f"{session_id}/turn/{number}",
        sessionid=session_id,
        time=STARTED.time + timedelta(days=days),
    )


def write(directory: Path, *events: CallEvent) -> None:
    """Emit the events and close."""

    async def emit() -> None:
        sink = JsonLinesSink(directory)
        await sink.start()
        for each in events:
            sink.emit(each)
        await sink.aclose()

    asyncio.run(asyncio.wait_for(emit(), 10))


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()]


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*.*json"))


class TestContractOfFiles(EventSinkContract):
    def make(self, tmp_path: Path) -> EventSink:
        return JsonLinesSink(tmp_path / "events")

    def make_broken(self, tmp_path: Path) -> EventSink:
        (tmp_path / "events").write_text("no directory")
        return JsonLinesSink(tmp_path / "events")


class TestContractOfNothing(EventSinkContract):
    def make(self, tmp_path: Path) -> EventSink:
        return NoSink()

    make_broken = make


# What is written, and where.


def test_events_of_a_call_are_lines_of_its_file_of_the_day(tmp_path: Path):
    write(tmp_path / "not" / "there yet", *EXAMPLES.values())

    path = tmp_path / "not" / "there yet" / DAY / f"{SESSION}.ndjson"
    assert path.read_bytes() == b"".join(to_json(each) + b"\n" for each in EXAMPLES.values())


def test_each_call_has_its_own_file(tmp_path: Path):
    write(tmp_path, event(session_id="one"), event(session_id="two"), event(session_id="one"))

    assert files(tmp_path) == [f"{DAY}/one.ndjson", f"{DAY}/two.ndjson"]
    assert len(ids(tmp_path / DAY / "one.ndjson")) == 2


def test_day_is_that_of_the_event(tmp_path: Path):
    write(tmp_path, event(days=0), event(days=1))

    assert files(tmp_path) == [f"{DAY}/{SESSION}.ndjson", f"dt=2026-11-23/{SESSION}.ndjson"]


def test_file_that_is_there_is_continued(tmp_path: Path):
    write(tmp_path, event(1))
    write(tmp_path, event(2))

    assert ids(tmp_path / DAY / f"{SESSION}.ndjson") == [f"{SESSION}/turn/1", f"{SESSION}/turn/2"]


def test_events_are_written_in_the_order_in_which_they_came(tmp_path: Path):
    write(tmp_path, *(event(number) for number in range(3_000)))

    assert ids(tmp_path / DAY / f"{SESSION}.ndjson") == [
        f"{SESSION}/turn/{number}" for number in range(3_000)
    ]


def test_event_is_written_during_the_call(tmp_path: Path):
    path = tmp_path / DAY / f"{SESSION}.ndjson"

    async def emit() -> bool:
        sink = JsonLinesSink(tmp_path)
        await sink.start()
        sink.emit(STARTED)
        try:
            return await appears(path)
        finally:
            await sink.aclose()

    assert asyncio.run(emit())


async def appears(path: Path) -> bool:
    for _ in range(1_000):
        if path.exists() and path.stat().st_size:
            return True
        await asyncio.sleep(0.002)
    return False


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        ("../../escaped", "______escaped.ndjson"),
        ("/etc/passwd", "_etc_passwd.ndjson"),
        ("..", "__.ndjson"),
        ("a\\b:c\x00d", "a_b_c_d.ndjson"),
        ("\u4f60\n", "__.ndjson"),
        ("", ".ndjson"),
    ],
)
def test_hostile_session_id_is_a_file_name_and_nothing_else(
    tmp_path: Path, session_id: str, name: str
):
    write(tmp_path / "events", event(session_id=session_id))

    assert [path.name for path in (tmp_path / "events" / DAY).iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["events"]


@settings(max_examples=25, deadline=None)
@given(session_id=st.text(max_size=40))
def test_no_session_id_escapes_the_directory(
    tmp_path_factory: pytest.TempPathFactory, session_id: str
):
    root = tmp_path_factory.mktemp("root")

    write(root / "events", event(session_id=session_id))

    written = [path for path in root.rglob("*") if path.is_file()]
    assert [path.parent for path in written] == [root / "events" / DAY]


# What fails.


def block_directory(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text("a file where the day's directory should be")


def block_file(tmp_path: Path) -> None:
    (tmp_path / DAY / f"{SESSION}.ndjson").mkdir(parents=True)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 10))


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("block", [block_directory, block_file])
def test_disk_failure_is_logged_without_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, block: Callable[[Path], None]
):
    block(tmp_path)

    write(tmp_path, TURN)

    failing, lost = caplog.records
    assert (failing.levelno, vars(failing)["events"]) == (logging.ERROR, 1)
    assert vars(failing)["errno"]
    assert (lost.levelno, vars(lost)["lost"]) == (logging.ERROR, 1)
    for record in caplog.records:
        assert WORDS not in str(vars(record))


def test_what_a_disk_refused_is_written_when_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jsonl, "RETRY_S", 0.01)
    path = tmp_path / DAY / f"{SESSION}.ndjson"
    block_file(tmp_path)

    async def emit() -> None:
        sink = JsonLinesSink(tmp_path)
        await sink.start()
        sink.emit(event(1))
        while not caplog.records:
            await asyncio.sleep(0.002)
        sink.emit(event(2))
        state = sink.waiting()
        path.rmdir()
        while sink.waiting().depth:
            await asyncio.sleep(0.002)
        await sink.aclose()
        assert (state.depth, state.oldest_at) == (2, STARTED.time)
        assert sink.waiting() == OutboxState()

    run(emit())

    assert ids(path) == [f"{SESSION}/turn/1", f"{SESSION}/turn/2"]
    assert messages(caplog) == [
        "events cannot be written: they are kept in memory and tried again",
        "events are written again",
    ]


def test_one_call_that_cannot_be_written_does_not_take_others_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    block_file(tmp_path)

    write(tmp_path, event(1), event(2), event(session_id="other"))

    assert ids(tmp_path / DAY / "other.ndjson") == ["other/turn/0"]
    assert vars(caplog.records[-1])["lost"] == 2


def test_event_that_has_no_json_does_not_end_the_writing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A lone surrogate has no UTF-8 form."""
    unwritable = msgspec.structs.replace(TURN, subject=f"{WORDS} \ud800", sessionid="bad")

    write(tmp_path, event(1), unwritable, event(2))

    assert ids(tmp_path / DAY / f"{SESSION}.ndjson") == [f"{SESSION}/turn/1", f"{SESSION}/turn/2"]
    (record,) = caplog.records
    assert record.getMessage() == "an event was lost: it has no JSON form"
    assert WORDS not in str(vars(record))


# A line is there whole or not at all.


@pytest.mark.parametrize("tail", [b"", b"{", b'{"id":"half', b'{"id": "whole"}'])
def test_half_a_line_of_a_killed_process_spoils_no_line_after_it(tmp_path: Path, tail: bytes):
    path = tmp_path / DAY / f"{SESSION}.ndjson"
    write(tmp_path, event(1))
    with path.open("ab") as file:
        file.write(tail)

    write(tmp_path, event(2))

    lines = path.read_bytes().split(b"\n")
    assert lines == [to_json(event(1)), *([tail] if tail else []), to_json(event(2)), b""]


@pytest.mark.parametrize("room", (0, 1, 500, 998, 999))
def test_full_disk_leaves_no_part_of_a_line(tmp_path: Path, room: int):
    """The limit of a file's size stands for a full disk: it, too, takes a part of a write."""
    path = tmp_path / "day" / "call.ndjson"
    append(path, b"first\n")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from service.outbox.jsonl import append\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({6 + room}, {6 + room}))\n"
        "try: append(Path(sys.argv[1]), b'x' * 999 + b'\\n')\n"
        "except OSError as error: sys.exit(3)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)

    assert done.returncode == 3
    assert path.read_bytes() == b"first\n"


def test_events_beyond_the_bound_are_lost_and_that_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    sink = JsonLinesSink(tmp_path)
    for number in range(MAX_EVENTS):
        sink.emit(event(number))
    before = len(caplog.records)

    sink.emit(ENDED)
    sink.emit(ENDED)

    assert (before, len(caplog.records)) == (0, 1)
    assert SESSION not in caplog.text
    assert sink.waiting() == OutboxState(MAX_EVENTS, STARTED.time, given_up=2)


# Closing.


def test_close_writes_what_is_waiting(tmp_path: Path):
    async def emit() -> None:
        sink = JsonLinesSink(tmp_path)
        for number in range(1_000):
            sink.emit(event(number))
        await sink.start()
        await sink.aclose()

    asyncio.run(asyncio.wait_for(emit(), 5))

    assert len(ids(tmp_path / DAY / f"{SESSION}.ndjson")) == 1_000


def test_close_gives_a_hanging_disk_up_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """A named pipe without a reader hangs as a lost network disk does."""
    monkeypatch.setattr(jsonl, "CLOSE_DEADLINE_S", 0.05)
    pipe = tmp_path / DAY / f"{SESSION}.ndjson"
    pipe.parent.mkdir()
    os.mkfifo(pipe)

    async def emit() -> None:
        sink = JsonLinesSink(tmp_path)
        await sink.start()
        sink.emit(STARTED)
        await asyncio.sleep(0.05)
        sink.emit(ENDED)
        try:
            await sink.aclose()
        finally:
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))

    asyncio.run(asyncio.wait_for(emit(), 5))

    records = [record for record in caplog.records if "in time" in record.getMessage()]
    assert [(record.levelno, vars(record)["lost"]) for record in records] == [(logging.ERROR, 2)]
