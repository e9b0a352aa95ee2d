import pytest

from service.audiohook.claim import Cause, SignatureError
from service.audiohook.nonces import NonceMemory


def cause_of(memory: NonceMemory, keyid: str, nonce: str, now_s: float) -> Cause | None:
    try:
        memory.remember(keyid, nonce, now_s=now_s)
    except SignatureError as error:
        return error.cause
    return None


@pytest.mark.parametrize("age_s", [0, 40, 75])
def test_nonce_is_refused_for_75_seconds(age_s):
    memory = NonceMemory()
    memory.remember("key", "nonce", now_s=1000)

    assert cause_of(memory, "key", "nonce", 1000 + age_s) is Cause.NONCE_REPLAYED


def test_nonce_is_forgotten_after_75_seconds():
    memory = NonceMemory()
    memory.remember("key", "nonce", now_s=1000)

    assert cause_of(memory, "key", "nonce", 1075.1) is None


def test_a_replay_does_not_lengthen_the_memory():
    memory = NonceMemory()
    memory.remember("key", "nonce", now_s=1000)
    cause_of(memory, "key", "nonce", 1070)

    assert cause_of(memory, "key", "nonce", 1076) is None


def test_keys_have_nonces_of_their_own():
    memory = NonceMemory()
    memory.remember("key", "nonce", now_s=1000)

    assert cause_of(memory, "other", "nonce", 1000) is None


def test_full_memory_refuses_rather_than_forgets_a_live_nonce():
    memory = NonceMemory(capacity=2)
    memory.remember("key", "first", now_s=1000)
    memory.remember("key", "second", now_s=1001)

    assert cause_of(memory, "key", "third", 1002) is Cause.NONCE_MEMORY_FULL
    assert cause_of(memory, "key", "first", 1002) is Cause.NONCE_REPLAYED


def test_full_memory_makes_room_as_the_oldest_expire():
    memory = NonceMemory(capacity=2)
    memory.remember("key", "first", now_s=1000)
    memory.remember("key", "second", now_s=1010)

    assert cause_of(memory, "key", "third", 1076) is None
    assert cause_of(memory, "key", "second", 1076) is Cause.NONCE_REPLAYED


def test_clock_that_steps_back_reopens_nothing():
    memory = NonceMemory()
    memory.remember("key", "nonce", now_s=1000)

    assert cause_of(memory, "key", "nonce", 900) is Cause.NONCE_REPLAYED
