import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.caller_audio import LEAST_BYTES, MAX_AHEAD_S, MAX_WAITING_BYTES, CallerAudio

START = 77.7
FRAME = bytes(range(200)) * 8  # 200 ms, what Genesys sends


def flowing() -> CallerAudio:
    audio = CallerAudio()
    audio.start_flowing(0)
    return audio


def test_audio_waits_until_the_model_is_ready():
    audio = CallerAudio()

    before = audio.receive(FRAME, now=START, call_ms=200)
    waited = audio.start_flowing(300)
    after = audio.receive(FRAME, now=START + 0.2, call_ms=400)

    assert (before, waited, after) == (b"", FRAME, FRAME)


def test_frame_passes_through_as_it_came():
    frame = bytes(LEAST_BYTES)

    assert flowing().receive(frame, now=START, call_ms=0) is frame


def test_only_the_last_ten_seconds_wait():
    audio = CallerAudio()
    frames = [bytes([number]) * 1_600 for number in range(60)]

    for number, frame in enumerate(frames):
        audio.receive(frame, now=START + number * 0.2, call_ms=0)
    waited = audio.start_flowing(0)

    assert waited == b"".join(frames[10:])
    assert len(waited) == MAX_WAITING_BYTES == 10 * 8_000
    assert audio.dropped_bytes == 10 * 1_600


def test_flood_is_taken_ten_seconds_ahead_of_real_time():
    audio = flowing()

    passed = [audio.receive(FRAME, now=START, call_ms=0) for _ in range(60)]

    assert b"".join(passed) == FRAME * int(MAX_AHEAD_S * 5)
    assert audio.dropped_bytes == 10 * len(FRAME)


def test_flood_is_taken_again_as_time_passes():
    audio = flowing()
    for _ in range(60):
        audio.receive(FRAME, now=START, call_ms=0)

    too_soon = audio.receive(FRAME, now=START + 0.19, call_ms=0)
    in_time = audio.receive(FRAME, now=START + 0.21, call_ms=0)

    assert (too_soon, in_time) == (b"", FRAME)


def test_frame_longer_than_ten_seconds_is_dropped_whole():
    audio = flowing()

    passed = audio.receive(bytes(MAX_WAITING_BYTES + 1), now=START, call_ms=0)
    later = audio.receive(FRAME, now=START + 1, call_ms=0)

    assert (passed, later) == (b"", FRAME)
    assert audio.dropped_bytes == MAX_WAITING_BYTES + 1


def test_tiny_frames_are_gathered():
    audio = flowing()

    passed = [audio.receive(b"\x01", now=START, call_ms=0) for _ in range(2 * LEAST_BYTES)]

    assert [len(pcmu) for pcmu in passed if pcmu] == [LEAST_BYTES] * 2


def test_frame_after_a_tiny_one_brings_it_along():
    audio = flowing()
    audio.receive(b"tiny", now=START, call_ms=0)

    assert audio.receive(FRAME, now=START, call_ms=0) == b"tiny" + FRAME


@given(
    sizes=st.lists(st.integers(1, 3_000), max_size=30),
    ready_after=st.integers(0, 30),
)
def test_order_and_content_are_kept(sizes: list[int], ready_after: int):
    """Up to the last tiny frame, which waits for a next one."""
    audio, sent, passed = CallerAudio(), b"", b""
    for number, size in enumerate(sizes):
        if number == ready_after:
            passed += audio.start_flowing(0)
        frame = bytes((len(sent) + i) % 251 for i in range(size))
        sent += frame
        passed += audio.receive(frame, now=START + len(sent) / 8_000, call_ms=0)
    if ready_after >= len(sizes):
        passed += audio.start_flowing(0)

    dropped = max(0, len(sent) - MAX_WAITING_BYTES) if not passed else audio.dropped_bytes
    assert sent[dropped:].startswith(passed)
    assert 0 <= len(sent) - dropped - len(passed) < LEAST_BYTES


@given(steps=st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 30_000)), max_size=40))
def test_no_more_than_real_time_and_ten_seconds_pass(steps: list[tuple[int, int]]):
    audio, now, passed, sent = flowing(), START, 0, 0
    for pause_ms, size in steps:
        now += pause_ms / 1_000
        sent += size
        passed += len(audio.receive(bytes(size), now=now, call_ms=0))

        assert passed <= (now - START + MAX_AHEAD_S) * 8_000
        assert passed + audio.dropped_bytes <= sent < passed + audio.dropped_bytes + LEAST_BYTES + 1


# Clocks.


def test_providers_clock_begins_when_the_first_audio_was_spoken():
    audio = flowing()

    audio.receive(FRAME, now=START, call_ms=1_200)

    assert audio.to_call_ms(0) == 1_000
    assert audio.to_call_ms(150) == 1_150


def test_audio_that_waited_was_spoken_before_it_was_sent():
    audio = CallerAudio()
    for number in range(5):
        audio.receive(FRAME, now=START + number * 0.2, call_ms=200 * (number + 1))

    audio.start_flowing(1_000)

    assert audio.to_call_ms(0) == 0
    assert audio.to_call_ms(1_000) == 1_000


def test_pause_of_the_caller_is_no_time_for_the_provider():
    audio = flowing()
    audio.receive(FRAME, now=START, call_ms=200)

    audio.receive(FRAME, now=START + 30, call_ms=30_200)

    assert audio.to_call_ms(400) == 30_200
    assert audio.to_call_ms(200) == 30_000


def test_dropped_audio_does_not_shift_the_clock():
    audio = CallerAudio()
    for number in range(75):
        audio.receive(FRAME, now=START + number * 0.2, call_ms=200 * (number + 1))

    audio.start_flowing(15_000)

    assert audio.to_call_ms(0) == 5_000
    assert audio.to_call_ms(10_000) == 15_000


@pytest.mark.parametrize("provider_ms", [-500, 0])
def test_no_moment_is_before_the_call(provider_ms: int):
    audio = flowing()
    audio.receive(FRAME, now=START, call_ms=100)

    assert audio.to_call_ms(provider_ms) == 0
