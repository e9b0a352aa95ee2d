"""A chain of providers that live in memory."""

import asyncio

import pytest

from service.speech.clips import ClipsProvider
from service.speech.fallback import FallbackProvider, Link
from service.speech.port import SpeechError
from tests.emulators.realtime_client import VirtualTimeLoop
from tests.plain_bot import PLAIN_BOT
from tests.speech.test_fallback_session import FATAL, Provider


def test_a_chain_that_ends_in_clips_tells_what_had_failed():
    async def play() -> None:
        chain = FallbackProvider([Link("p0", Provider(FATAL)), Link("clips", ClipsProvider())])
        with pytest.raises(SpeechError, match="http_401"):
            await chain.connect(PLAIN_BOT)
        only = FallbackProvider([Link("clips", ClipsProvider())])
        with pytest.raises(SpeechError, match="no_provider"):
            await only.connect(PLAIN_BOT)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play())


def test_states_tell_which_provider_is_tried():
    first, second = Provider(FATAL), Provider()

    async def play() -> None:
        chain = FallbackProvider([Link("openai", first), Link("cascade", second)], lambda: 0.0)
        session = await chain.connect(PLAIN_BOT)
        await session.aclose()
        assert chain.states() == {"openai": "open", "cascade": "closed"}
        again = await chain.connect(PLAIN_BOT)
        await again.aclose()
        assert (len(first.tried_at), len(second.tried_at)) == (1, 2)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play())
