"""A change of the bot in the middle of a Realtime conversation.

Source: Realtime specification, 4.1 (what may change when), 4.3 (one refused key refuses all).
"""

from dataclasses import dataclass

from service.bots.port import Bot
from service.speech.port import BotChanged, SpeechError, SpeechEvent
from service.speech.realtime_config import session_update
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_wire import ErrorDetail, Session

_VOICE_IS_FROZEN = "cannot_update_voice"


@dataclass(slots=True)
class _Pending:
    bot: Bot
    event_id: str
    is_voice_frozen: bool
    is_reduced: bool = False

    def frame(self) -> bytes:
        return session_update(
            self.bot,
            self.event_id,
            reduced=self.is_reduced,
            is_voice_frozen=self.is_voice_frozen,
        )


class BotChange:
    """The `session.update`s under way, in order: with all that a bot asks for, else with less."""

    def __init__(self, out: Outgoing) -> None:
        self._out = out
        self._pending: list[_Pending] = []

    def begin(self, bot: Bot, *, is_voice_frozen: bool) -> None:
        """Ask for the bot, after what was asked for before."""
        self._pending.append(_Pending(bot, self._out.next_id("bot"), is_voice_frozen))
        self._out.frames.append(self._pending[-1].frame())

    def accept(self, session: Session) -> Bot | None:
        """Take a session's confirmation; return the bot that it is now, None when it was not ours.

        Confirmations name no event of ours (1), but come in the order of what they confirm.

        Raises:
            SpeechError: the session is not PCMU any more: the caller would hear static.
        """
        if not session.speaks_pcmu:
            raise SpeechError("not_pcmu", retryable=True)
        return self._pending.pop(0).bot if self._pending else None

    def refuse(self, error: ErrorDetail) -> list[SpeechEvent] | None:
        """Take an error; ask for less, or say that it was refused. None: it was about another.

        A change that another one has followed is not tried again: it would undo that one.
        """
        pending = next((it for it in self._pending if it.event_id == error.event_id), None)
        if pending is None:
            return None
        if pending.is_reduced or pending is not self._pending[-1]:
            self._pending.remove(pending)
            return [BotChanged(pending.bot.bot_id, was_refused=True)]
        # Speech that was on its way to us froze the voice: nothing else need be given up.
        pending.is_reduced = pending.is_voice_frozen or error.code != _VOICE_IS_FROZEN
        pending.is_voice_frozen = True
        pending.event_id = self._out.next_id("bot")
        self._out.frames.append(pending.frame())
        return []
