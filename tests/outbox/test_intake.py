import threading

import msgspec

from service.call_events import to_json
from service.outbox.intake import Entry, Intake
from tests.contracts.event_examples import AT, ENDED, SESSION, STARTED, TURN

SIZE = len(to_json(TURN))


def test_events_come_out_as_json_in_their_order():
    intake = Intake()

    for event in (STARTED, TURN, ENDED):
        intake.put(event)

    assert intake.take(0) == [Entry(SESSION, AT, to_json(e)) for e in (STARTED, TURN, ENDED)]
    assert intake.take(0) == []


def test_what_was_taken_waits_until_it_is_settled():
    intake = Intake()
    intake.put(STARTED)
    intake.put(TURN)

    taken = intake.take(0)
    depths = [intake.depth]
    intake.settle(taken[:1])
    depths.append(intake.depth)
    intake.settle(taken[1:])

    assert [*depths, intake.depth] == [2, 1, 0]


def test_number_of_events_is_bounded_and_there_is_room_again_later():
    intake = Intake(max_events=2)
    for _ in range(3):
        intake.put(TURN)

    lost = [intake.lost]
    intake.settle(intake.take(0))
    intake.put(TURN)

    assert [*lost, intake.lost, intake.depth] == [1, 1, 1]


def test_bytes_are_bounded():
    intake = Intake(max_bytes=2 * SIZE)

    for _ in range(3):
        intake.put(TURN)

    assert (intake.depth, intake.lost) == (2, 1)


def test_event_without_a_json_form_takes_no_room():
    intake = Intake()

    intake.put(msgspec.structs.replace(TURN, subject="\ud800"))

    assert (intake.depth, intake.lost) == (0, 1)


def test_oldest_is_the_first_that_was_not_taken():
    intake = Intake()
    before = intake.oldest_at
    intake.put(TURN)

    assert (before, intake.oldest_at) == (None, AT)


def test_waiting_thread_is_woken_by_an_event_and_by_the_close():
    intake = Intake()
    woken: list[list[Entry]] = []
    thread = threading.Thread(target=lambda: woken.extend(intake.take(10) for _ in range(2)))
    thread.start()

    intake.put(TURN)
    while not woken:
        pass
    intake.close()
    thread.join(5)

    assert [len(entries) for entries in woken] == [1, 0]
    assert intake.is_closed
