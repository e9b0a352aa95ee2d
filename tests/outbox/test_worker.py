import asyncio
import threading

import pytest

from service.outbox.worker import Worker


def test_work_that_ends_is_waited_for():
    done = threading.Event()

    async def scenario() -> bool:
        worker = Worker("w", done.set)
        worker.start()
        return await worker.ended(5)

    assert asyncio.run(scenario())
    assert done.is_set()


def test_work_that_hangs_is_left_alone_at_the_deadline():
    release = threading.Event()

    def hang() -> None:
        release.wait(10)

    async def scenario() -> bool:
        worker = Worker("w", hang)
        worker.start()
        return await worker.ended(0.02)

    assert not asyncio.run(scenario())
    release.set()


def test_work_that_fails_is_logged_and_begun_again(caplog: pytest.LogCaptureFixture):
    failures = [ValueError(), ValueError()]

    def fail() -> None:
        if failures:
            raise failures.pop()

    async def scenario() -> bool:
        worker = Worker("w", fail, restart_s=0.01)
        worker.start()
        return await worker.ended(5)

    assert asyncio.run(scenario())
    said = "a thread of the outbox failed and is begun again"
    assert [record.message for record in caplog.records] == [said, said]
