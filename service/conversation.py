"""What the service tells the model besides the caller's voice, and whose turn it is to speak."""

import msgspec

from service.speech.port import SpeechSession, TextSpeaker


class Conversation:
    """The agent's side of a `SpeechSession`; before there is one, facts wait and nothing is said.

    Attributes:
        session: the conversation with the provider, once it stands.
        is_model_busy: the model owes something: an answer, a greeting, an announcement.
        is_caller_speaking: the provider hears the caller.
    """

    def __init__(self) -> None:
        self.session: SpeechSession | None = None
        self.is_model_busy = True
        self.is_caller_speaking = False
        self._waiting: list[tuple[TextSpeaker, str]] = []

    @property
    def has_news(self) -> bool:
        """True when `tell` has something to do."""
        return bool(self._waiting)

    def note(self, text: str, speaker: TextSpeaker = "system") -> None:
        """Add a fact to the conversation at the next `tell`; no answer is wanted."""
        if text:
            self._waiting.append((speaker, text))

    async def tell(self) -> None:
        """Send the facts that wait."""
        while self._waiting and self.session:
            speaker, text = self._waiting.pop(0)
            await self.session.send_text(text, speaker=speaker, wants_reply=False)

    async def ask(self, text: str) -> None:
        """Add what the caller did without speaking, and let the model react."""
        if self.session:
            self.is_model_busy = True
            await self.session.send_text(text)

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        """Let the model speak by an instruction, unless it is empty."""
        if self.session and instruction:
            self.is_model_busy = True
            await self.session.say(instruction, may_use_tools=may_use_tools)

    async def answer(self, call_id: str, result: object, *, then_say: str = "") -> None:
        """Answer a function call with a JSON value, or with JSON text as `msgspec.Raw`."""
        if self.session:
            self.is_model_busy = True
            output = msgspec.json.encode(result).decode()
            await self.session.send_tool_result(call_id, output, then_say=then_say)

    async def refuse(self, call_id: str, code: str, message: str) -> None:
        """Answer a function call with an error that the model can act on."""
        await self.answer(call_id, {"error": {"code": code, "message": message}})

    async def abandon_calls(self, *, but: str = "") -> None:
        """Wait for no function any more, except for one: the conversation ends."""
        if self.session:
            await self.session.abandon_calls(but=but)

    async def use_model(self, model: str) -> None:
        """Go on with another model when nobody speaks."""
        if self.session:
            await self.session.use_model(model)

    async def forget_caller(self) -> None:
        """Drop the caller's unfinished turn."""
        self.is_caller_speaking = False
        if self.session:
            await self.session.forget_caller()
