"""A small bot and the service that knows it alone, for tests of everything that is not a bot."""

from collections.abc import Mapping
from dataclasses import replace

from service.bots.port import Bot, Greeting, Keypad
from service.tools.call_control import control_tools

PLAIN_BOT = Bot(
    bot_id="default",
    instructions="You are a friendly assistant on the telephone. Speak briefly.",
    greeting=Greeting("The call is connected. Greet the caller in one short sentence."),
    farewell="The call ends now. Say goodbye in one short sentence.",
    handover="A person takes over now. Tell the caller so in one short sentence.",
    waiting="Tell the caller in one short sentence that you are still looking it up.",
    takeover="You have taken over this call. Greet the caller in one short sentence.",
    keypad=Keypad(is_told_to_model=True),
    tools=control_tools(("end_call", "transfer_to_agent")),
)


class Bots:
    """Knows the bots it was given; the first one answers unknown ids."""

    def __init__(self, *bots: Bot) -> None:
        self._bots = {bot.bot_id: bot for bot in bots or (PLAIN_BOT,)}
        self._first = next(iter(self._bots.values()))
        self.asked: list[tuple[str, Mapping[str, str] | None, str | None]] = []

    async def watch(self) -> None:
        """They never change."""

    def knows(self, path: str) -> bool:
        return path in self._bots

    def get_bot(
        self,
        path: str,
        input_variables: Mapping[str, str] | None = None,
        language: str | None = None,
    ) -> Bot:
        self.asked.append((path, input_variables, language))
        bot = self._bots.get(path, self._first)
        return replace(bot, inputs=dict(input_variables or {}), language=language)
