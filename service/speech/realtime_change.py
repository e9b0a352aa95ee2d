"""A change of the bot in the middle of a Realtime conversation.

Source: Realtime specification, 4.1 (what may change when), 4.3 (one refused key refuses all).
"""

from dataclasses import dataclass, replace

from service.bots.port import Bot
from service.speech.port import BotChanged, SpeechError, SpeechEvent
from service.speech.realtime_config import session_update
from service.speech.realtime_outgoing import Outgoing
from service.speech.realtime_wire import ErrorDetail, Session

USUAL_EFFORT = "low"
"""Of models that reason, when nothing was said about it (4.1)."""
_VOICE_IS_FROZEN = "cannot_update_voice"


@dataclass(slots=True)
class Change:
    """One change: the bot, and how much of it was asked for at last.

    `effort` is its reasoning; a key that is left out would keep the effort of the bot before it.
    """

    bot: Bot
    event_id: str
    effort: str
    is_voice_frozen: bool
    is_reduced: bool = False

    def frame(self) -> bytes:
        """Return the `session.update` that asks for it."""
        return session_update(
            replace(self.bot, reasoning=self.effort),
            self.event_id,
            reduced=self.is_reduced,
            is_voice_frozen=self.is_voice_frozen,
        )


class BotChange:
    """The `session.update`s under way, in order: with all that a bot asks for, else with less."""

    def __init__(self, out: Outgoing, *, has_effort: bool = False) -> None:
        """`has_effort`: the bot at first has a reasoning effort of its own, which was accepted."""
        self._out = out
        self._has_effort = has_effort
        self._pending: list[Change] = []

    def begin(self, bot: Bot, *, is_voice_frozen: bool) -> None:
        """Ask for the bot, after what was asked for before."""
        has_effort = self._has_effort or any(change.effort for change in self._pending)
        effort = bot.reasoning or (USUAL_EFFORT if has_effort else "")
        change = Change(bot, self._out.next_id("bot"), effort, is_voice_frozen)
        self._pending.append(change)
        self._out.frames.append(change.frame())

    def accept(self, session: Session) -> Change | None:
        """Take a session's confirmation; return the change that it confirms, None without one.

        Confirmations name no event of ours (1), but come in the order of what they confirm.

        Raises:
            SpeechError: the session is not PCMU any more: the caller would hear static.
        """
        if not session.speaks_pcmu:
            raise SpeechError("not_pcmu", retryable=True)
        change = self._pending.pop(0) if self._pending else None
        if change and change.effort and not change.is_reduced:
            self._has_effort = True
        return change

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
