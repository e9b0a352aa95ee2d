"""The speech seam: what a call asks of a provider, and what a provider tells a call.

PCMU bytes (8 kHz mono, one byte a sample) go in and come out. A provider that needs another
format converts inside itself. Implementations stand beside this file and are named in
`service.wiring` only.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service.audio.playout import HeardItem
from service.bots.port import Bot


@dataclass(slots=True)
class CallerSpeechStarted:
    """The caller began to speak. `at_ms` on the provider's audio clock: ms of audio sent."""

    item_id: str
    at_ms: int


@dataclass(slots=True)
class CallerSpeechStopped:
    """The caller's turn ended. `at_ms` includes the silence that ended it."""

    item_id: str
    at_ms: int


@dataclass(slots=True)
class CallerTranscript:
    """The words of a caller turn; None when they could not be made out. Comes late, unordered."""

    item_id: str
    text: str | None


@dataclass(slots=True)
class AgentAudio:
    """Agent speech to be played after what came before."""

    item_id: str
    pcmu: bytes


@dataclass(slots=True)
class AgentAudioDone:
    """All audio of the item has been handed out."""

    item_id: str


@dataclass(slots=True)
class AgentTranscript:
    """Words of agent speech: a piece to append, or with `is_final` all of them."""

    item_id: str
    text: str
    is_final: bool


@dataclass(slots=True)
class ToolCall:
    """The model calls a function. `arguments` is JSON text as the model wrote it.

    `has_spoken`: it said something in the same breath, before it called.
    """

    call_id: str
    name: str
    arguments: str
    has_spoken: bool = False


LISTING = "tools/list"
"""The protocol's own word (MCP): the server is asked for its functions. No function is named so."""


@dataclass(slots=True)
class RemoteToolUsed:
    """The provider has called a function of a remote server by itself, or was refused it.

    `name` is `LISTING` when the provider could not learn what the server has: the model can use
    none of it.
    """

    server: str
    name: str
    outcome: Literal["ok", "failed", "refused"]


@dataclass(slots=True)
class BotChanged:
    """The answer to `change_bot`: the conversation goes on as the new bot, or as the old one.

    `was_reduced`: as the new bot, but without what the provider refused (see `is_reduced`).
    """

    bot_id: str
    was_refused: bool = False
    was_reduced: bool = False


@dataclass(slots=True)
class AgentTurnDone:
    """The model has nothing more to say for now."""


@dataclass(slots=True)
class Usage:
    """Tokens of one response (field names as in the provider's report) or transcription."""

    counts: dict[str, float]


@dataclass(slots=True)
class SpeechLost:
    """The conversation was lost, and is being restored: nothing is heard or said meanwhile.

    Speech that was handed out stays valid; no more comes of it. `code` as in `SpeechError`.
    """

    provider: str
    code: str


@dataclass(slots=True)
class SpeechReady:
    """A conversation stands: the first one, or one that goes on where the lost one ended.

    `provider` is its name in `SPEECH_PROVIDER`; `after` is the code of what was lost, empty at the
    first time and when a conversation was renewed before its time was up. `is_reduced` as of
    `SpeechSession`.
    """

    provider: str
    model: str
    is_reduced: bool = False
    after: str = ""


SpeechEvent = (
    CallerSpeechStarted
    | CallerSpeechStopped
    | CallerTranscript
    | AgentAudio
    | AgentAudioDone
    | AgentTranscript
    | ToolCall
    | RemoteToolUsed
    | BotChanged
    | AgentTurnDone
    | Usage
    | SpeechLost
    | SpeechReady
)


TextSpeaker = Literal["caller", "agent", "system"]


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said before this conversation began; of the agent's, what was heard."""

    speaker: TextSpeaker
    text: str


@dataclass(frozen=True, slots=True)
class Used:
    """A function that was called before this conversation began, with its result."""

    call_id: str
    name: str
    arguments: str
    output: str


Remembered = Said | Used


class SpeechError(Exception):
    """The provider failed. `retryable`: another attempt, here or elsewhere, may succeed.

    `code` is a short machine word of ours or of the provider's catalogue, safe for logs; the
    provider's own text never leaves the adapter.
    """

    def __init__(self, code: str, *, retryable: bool) -> None:
        super().__init__(code)
        self.code = code
        self.retryable = retryable


MODEL_SILENT = "model_silent"
"""The code of a conversation that was given up because nothing came of it."""


class SpeechSession(Protocol):
    """One conversation with a provider.

    Iterate it to receive events. The iteration ends only by `SpeechError` or cancellation, and
    may be taken up again after a cancellation without losing events. All other methods return
    soon and never raise: a failure is reported by the iteration.
    """

    @property
    def model(self) -> str:
        """Name of the model in use, for events and logs."""
        ...

    @property
    def is_reduced(self) -> bool:
        """True when extras are off from the start because the provider refused them.

        They are remote tools, transcripts of the caller, noise reduction and reasoning.
        """
        ...

    async def send_audio(self, pcmu: bytes) -> None:
        """Pass caller audio on, in order."""
        ...

    async def send_text(
        self, text: str, *, speaker: TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        """Add a text to the conversation, and let the model react to it if a reply is wanted.

        `speaker`: `caller` did or typed it, `agent` has said it by another way (a recorded clip),
        `system` is a fact or an instruction of the service. With `wants_reply` the model reacts
        as soon as nobody speaks.
        """
        ...

    async def restore(self, memories: Sequence[Remembered]) -> None:
        """Put what happened before into a conversation that is new; no reply follows."""
        ...

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        """Answer a `ToolCall`, once. The model goes on when all calls of its turn are answered.

        `then_say` instructs it what to say next, instead of whatever it likes.
        """
        ...

    async def abandon_calls(self, *, but: str = "") -> None:
        """Wait for no function any more, except for the call `but`: the conversation ends.

        A result that comes all the same, because the conversation went on, may be told in words.
        """
        ...

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        """Let the model speak now, following `instruction`: greeting, farewell, announcement."""
        ...

    async def change_bot(self, bot: Bot) -> None:
        """Go on as another bot: instructions, tools, turn detection, and its voice where possible.

        `BotChanged` answers. The model is not asked to speak.
        """
        ...

    async def use_model(self, model: str) -> None:
        """Go on with another model of the same provider, as soon as nobody speaks.

        A conversation that cannot do that goes on as it is.
        """
        ...

    async def forget_caller(self) -> None:
        """Drop what the caller is saying at this moment: the line was paused for secrecy."""
        ...

    async def revive(self, *, elsewhere: bool) -> None:
        """Do something about a silence: speech is owed, and none comes.

        Ask the model again; with `elsewhere`, which comes after that was in vain, give the
        conversation up as lost.
        """
        ...

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Tell the model what was heard before the caller broke in (from `PlayoutBuffer.clear`).

        Speech of the interrupted response that still arrives is dropped.
        """
        ...

    async def aclose(self) -> None:
        """Close the session."""
        ...

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """Iterate over the events of the conversation."""
        ...

    async def __anext__(self) -> SpeechEvent:
        """Return the next event; cancelling it loses none."""
        ...


class SpeechProvider(Protocol):
    """Opens conversations."""

    async def connect(self, bot: Bot) -> SpeechSession:
        """Return a session that is configured and ready for audio.

        The caller of this method closes the session. Cancellation closes what was opened.

        Raises:
            SpeechError: when no session came about within the provider's own deadline.
        """
        ...

    async def aclose(self) -> None:
        """Close what conversations share; none is alive any more."""
        ...
