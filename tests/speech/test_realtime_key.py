"""A key that changes while the service runs."""

import asyncio
from typing import Any

import pytest

from scripts.emulators.realtime import RealtimeEmulator
from service.secrets.port import SecretsError
from service.speech.endpoints import openai_endpoint
from service.speech.port import SpeechError
from service.speech.realtime import RealtimeProvider
from tests.plain_bot import PLAIN_BOT
from tests.speech.http_services import run

OLD, NEW, UNSET = "sk-the-old-key", "sk-the-new-key", "sk-of-the-settings"
MODEL = "gpt-realtime-2.1"
DOWN = SecretsError(["the store is down"])


class Keys:
    """A source; what is newer is seen when it is asked for."""

    def __init__(self, known: str | SecretsError, newer: str | SecretsError | None = None) -> None:
        self.known = known
        self.newer = known if newer is None else newer
        self.asked_for_newer = 0

    async def get(self) -> str:
        return _told(self.known)

    async def get_newer(self) -> str:
        self.asked_for_newer += 1
        self.known = self.newer
        return _told(self.newer)


def _told(key: str | SecretsError) -> str:
    if isinstance(key, SecretsError):
        raise key
    return key


def connect(keys: Keys, *good: str, times: int = 1) -> Any:
    """The code and whether it may be tried again, or None when all conversations were opened."""

    async def scene() -> Any:
        async with RealtimeEmulator(api_keys=frozenset(good)) as emulator:
            provider = RealtimeProvider(openai_endpoint(emulator.base_url, UNSET, MODEL), keys)
            for _ in range(times):
                try:
                    session = await provider.connect(PLAIN_BOT)
                except SpeechError as error:
                    return error.code, error.retryable
                await session.aclose()
        return None

    return run(scene)


def test_conversation_takes_the_key_of_the_source():
    keys = Keys(OLD)

    assert connect(keys, OLD) is None
    assert keys.asked_for_newer == 0


def test_rotated_key_is_used_by_the_next_conversation():
    async def scene() -> None:
        async with RealtimeEmulator(api_keys=frozenset({NEW})) as emulator:
            keys = Keys(OLD)
            provider = RealtimeProvider(openai_endpoint(emulator.base_url, UNSET, MODEL), keys)
            keys.known = NEW
            session = await provider.connect(PLAIN_BOT)
            await session.aclose()
            assert keys.asked_for_newer == 0

    run(scene)


def test_key_that_is_refused_is_replaced_by_a_newer_one_at_once():
    keys = Keys(OLD, NEW)

    assert connect(keys, NEW, times=2) is None
    assert keys.asked_for_newer == 1


def test_refused_key_without_a_newer_one_is_refused_as_it_was():
    code, is_retryable = connect(Keys(OLD), NEW)

    assert code in ("closed_3000", "invalid_api_key")
    assert not is_retryable


def test_newer_key_that_is_refused_too_is_the_end():
    keys = Keys(OLD, NEW)

    code, _ = connect(keys, "sk-another")

    assert code in ("closed_3000", "invalid_api_key")
    assert keys.asked_for_newer == 1


@pytest.mark.parametrize("keys", [Keys(DOWN), Keys(OLD, DOWN)])
def test_without_a_key_the_call_may_be_tried_again(keys: Keys):
    assert connect(keys, NEW) == ("key_unavailable", True)


def test_other_failures_ask_for_no_newer_key():
    keys = Keys(OLD, NEW)

    async def scene() -> str:
        provider = RealtimeProvider(openai_endpoint("ws://127.0.0.1:1/v1", UNSET, MODEL), keys)
        try:
            await provider.connect(PLAIN_BOT)
        except SpeechError as error:
            return error.code
        return ""

    assert asyncio.run(scene()) == "unreachable"
    assert keys.asked_for_newer == 0
