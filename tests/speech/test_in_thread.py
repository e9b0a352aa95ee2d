import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("boto3")

from service.speech.in_thread import Put, pieces_of
from service.speech.port import SpeechError

Read = Callable[[Put[int], threading.Event], None]


def collect(read: Read, *, most: int = 100, deadline_s: float = 5.0) -> list[int]:
    async def scene() -> list[int]:
        with ThreadPoolExecutor(1) as threads:
            pieces = pieces_of(threads, read, part="tts", deadline_s=deadline_s)
            found = []
            async for piece in pieces:
                found.append(piece)
                if len(found) == most:
                    break
            await pieces.aclose()
            return found

    return asyncio.run(scene())


def test_pieces_come_in_order_until_the_reader_returns():
    def read(put: Put[int], _: threading.Event) -> None:
        for number in range(5):
            put(number)

    assert collect(read) == [0, 1, 2, 3, 4]


def test_a_reader_is_told_when_nobody_listens_any_more():
    seen = threading.Event()

    def read(put: Put[int], is_left: threading.Event) -> None:
        put(1)
        if is_left.wait(5):
            seen.set()

    assert collect(read, most=1) == [1]
    assert seen.is_set()


def test_what_came_before_a_failure_is_handed_out_first():
    found = []

    def read(put: Put[int], _: threading.Event) -> None:
        put(1)
        raise ValueError("4711")

    async def scene() -> None:
        with ThreadPoolExecutor(1) as threads:
            async for piece in pieces_of(threads, read, part="tts", deadline_s=5):
                found.append(piece)

    with pytest.raises(SpeechError, match="tts_failed"):
        asyncio.run(scene())
    assert found == [1]


def test_a_reader_that_is_too_slow_is_left():
    def read(_: Put[int], is_left: threading.Event) -> None:
        is_left.wait(5)

    with pytest.raises(SpeechError, match="tts_timeout"):
        collect(read, deadline_s=0.1)


def test_our_own_error_stays_what_it_is():
    def read(_: Put[int], __: threading.Event) -> None:
        raise SpeechError("llm_bad_answer", retryable=True)

    with pytest.raises(SpeechError, match="llm_bad_answer"):
        collect(read)
