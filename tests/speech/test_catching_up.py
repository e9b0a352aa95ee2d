"""A new conversation hears the caller again, slowly, while he speaks on and is stopped from it."""

import asyncio

from service.bots.port import Bot
from service.speech.port import CallerSpeechStarted
from tests.fake_speech import FakeSession
from tests.speech.test_fallback_session import LOST, Call, Provider, run

FRAME = 1_600
SLOW_S = 3.0
"""For a second of audio: slower than it was spoken."""


class SlowSession(FakeSession):
    """Takes its time for whatever is longer than a frame."""

    async def send_audio(self, pcmu: bytes) -> None:
        await super().send_audio(pcmu)
        if len(pcmu) > FRAME:
            await asyncio.sleep(SLOW_S)


class SlowProvider(Provider):
    async def connect(self, bot: Bot) -> FakeSession:
        await super().connect(bot)
        self.sessions[-1] = SlowSession()
        return self.sessions[-1]


async def speak(call: Call, first: int, last: int) -> None:
    """Frames of 200 ms in real time, each of its own number."""
    for number in range(first, last):
        await call.session.send_audio(bytes([number]) * FRAME)
        await asyncio.sleep(0.2)


async def lose(call: Call) -> asyncio.Task[None]:
    call.providers[0].sessions[-1].yields(LOST)
    return asyncio.create_task(call.listen(60))


def test_a_slow_one_hears_what_is_still_kept_in_order_up_to_the_latest():
    async def scene(call: Call) -> None:
        await speak(call, 0, 40)
        listening = await lose(call)
        await speak(call, 40, 120)
        await listening

        heard = list(call.providers[0].sessions[-1].audio)
        assert len(call.providers[0].sessions) == 2
        assert heard == sorted(heard)
        assert heard[-FRAME:] == [119] * FRAME
        assert 5 * 8_000 < len(heard) < 120 * FRAME

    run(scene, SlowProvider())


def test_its_clock_is_right_whatever_it_has_not_heard():
    async def scene(call: Call) -> None:
        await speak(call, 0, 40)
        listening = await lose(call)
        await speak(call, 40, 120)
        await listening
        call.take()

        second = call.providers[0].sessions[-1]
        await call.hear(CallerSpeechStarted("turn", len(second.audio) // 8))
        [started] = call.take()
        assert isinstance(started, CallerSpeechStarted)
        assert started.at_ms == 120 * FRAME // 8

    run(scene, SlowProvider())


def test_what_is_meant_for_nobody_meanwhile_is_forgotten_there_too():
    async def scene(call: Call) -> None:
        await speak(call, 0, 40)
        listening = await lose(call)
        await asyncio.sleep(1)
        await call.session.forget_caller()
        await listening

        second = call.providers[0].sessions[-1]
        assert second.forgotten == 1
        assert len(second.audio) == 8_000  # what it had before

    run(scene, SlowProvider())
