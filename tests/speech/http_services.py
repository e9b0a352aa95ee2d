"""An emulated speech service and one adapter that talks to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from scripts.emulators.brains import Dialogue, DialogueBrain
from scripts.emulators.speech_http import Fault, SpeechServices
from service.speech.cascade_parts import Address
from service.speech.web import Web

KEY = "sk-a-key-of-the-cascade"
PLAIN = Dialogue(greeting="Welcome.", default="Certainly.", silence="Hm?", rules=())
T = TypeVar("T")


@contextlib.asynccontextmanager
async def services(
    *words: str, path: str = "", faults: tuple[Fault, ...] = (), dialogue: Dialogue | None = None
) -> AsyncIterator[tuple[SpeechServices, Web]]:
    """The services, and connections to them."""
    brain = DialogueBrain(dialogue or PLAIN)
    async with SpeechServices(brain, *words, ms_per_char=16) as running:
        if path:
            running.faults[path].extend(faults)
        web = Web("part", Address(running.base_url + "/", KEY))
        try:
            yield running, web
        finally:
            await web.aclose()


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end, within bounds."""

    async def bounded() -> T:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(bounded())
