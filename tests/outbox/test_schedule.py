from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from service.outbox.schedule import (
    FIRST_PAUSE_S,
    LINGER_S,
    LONGEST_PAUSE_S,
    MAX_BYTES,
    MAX_LETTERS,
    Schedule,
)


@dataclass(frozen=True)
class Letter:
    call: str
    number: int = 1


def schedule(*letters: Letter, size: int = 100, jitter: float = 1.0) -> Schedule[Letter]:
    made: Schedule[Letter] = Schedule(lambda: jitter)
    for letter in letters:
        made.add(letter, size, 0.0)
    return made


A1, A2, B1 = Letter("a", 1), Letter("a", 2), Letter("b", 1)


def test_letter_waits_a_moment_for_others():
    made = schedule(A1)

    assert made.next_batch(LINGER_S - 0.01) == []
    assert made.wait_s(0.0) == LINGER_S
    assert made.next_batch(LINGER_S) == [A1]


def test_letter_in_a_hurry_waits_for_none():
    made = schedule(A1)

    assert made.wait_s(0.0, hurry=True) == 0
    assert made.next_batch(0.0, hurry=True) == [A1]


def test_full_batch_waits_for_none():
    letters = [Letter(str(number)) for number in range(MAX_LETTERS + 5)]

    assert schedule(*letters).next_batch(0.0) == letters[:MAX_LETTERS]
    assert schedule(*letters[:3], size=MAX_BYTES // 2).next_batch(0.0) == letters[:2]


def test_second_letter_of_a_call_waits_for_the_first():
    made = schedule(A1, A2, B1)

    first = made.next_batch(1.0)
    for letter in first:
        made.settle(letter)

    assert (first, made.next_batch(1.0)) == ([A1, B1], [A2])


def test_letter_that_was_not_taken_holds_up_its_own_call_alone():
    made = schedule(A1, A2, B1)

    made.retry(A1, 1.0)
    made.settle(B1)

    assert made.next_batch(1.0 + FIRST_PAUSE_S - 0.01) == []
    assert made.next_batch(1.0 + FIRST_PAUSE_S) == [A1]


def test_letter_larger_than_a_batch_goes_by_itself():
    made = schedule(A1, B1, size=MAX_BYTES + 1)

    assert made.next_batch(1.0) == [A1]


def test_calls_take_turns():
    made = schedule(A1, A2, *(Letter(str(n)) for n in range(MAX_LETTERS)))

    first = made.next_batch(1.0)
    for letter in first:
        made.settle(letter)

    assert made.next_batch(1.0)[:1] == [Letter(str(MAX_LETTERS - 1))]


def test_pauses_double_and_are_bounded_and_an_answer_ends_them():
    made = schedule(A1)

    pauses = []
    for _ in range(9):
        made.pause(100.0)
        pauses.append(made.wait_s(100.0))
    made.reached()

    assert pauses == [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(9)]
    assert made.wait_s(100.0) == 0


def test_pauses_are_of_random_length():
    made = schedule(A1, jitter=0.25)

    made.pause(0.0)

    assert made.next_batch(0.25 * FIRST_PAUSE_S, hurry=True) == [A1]


def test_letters_of_a_batch_that_made_no_sense_go_one_by_one():
    made = schedule(A1, B1)

    made.send_alone(made.next_batch(1.0))
    first = made.next_batch(1.0)
    made.settle(A1)

    assert (first, made.next_batch(1.0)) == ([A1], [B1])


def test_empty_schedule_waits_for_letters():
    assert schedule().wait_s(0.0) is None
    assert schedule().next_batch(9.0, hurry=True) == []


FATES = st.sampled_from(["taken", "taken", "again", "refused"])


class Queue:
    """A queue that takes parts, fails as a whole, and refuses, as hypothesis draws it."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self.schedule: Schedule[Letter] = Schedule(lambda: data.draw(st.floats(0, 1)))
        self.sizes: dict[Letter, int] = {}
        self.gone: list[Letter] = []
        self.troubles = 25

    def come(self, letter: Letter, now: float) -> None:
        self.sizes[letter] = self._draw(st.sampled_from([300, MAX_BYTES // 3, MAX_BYTES + 9]))
        self.schedule.add(letter, self.sizes[letter], now)

    def take(self, batch: list[Letter], now: float) -> None:
        assert len(batch) <= MAX_LETTERS
        assert sum(self.sizes[each] for each in batch) <= MAX_BYTES or len(batch) == 1
        assert len({each.call for each in batch}) == len(batch)
        whole = self._draw(st.sampled_from(["down", "confused", "up", "up"]))
        if self.troubles and whole != "up":
            self.troubles -= 1
            if whole == "down":
                self.schedule.pause(now)
            else:
                self.schedule.send_alone(batch)
            return
        self.schedule.reached()
        for letter in batch:
            if self.troubles and self._draw(FATES) == "again":
                self.troubles -= 1
                self.schedule.retry(letter, now)
            else:
                self.gone.append(letter)
                self.schedule.settle(letter)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_every_letter_meets_its_fate_in_the_order_of_its_call(data: st.DataObject):
    """Nothing is lost, sent twice after it was taken, or sent before its time."""
    queue = Queue(data)
    calls = data.draw(st.lists(st.sampled_from("abcdefghijklmno"), max_size=40))
    written = [Letter(call, number) for number, call in enumerate(calls)]
    coming, now = list(written), 0.0

    while coming or len(queue.schedule):
        for letter in coming[: data.draw(st.integers(0, 5))]:
            coming.remove(letter)
            queue.come(letter, now)
        if batch := queue.schedule.next_batch(now):
            queue.take(batch, now)
            continue
        wait_s = queue.schedule.wait_s(now)
        assert wait_s is None or wait_s > 0  # never a busy loop
        now += wait_s or 0.1

    assert sorted(queue.gone, key=lambda each: each.number) == written
    for call in set(calls):
        numbers = [each.number for each in queue.gone if each.call == call]
        assert numbers == sorted(numbers)
