"""One bot makes way for another in the middle of a call."""

from collections.abc import Callable
from dataclasses import dataclass

from service.bots.port import Bot
from service.conversation import Conversation
from service.receipt import Receipt
from service.speech.port import BotChanged

SWITCH_S = 5.0
"""For the provider to become another bot; a caller waits in silence meanwhile."""

NOT_TO_BE_HAD = (
    "The specialist whom the caller chose by a key cannot be had. Tell the caller so in one short "
    "sentence, and go on yourself."
)


@dataclass(slots=True)
class _Change:
    bot: Bot
    call_id: str | None
    reason: str
    by: float


class Succession:
    """At most one change under way, asked for by a function call or by a key."""

    def __init__(
        self, conversation: Conversation, receipt: Receipt, *, clock: Callable[[], float]
    ) -> None:
        self._conversation = conversation
        self._receipt = receipt
        self._clock = clock
        self._change: _Change | None = None
        self._late: dict[str, Bot] = {}  # given up, and not answered yet

    @property
    def is_under_way(self) -> bool:
        """True until the provider has answered."""
        return self._change is not None

    @property
    def call_id(self) -> str:
        """The function call that asked for the change under way; empty for none."""
        return (self._change.call_id or "") if self._change else ""

    async def begin(self, bot: Bot, call_id: str | None, reason: str = "") -> None:
        """Ask the provider to become the bot.

        Args:
            bot: who takes over, ready for this call.
            call_id: the function call to be answered, None when a key asked for it.
            reason: told to the bot.
        """
        session = self._conversation.session
        if session is None:
            return
        if self._change is not None:
            if call_id:
                await self._conversation.refuse(call_id, "busy", "a change is under way already")
            return
        self._change = _Change(bot, call_id, reason, self._clock() + SWITCH_S)
        await session.change_bot(bot)

    async def end(self, changed: BotChanged) -> Bot | None:
        """Take the provider's answer; return the bot that it has become, None when it has not.

        An answer that comes after we gave up counts too: the provider has the new bot's
        instructions and functions now, and ours must not be another's.
        """
        change = self._change
        if change is None or changed.bot_id != change.bot.bot_id:
            late = self._late.pop(changed.bot_id, None)
            return None if changed.was_refused else late
        if changed.was_refused:
            await self._fail(change)
            return None
        self._late.pop(changed.bot_id, None)
        return change.bot

    async def take_over(self, bot: Bot) -> None:
        """Let the new bot speak for the first time."""
        call_id = None
        self._conversation.note(bot.facts)
        if self._change and self._change.bot is bot:
            change, self._change = self._change, None
            call_id = change.call_id
            self._conversation.note(change.reason and f"Why it was passed on: {change.reason}")
        await self._conversation.tell()
        if call_id:
            await self._conversation.answer(call_id, {"ok": True}, then_say=bot.takeover)
        else:
            await self._conversation.say(bot.takeover)

    async def give_up(self) -> None:
        """Let the old bot go on: the change came to nothing in time."""
        if self._change:
            self._late[self._change.bot.bot_id] = self._change.bot
            await self._fail(self._change)

    async def refuse(self, call_id: str | None) -> None:
        """Let the old bot go on, because the new one cannot be had; `call_id` as for `begin`."""
        self._receipt.add_error("switch_failed")
        if call_id:
            message = "the specialist cannot be had; go on yourself"
            await self._conversation.refuse(call_id, "failed", message)
        else:
            await self._conversation.say(NOT_TO_BE_HAD)

    async def _fail(self, change: _Change) -> None:
        self._change = None
        await self.refuse(change.call_id)

    def due_in_s(self, now: float) -> float:
        """Seconds until the change has failed; infinite when none is under way."""
        return self._change.by - now if self._change else float("inf")
