"""No provider at all: the end of every chain, by its name `clips`.

Whoever comes here hears the recording of a hand-over and is handed over with `BOT_STATUS=failed`,
as always when no provider is left. Alone, it is the setting for a day of maintenance.
"""

from service.bots.port import Bot
from service.speech.port import SpeechError, SpeechSession

NO_PROVIDER = "no_provider"
"""The code of the refusal."""


class ClipsProvider:
    """Opens no conversation."""

    async def connect(self, bot: Bot) -> SpeechSession:
        """Refuse.

        Raises:
            SpeechError: always.
        """
        raise SpeechError(NO_PROVIDER, retryable=False)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
