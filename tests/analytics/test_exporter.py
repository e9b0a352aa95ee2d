import json

import pytest

from service.analytics.exporter import UnknownCallError, export_call
from service.analytics.forgetting import forget_conversation
from tests.analytics.scene import DAY, Files, World, call_of_turns
from tests.contracts.event_examples import CONVERSATION, SESSION

CALL = call_of_turns(2)


def world_of(events: int) -> World:
    world = World()
    for event in CALL[:events]:
        world.recorder().record(event)
    return world


def test_ended_call_is_exported_in_both_formats():
    world = world_of(len(CALL))

    keys = export_call(SESSION, table=world, lake=Files(world))

    assert keys == {
        "vcon": f"exports/vcon/{DAY}/{SESSION}.vcon",
        "contact_lens": f"exports/contact_lens/{DAY}/{SESSION}.json",
    }
    assert json.loads(world.lake[keys["vcon"]])["analysis"][0]["type"] == "transcript"
    assert len(json.loads(world.lake[keys["contact_lens"]])["Transcript"]) == 2


@pytest.mark.parametrize("events", [0, 2])
def test_call_without_an_end_cannot_be_exported(events: int):
    world = world_of(events)

    with pytest.raises(UnknownCallError):
        export_call(SESSION, table=world, lake=Files(world))


def test_forgotten_call_leaves_no_export():
    world = world_of(len(CALL))
    export_call(SESSION, table=world, lake=Files(world))

    assert forget_conversation(CONVERSATION, table=world, lake=Files(world)).documents == 5
    assert world.lake == {}
