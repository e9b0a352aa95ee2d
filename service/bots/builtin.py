"""The bot that comes with the service and answers every call."""

from dataclasses import replace

from service.bots.port import Bot, Tool

_REASON = {"type": "string", "description": "Why, in a few words."}

END_CALL = Tool(
    name="end_call",
    description="End the call. Use it when the caller says goodbye or wants nothing more.",
    parameters={"type": "object", "properties": {"reason": _REASON}, "required": []},
)
TRANSFER_TO_AGENT = Tool(
    name="transfer_to_agent",
    description="Hand the caller to a person. Use it when the caller asks for one, or when you "
    "cannot help.",
    parameters={
        "type": "object",
        "properties": {
            "reason": _REASON,
            "summary": {"type": "string", "description": "The call so far, for the person."},
        },
        "required": ["reason"],
    },
)

DEFAULT_BOT = Bot(
    bot_id="default",
    instructions=(
        "You are a friendly assistant on the telephone. Speak briefly, in short sentences, in "
        "the caller's language. Ask one question at a time. You cannot show anything: say "
        "numbers and names so that they can be understood by ear. If you did not understand, "
        "say so and ask again. Never invent facts. When the caller is done, say goodbye and "
        "end the call. When the caller wants a person or you cannot help, hand over."
    ),
    greeting="The call is connected. Greet the caller in one short sentence and offer help.",
    farewell="The call ends now. Say goodbye in one short sentence.",
    handover="A person takes over now. Tell the caller so in one short sentence.",
    tools=(END_CALL, TRANSFER_TO_AGENT),
)


class BuiltinBots:
    """Knows one bot, which answers whatever id was dialled."""

    def __init__(self, voice: str) -> None:
        self._bot = replace(DEFAULT_BOT, voice=voice)

    def get_bot(self, bot_id: str) -> Bot:
        """Return the default bot."""
        del bot_id
        return self._bot
