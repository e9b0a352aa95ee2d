"""The shape of a bot and of the room that knows the bots.

Implementations stand beside this file and are named in `service.wiring` only.
"""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """How the provider decides that the caller speaks.

    Source of the defaults: Realtime specification, 4.2, for telephone audio. `threshold` 0–1;
    `prefix_padding_ms` is kept from before the speech; `silence_duration_ms` ends a turn.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bot:
    """Everything that makes one agent.

    `greeting` tells the model how to open the call; empty means that the caller speaks first.
    `transcription_model` empty means that caller turns stay without words. `farewell` and
    `handover` tell the model what to say before the call ends or a person takes over.
    """

    bot_id: str
    instructions: str
    greeting: str
    farewell: str
    handover: str
    voice: str = "marin"
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    transcription_model: str = "gpt-transcribe"
    noise_reduction: str | None = "near_field"
    vad: VoiceActivity = VoiceActivity()
    max_output_tokens: int = 2_048
    tools: tuple[Tool, ...] = ()


class BotService(Protocol):
    """Knows the bots of this deployment."""

    def get_bot(self, bot_id: str) -> Bot:
        """Return the bot that answers calls to `bot_id`; never fails for an unknown id."""
        ...
