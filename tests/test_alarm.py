import asyncio
import math

import pytest

from service.alarm import Alarm


def waits(alarm: Alarm, seconds: float, *, rings_after: float | None = None) -> bool:
    """Whether the wait is over soon."""

    async def scene() -> bool:
        if rings_after is not None:
            asyncio.get_running_loop().call_later(rings_after, alarm.ring)
        try:
            async with asyncio.timeout(0.2):
                await alarm.wait(seconds)
        except TimeoutError:
            return False
        return True

    return asyncio.run(scene())


@pytest.mark.parametrize("seconds", [math.inf, 60.0])
def test_wait_is_over_when_it_rings(seconds: float):
    assert waits(Alarm(), seconds, rings_after=0.01)


@pytest.mark.parametrize("seconds", [math.inf, 60.0])
def test_ring_before_the_wait_is_not_missed(seconds: float):
    alarm = Alarm()
    alarm.ring()

    assert waits(alarm, seconds)


@pytest.mark.parametrize("seconds", [math.inf, 60.0])
def test_ring_before_the_reset_is_forgotten(seconds: float):
    alarm = Alarm()
    alarm.ring()
    alarm.reset()

    assert not waits(alarm, seconds)


@pytest.mark.parametrize("seconds", [0.01, 0.0, -1.0, -math.inf])
def test_wait_ends_with_its_time(seconds: float):
    assert waits(Alarm(), seconds)
