"""What a cascade is made of: ears, a mind and a voice, and the values that they exchange.

Each part has an address, a key and a model of its own, so that one failing does not take another
along. Adapters stand in `asr`, `llm` and `tts`; `cascade` drives them.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from service.tools.port import Tool

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function that the chat model calls; `arguments` is JSON text as it wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What a function gave."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation, as a chat model reads it.

    Attributes:
        calls: functions that this message of the assistant calls.
        results: of these calls, one each.
    """

    role: Role
    text: str
    calls: tuple[FunctionCall, ...] = ()
    results: tuple[FunctionResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """Tokens of one answer; `cached_tokens` are a part of `input_tokens`."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


ChatPiece = str | FunctionCall | ChatUsage
"""Of an answer: words in order, then whole calls, then what it used, when the server tells."""


class Transcriber(Protocol):
    """Ears: a whole utterance in, its words out."""

    async def transcribe(self, pcmu: bytes, languages: Sequence[str]) -> str:
        """Return the words, empty when there are none.

        Args:
            pcmu: the utterance.
            languages: tags such as `en-US` that the caller may speak; empty when unknown.

        Raises:
            SpeechError: no words came within the deadline.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ChatModel(Protocol):
    """A mind: the conversation in, words and calls of functions out."""

    @property
    def model(self) -> str:
        """Its name, for events and logs."""
        ...

    def answer(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> AsyncGenerator[ChatPiece, None]:
        """Yield the answer while it is made; without `tools` it calls no function.

        Close the iterator to stop it. Raises `SpeechError`.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class Synthesizer(Protocol):
    """A voice: a sentence in, PCMU out."""

    def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sentence as PCMU while it is made.

        Close the iterator to stop it. Raises `SpeechError`.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The three of them."""

    ears: Transcriber
    mind: ChatModel
    voice: Synthesizer

    async def aclose(self) -> None:
        """Close the connections of all three."""
        for part in (self.ears, self.mind, self.voice):
            await part.aclose()


@dataclass(frozen=True, slots=True)
class Address:
    """Where one part is: a base URL such as `https://host/v1`, and its key, empty for none."""

    base_url: str
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the rules ask for: an answer of the mind, spoken by the voice."""

    item_id: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    voice: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the rules ask for: the words of a caller turn."""

    item_id: str
    pcmu: bytes = field(repr=False)
    languages: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcmu) / 8_000


Work = Reply | Utterance


def schema_of(tool: Tool) -> dict[str, Any]:
    """Return what a chat model is told of a function."""
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
