from datetime import timedelta

import pytest

from service.analytics.sweeper import LONGEST_CALL, Sweeper, Swept
from service.call_events import CallEvent
from tests.analytics.scene import KilledError, World, call_of_turns, turn
from tests.contracts.event_examples import AT, SESSION

CALL = call_of_turns(4)
OVER = AT + LONGEST_CALL + timedelta(seconds=1)
NOTHING = Swept(lost=0, with_gaps=0)


def world_of(events: list[CallEvent]) -> World:
    world = World()
    for event in events:
        world.recorder().record(event)
    return world


def sweeper(world: World) -> Sweeper:
    return Sweeper(world, world.recorder())


def test_call_that_never_ended_is_closed_as_lost_with_the_turns_that_came():
    world = world_of(CALL[:4])

    assert sweeper(world).sweep(OVER) == Swept(lost=1, with_gaps=0)

    [row] = world.lines("calls")
    assert (row["end_reason"], row["disposition"]) == ("lost", "abandoned")
    assert (row["counts"]["turns_caller"], row["counts"]["turns_agent"]) == (2, 1)
    assert row["duration_ms"] == 3_900
    assert [line["seq"] for line in world.lines("turns")] == [1, 2, 3]
    assert [detail["end_reason"] for detail in world.bus] == ["lost"]


def test_call_without_a_single_turn_is_closed_too():
    world = world_of(CALL[:1])

    assert sweeper(world).sweep(OVER) == Swept(lost=1, with_gaps=0)
    assert (world.lines("turns"), world.bus[0]["turns"]) == ([], 0)


def test_call_that_may_still_be_going_on_is_left_alone():
    world = world_of(CALL[:3])

    assert sweeper(world).sweep(AT + LONGEST_CALL) == NOTHING
    assert (world.bus, world.state()) == ([], "open")


@pytest.mark.parametrize("events", [CALL, CALL[:3]])
def test_second_sweep_changes_nothing(events: list[CallEvent]):
    world = world_of(events)
    sweeper(world).sweep(OVER)
    lake, announced = dict(world.lake), len(world.bus)

    assert sweeper(world).sweep(OVER + timedelta(hours=1)) == NOTHING
    assert (world.lake, len(world.bus)) == (lake, announced)


def test_ended_call_whose_turn_is_missing_is_published_and_says_so():
    world = world_of(CALL[:2] + CALL[3:])

    assert sweeper(world).sweep(OVER) == Swept(lost=0, with_gaps=1)

    assert world.bus[0]["is_complete"] is False
    assert world.transcript()["data"]["is_complete"] is False
    assert world.lines("calls")[0]["end_reason"] == "transfer"


@pytest.mark.parametrize("cut", range(1, len(CALL)))
def test_what_comes_after_the_sweeper_makes_the_call_right(cut: int):
    world = world_of(CALL[:cut])
    sweeper(world).sweep(OVER)

    for event in CALL[cut:]:
        world.recorder().record(event)

    right = world_of(CALL)
    assert world.lake == right.lake
    assert world.bus[-1] == right.bus[-1]


def test_late_turn_of_a_lost_call_is_added():
    world = world_of(CALL[:2])
    sweeper(world).sweep(OVER)

    world.recorder().record(turn(2))

    assert [line["seq"] for line in world.lines("turns")] == [1, 2]
    assert [detail["turns"] for detail in world.bus] == [1, 2]


@pytest.mark.parametrize("writes", range(8))
def test_killed_sweeper_leaves_nothing_that_the_next_cannot_finish(writes: int):
    world = world_of(CALL[:3])
    world.writes_left = writes
    try:
        sweeper(world).sweep(OVER)
    except KilledError:
        world.writes_left = 10**9
        sweeper(world).sweep(OVER)

    right = world_of(CALL[:3])
    sweeper(right).sweep(OVER)
    assert world.lake == right.lake
    assert world.bus[-1] == right.bus[-1]
    assert world.state() == "published"


@pytest.mark.parametrize(("days", "closed"), [(1, 1), (2, 1), (4, 0)])
def test_sweeper_looks_two_days_back(days: int, closed: int):
    world = world_of(CALL[:2])

    assert sweeper(world).sweep(AT + timedelta(days=days)).lost == closed
    assert bool(world.bus) is bool(closed)
    assert SESSION in {session for session, _ in world.parts}


def test_turn_that_still_leaves_a_gap_is_added_to_what_was_published_with_gaps():
    world = world_of([CALL[0], CALL[1], CALL[-1]])
    sweeper(world).sweep(OVER)

    world.recorder().record(CALL[3])

    assert [line["seq"] for line in world.lines("turns")] == [1, 3]
    assert [detail["is_complete"] for detail in world.bus] == [False, False]
