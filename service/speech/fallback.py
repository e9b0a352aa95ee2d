"""A chain of providers as one. What its conversations outlive: `fallback_session`."""

import time
from collections.abc import Callable, Sequence

from service.bots.port import Bot
from service.speech.breaker import BreakerState
from service.speech.fallback_session import FallbackSession, Link

__all__ = ["FallbackProvider", "FallbackSession", "Link"]


class FallbackProvider:
    """Opens conversations that outlive what carries them."""

    def __init__(self, links: Sequence[Link], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the providers in the order in which they are tried; at least one.

        `clock` is that of the event loops in which calls run.
        """
        self.links = tuple(links)
        self._clock = clock

    def states(self) -> dict[str, BreakerState]:
        """Return by name whether each provider is tried now."""
        now = self._clock()
        return {link.name: link.breaker.state(now) for link in self.links}

    async def connect(self, bot: Bot) -> "FallbackSession":
        """Return a conversation with the first provider that can be had.

        Raises:
            SpeechError: none can.
        """
        session = FallbackSession(self.links, bot)
        try:
            await session.connect()
        except BaseException:
            await session.aclose()
            raise
        return session

    async def aclose(self) -> None:
        """Close what the providers share."""
        for link in self.links:
            await link.provider.aclose()
