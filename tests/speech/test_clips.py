import asyncio

import pytest

from service.speech.clips import NO_PROVIDER, ClipsProvider
from service.speech.port import SpeechError
from tests.plain_bot import PLAIN_BOT


def test_nobody_is_there_and_nothing_is_left_to_try():
    with pytest.raises(SpeechError, match=NO_PROVIDER) as caught:
        asyncio.run(ClipsProvider().connect(PLAIN_BOT))
    assert not caught.value.retryable
    asyncio.run(ClipsProvider().aclose())
