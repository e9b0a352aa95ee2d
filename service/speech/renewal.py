"""A second conversation, made ready while the first one still serves."""

import asyncio

from service.bots.port import Bot
from service.speech.port import SpeechProvider, SpeechSession


class Renewal:
    """On its way from the beginning.

    Attributes:
        bot: what it is configured for.
    """

    def __init__(self, provider: SpeechProvider, bot: Bot) -> None:
        self.bot = bot
        self._provider = provider
        self._connecting = asyncio.create_task(provider.connect(bot))

    def is_for(self, provider: SpeechProvider, bot: Bot) -> bool:
        """Return whether it is of this provider and for this bot, both as they are now."""
        return self._provider is provider and self.bot is bot

    @property
    def has_failed(self) -> bool:
        """True when no conversation came about."""
        done = self._connecting
        return done.done() and (done.cancelled() or done.exception() is not None)

    @property
    def is_ready(self) -> bool:
        """True when there is a `session`."""
        return self._connecting.done() and not self.has_failed

    @property
    def session(self) -> SpeechSession:
        """The conversation, once it is ready."""
        return self._connecting.result()

    async def undo(self) -> None:
        """Stop it, and close what has come of it."""
        self._connecting.cancel()
        await asyncio.wait((self._connecting,))
        if self.is_ready:
            await self.session.aclose()
