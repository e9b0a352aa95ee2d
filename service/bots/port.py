"""The shape of a bot and of the room that knows the bots.

A `Bot` is made for one call: texts are complete, input variables are filled in. Implementations
stand beside this file and are named in `service.wiring` only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from service.dtmf import DigitRules
from service.privacy import Retention
from service.silence import SilencePolicy
from service.tools.port import Command, Tool


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """How the provider decides that the caller speaks.

    Source of the defaults: Realtime specification, 4.2, for telephone audio. `threshold` 0–1;
    `prefix_padding_ms` is kept from before the speech; `silence_duration_ms` ends a turn.
    `semantic_vad` decides by what was said; of the rest only `eagerness` concerns it.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


@dataclass(frozen=True, slots=True)
class Greeting:
    """How the call begins: one of the two, or neither when the caller speaks first.

    Attributes:
        instruction: by which the model speaks.
        clip: PCMU that is played as it is.
        words: what the clip says.
    """

    instruction: str = ""
    clip: bytes = field(default=b"", repr=False)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Keypad:
    """What keys do that nobody asked for.

    Attributes:
        rules: when an entry is complete.
        is_told_to_model: the entry reaches the model as text; otherwise it is only counted.
        interrupts: a key stops the agent's speech, as the caller's voice does.
        keys: single keys that act at once when they begin an entry.
    """

    rules: DigitRules = DigitRules()
    is_told_to_model: bool = False
    interrupts: bool = False
    keys: Mapping[str, Command] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitField:
    """A number that the bot can ask the caller to key in.

    Attributes:
        description: for the model.
        rules: when the number is complete, and when it is wrong.
        is_sensitive: the digits go to tools (`Tool.fill`) and to `output` alone; they are masked
            for the model, the events and the logs.
        is_told_to_model: the model gets the digits; never together with `is_sensitive`.
        output: name of the output variable that takes the digits; empty for none.
    """

    name: str
    description: str
    rules: DigitRules
    is_sensitive: bool = False
    is_told_to_model: bool = False
    output: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take. `warning` instructs the model, `warn_before_s` ahead of the end."""

    max_call_s: float = math.inf
    warn_before_s: float = 60.0
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A remote MCP server that the provider talks to by itself.

    Attributes:
        label: name in the session.
        url: its address.
        authorization: token for it; empty for none.
        headers: further headers.
        description: for the model.
        allowed_tools: no others can be called.
        needs_approval: of these each use is asked for, and refused unless `approved` has it;
            the others run unasked.
        approved: tools whose requests are granted.
    """

    label: str
    url: str
    authorization: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    description: str = ""
    allowed_tools: tuple[str, ...]
    needs_approval: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Privacy:
    """What of a call's words leaves the service.

    `retention`: `redacted` masks private parts, `full` keeps every word, `none` keeps no word.
    `patterns`: the bot's own private numbers (`service.privacy_patterns`).
    """

    retention: Retention = "redacted"
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Everything that makes one agent on one call.

    Attributes:
        bot_id: name of its file.
        instructions: standing orders, the same for many calls (the provider caches them).
        facts: what is true of this call only; told after the instructions.
        greeting: how the call begins.
        farewell: instructs the model what to say before the call ends.
        handover: instructs the model what to say before a person takes over.
        waiting: instructs the model what to say while a tool takes long.
        takeover: instructs the model what to say when this bot takes over from another.
        voice: of the provider.
        model: of the provider; empty for the deployment's.
        reasoning: effort of models that reason; empty for the provider's default.
        languages: tags such as `en` or `en-US` that it speaks, its usual one first.
        language: the one of `languages` that this call begins in, or None.
        keywords: words that the transcription should know.
        transcription_model: empty means that caller turns stay without words.
        noise_reduction: `near_field`, `far_field`, or None.
        max_output_tokens: of one answer.
        tools: functions that the service runs.
        mcp_servers: functions that the provider runs.
        keypad: what keys do that nobody asked for.
        digit_fields: by name, what `CollectDigits` may ask for.
        silence: what happens when the caller says nothing.
        limits: how long the call may take.
        privacy: what of its words leaves the service.
        inputs: the flow's input variables that the bot allows, by name.
        outputs: output variables with their defaults, those of all reachable bots included.
        warnings: short words for what was wrong with the inputs, without their values.
    """

    bot_id: str
    instructions: str
    facts: str = ""
    greeting: Greeting = Greeting()
    farewell: str
    handover: str
    waiting: str = ""
    takeover: str = ""
    voice: str = "marin"
    model: str = ""
    reasoning: str = ""
    languages: tuple[str, ...] = ()
    language: str | None = None
    keywords: tuple[str, ...] = ()
    transcription_model: str = "gpt-transcribe"
    noise_reduction: str | None = "near_field"
    vad: VoiceActivity = VoiceActivity()
    max_output_tokens: int = 2_048
    tools: tuple[Tool, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    keypad: Keypad = Keypad()
    digit_fields: Mapping[str, DigitField] = field(default_factory=dict)
    silence: SilencePolicy = SilencePolicy()
    limits: Limits = Limits()
    privacy: Privacy = Privacy()
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class BotsError(Exception):
    """The bots cannot be used as they were written; `problems` holds a line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class BotService(Protocol):
    """Knows the bots of this deployment. Asking it never waits for a disk."""

    async def watch(self) -> None:
        """Keep the bots fresh until it is cancelled; whatever goes wrong is logged."""
        ...

    def knows(self, path: str) -> bool:
        """True when a bot of its own answers the Connector ID, False when it is unknown."""
        ...

    def get_bot(
        self,
        path: str,
        input_variables: Mapping[str, str] | None = None,
        language: str | None = None,
    ) -> Bot:
        """Return the bot that answers a call; an unknown id gets the default bot.

        Args:
            path: the Connector ID, percent-encoded as it stands in the path, or a `bot_id`.
            input_variables: as the flow sent them; what the bot does not allow is left out.
            language: tag that the caller's side named, or None.
        """
        ...
