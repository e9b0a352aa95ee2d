import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from scripts.forget_call import forget_locally, main
from service.analytics.forgetting import Forgotten, forget_conversation
from service.analytics.local_calls import local_recorder
from service.call_events import CallEvent
from tests.analytics.scene import Files, World, call_of_turns
from tests.contracts.event_examples import CONVERSATION

OTHER = [
    msgspec.structs.replace(
        event,
        subject="other",
        data=msgspec.structs.replace(event.data, conversation_id="other")
        if hasattr(event.data, "conversation_id")
        else event.data,
    )
    for event in call_of_turns(2, "session of another")
]
TWO_CALLS = [*call_of_turns(2, "one"), *call_of_turns(3, "two")]
ALL = [*TWO_CALLS, *OTHER]


def world_of(events: list[CallEvent]) -> World:
    world = World()
    for event in events:
        world.recorder().record(event)
    return world


def test_every_call_of_the_conversation_is_gone_and_others_stay():
    world = world_of(ALL)

    forgotten = forget_conversation(CONVERSATION, table=world, lake=Files(world))

    alone = world_of(OTHER)
    assert forgotten == Forgotten(calls=2, rows=6 + 7, documents=6)
    assert (world.parts, world.lake) == (alone.parts, alone.lake)


def test_unknown_conversation_erases_nothing():
    world = world_of(ALL)
    before = (dict(world.parts), dict(world.lake))

    assert forget_conversation("nobody's", table=world, lake=Files(world)).calls == 0
    assert (world.parts, world.lake) == before


def test_document_on_the_other_side_of_midnight_is_found():
    """The call's start was told on one day; its end says that it began on the day before."""
    world = World()
    for event in call_of_turns(0, "one"):
        is_start = event.type == "call.started.v1"
        moved = timedelta(days=1) if is_start else timedelta()
        world.recorder().record(msgspec.structs.replace(event, time=event.time + moved))
    assert len(world.lake) == 3

    forget_conversation(CONVERSATION, table=world, lake=Files(world))

    assert (world.lake, world.parts) == ({}, {})


def test_local_calls_are_forgotten_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recorder = local_recorder(tmp_path)
    for event in ALL:
        recorder.record(event)

    assert main([CONVERSATION, "--local", str(tmp_path)]) == 0
    assert main([CONVERSATION, "--local", str(tmp_path)]) == 1

    assert '"calls":2' in capsys.readouterr().out
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CONVERSATION.encode() not in left
    assert b"session of another" in left


def test_a_local_folder_forgets_its_announcements_and_judgements(tmp_path: Path):
    names = ("completed.ndjson", "analyzed.ndjson")
    for name, member in zip(names, ("conversation_id", "subject"), strict=True):
        lines = (json.dumps({member: each}) for each in (CONVERSATION, "another"))
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    forget_locally(CONVERSATION, tmp_path)

    for name in names:
        [left] = (tmp_path / name).read_text().splitlines()
        assert "another" in left
