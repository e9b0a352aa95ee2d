import asyncio
import time

from service.loop_lag import LoopLag


def test_a_blocked_loop_is_late():
    lags: list[float] = []
    lag = LoopLag(lags.append)

    async def scenario() -> None:
        watching = asyncio.create_task(lag.watch())
        await asyncio.sleep(0.05)
        time.sleep(0.3)  # what must never happen
        await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(scenario())

    assert max(lags) == lag.recent_s > 0.15


def test_a_lag_is_forgotten_after_a_second():
    lag = LoopLag()
    lag._note(0.5)
    for _ in range(10):
        assert lag.recent_s == 0.5
        lag._note(0.0)

    assert lag.recent_s == 0.0
