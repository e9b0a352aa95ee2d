import json
from typing import Any

import msgspec
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from hypothesis import given, settings
from hypothesis import strategies as st

from service.analytics.recorder import Recorder, make_handler
from service.call_events import CallEndedData, CallEvent, to_json
from tests.analytics.scene import RETENTION, KilledError, World, call_of_turns, turn
from tests.contracts.event_examples import CONVERSATION, SESSION

CALL = call_of_turns(4)
STARTED, ENDED = CALL[0], CALL[-1]


def recorded(events: list[CallEvent]) -> World:
    world = World()
    for event in events:
        world.recorder().record(event)
    return world


def lost(event: CallEvent) -> CallEvent:
    assert isinstance(event.data, CallEndedData)
    counts = msgspec.structs.replace(event.data.counts, turns_caller=1, turns_agent=0)
    data = msgspec.structs.replace(
        event.data, end_reason="lost", disposition="abandoned", counts=counts
    )
    return msgspec.structs.replace(event, data=data)


RIGHT = recorded(CALL)

# What becomes of a call.


def test_complete_call_is_in_the_lake_and_announced_once():
    detail = RIGHT.bus[0]

    assert [line["text"] for line in RIGHT.lines("turns")] == [f"words {n}" for n in (1, 2, 3, 4)]
    assert [line["disposition"] for line in RIGHT.lines("calls")] == ["escalated"]
    assert [each["seq"] for each in RIGHT.transcript()["data"]["turns"]] == [1, 2, 3, 4]
    assert len(RIGHT.bus) == 1
    assert (detail["session_id"], detail["conversation_id"]) == (SESSION, CONVERSATION)
    assert (detail["turns"], detail["is_complete"]) == (4, True)
    assert set(detail["documents"].values()) == RIGHT.lake.keys()
    assert RIGHT.state() == "published"


def test_announcement_holds_no_words_of_the_call():
    assert "words" not in json.dumps(RIGHT.bus)


@pytest.mark.parametrize("missing", range(len(CALL)))
def test_nothing_is_published_while_the_end_or_a_turn_is_missing(missing: int):
    world = recorded(CALL[:missing] + CALL[missing + 1 :])

    # Without `call.started` a call is complete enough: its end repeats what matters.
    assert bool(world.bus) is (missing == 0)
    assert bool(world.lake) is (missing == 0)


@given(order=st.permutations(CALL), again=st.lists(st.sampled_from(CALL), max_size=6))
@settings(max_examples=100, deadline=None)
def test_order_and_duplicates_change_nothing(order: list[CallEvent], again: list[CallEvent]):
    world = recorded([*order, *again])

    # Without its start the call may be complete for a while; what stays is the same.
    assert world.lake == RIGHT.lake
    assert world.parts.keys() >= RIGHT.parts.keys()
    assert world.bus[-1] == RIGHT.bus[0]
    assert len({detail["id"] for detail in world.bus}) == len(world.bus) <= 2
    assert world.state() == "published"


@given(order=st.permutations(CALL), lives=st.lists(st.integers(0, 8), max_size=12))
@settings(max_examples=200, deadline=None)
def test_function_may_be_killed_between_any_two_writes(order: list[CallEvent], lives: list[int]):
    world = World()
    queue = list(order)
    while queue:
        event = queue.pop(0)
        world.writes_left = lives.pop() if lives else 10**9
        try:
            world.recorder().record(event)
        except KilledError:
            queue.append(event)  # It was not deleted, and comes back.

    assert world.lake == RIGHT.lake
    assert world.bus[-1] == RIGHT.bus[0]
    assert world.state() == "published"


def test_documents_that_another_function_overtook_are_written_again():
    world = World()
    late = turn(5)

    class Overtaken:
        """The lake of a slow function: while it writes, another one records a further turn."""

        def put(self, key: str, body: bytes) -> None:
            if not world.has(SESSION, "TURN#00005"):
                world.recorder().record(late)
            world.lake[key] = body

        def erase(self, key: str) -> bool:
            raise NotImplementedError

    for event in CALL[:-1]:
        world.recorder().record(event)
    Recorder(world, Overtaken(), world, retention=RETENTION).record(ENDED)

    assert [each["seq"] for each in world.transcript()["data"]["turns"]] == [1, 2, 3, 4, 5]
    assert world.bus[-1]["turns"] == 5


def test_end_that_the_service_tells_replaces_what_the_sweeper_assumed():
    world = recorded([STARTED, turn(1), lost(ENDED)])
    assert world.bus[-1]["end_reason"] == "lost"

    for event in [ENDED, *CALL[2:-1], lost(ENDED)]:
        world.recorder().record(event)

    assert world.bus[-1] == RIGHT.bus[0]
    assert world.lake == RIGHT.lake


# The function.


def batch(*bodies: bytes) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": f"receipt {number}",
                "body": body.decode(),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:events",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def test_only_what_could_not_be_recorded_stays_on_the_queue():
    world = World()
    newer = to_json(CALL[1]).replace(b"call.turn.v1", b"call.turn.v2")

    answer = make_handler(world.recorder())(
        batch(to_json(STARTED), b"poison", to_json(CALL[1]), newer, to_json(CALL[2])), None
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]}
    assert {part for _, part in world.parts} == {"META", "STARTED", "TURN#00001", "TURN#00002"}


def test_function_fails_when_nothing_of_a_batch_could_be_recorded():
    with pytest.raises(BatchProcessingError):
        make_handler(World().recorder())(batch(b"poison", b"{}"), None)


def test_handler_forgets_the_failures_of_the_batch_before():
    handler = make_handler(World().recorder())
    handler(batch(b"poison", to_json(STARTED)), None)

    assert handler(batch(to_json(CALL[1])), None) == {"batchItemFailures": []}
