from hypothesis import given
from hypothesis import strategies as st

from service.speech.caller_ring import KEPT_MS, KEPT_OF_TURN_MS, CallerRing

FRAME = 1_600


def spoken(frames: int) -> CallerRing:
    ring = CallerRing()
    for number in range(frames):
        ring.add(bytes([number % 251]) * FRAME)
    return ring


def test_the_latest_seconds_are_heard_again():
    ring = spoken(50)
    assert ring.end - ring.unheard_from == KEPT_MS * 8
    assert ring.read(ring.end - 2, 10) == bytes([49, 49])


def test_what_was_understood_is_not_heard_again():
    ring = spoken(20)
    ring.settle(ring.end - 100)
    assert ring.unheard_from == ring.end - 100


def test_a_turn_that_waits_for_its_answer_is_kept_whole():
    ring = spoken(10)
    ring.need_from(4 * FRAME)
    for _ in range(60):
        ring.add(bytes(FRAME))
    assert ring.unheard_from == 4 * FRAME
    assert ring.read(ring.unheard_from, 1) == bytes([4])


def test_a_turn_without_end_is_kept_in_part():
    ring = spoken(1)
    ring.need_from(0)
    for _ in range(500):
        ring.add(bytes(FRAME))
    kept = ring.end - ring.unheard_from
    assert KEPT_OF_TURN_MS * 8 <= kept < KEPT_OF_TURN_MS * 8 + FRAME


def test_what_was_meant_for_nobody_is_gone():
    ring = spoken(5)
    ring.clear()
    assert ring.unheard_from == ring.end
    assert ring.read(ring.end, 100) == b""


@given(st.lists(st.integers(1, 4_000), max_size=80), st.data())
def test_positions_are_those_of_the_whole_audio(sizes, data):
    ring, audio = CallerRing(), bytearray()
    for size in sizes:
        chunk = data.draw(st.binary(min_size=size, max_size=size)) if size < 50 else bytes(size)
        ring.add(chunk)
        audio += chunk
    begin = ring.unheard_from
    assert ring.read(begin, len(audio)) == bytes(audio[begin:])
