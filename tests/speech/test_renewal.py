import asyncio
from dataclasses import replace

import pytest

from service.speech.port import SpeechError
from service.speech.renewal import Renewal
from tests.plain_bot import PLAIN_BOT
from tests.speech.test_fallback_session import Provider


@pytest.mark.parametrize("waits_s", [0.0, 0.1])
def test_what_is_undone_leaves_no_open_conversation(waits_s: float):
    async def scene() -> None:
        provider = Provider(takes_s=0.05)
        renewal = Renewal(provider, PLAIN_BOT)
        await asyncio.sleep(waits_s)
        await renewal.undo()
        assert all(session.is_closed for session in provider.sessions)
        assert len(provider.sessions) == bool(waits_s)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())


def test_it_is_ready_or_has_failed():
    async def scene() -> None:
        provider = Provider(SpeechError("refused", retryable=True))
        failing, standing = Renewal(provider, PLAIN_BOT), Renewal(provider, PLAIN_BOT)
        assert not (failing.has_failed or standing.is_ready)
        await asyncio.sleep(0.01)
        assert failing.has_failed
        assert not failing.is_ready
        assert standing.is_ready
        assert standing.session is provider.sessions[0]
        await failing.undo()
        await standing.undo()

    asyncio.run(scene())


def test_it_is_for_one_provider_and_one_bot():
    async def scene() -> None:
        provider = Provider()
        renewal = Renewal(provider, PLAIN_BOT)
        assert renewal.is_for(provider, PLAIN_BOT)
        assert not renewal.is_for(Provider(), PLAIN_BOT)
        assert not renewal.is_for(provider, replace(PLAIN_BOT, model="another"))
        await renewal.undo()

    asyncio.run(scene())
