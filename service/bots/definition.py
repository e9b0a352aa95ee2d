"""The keys of a bot's file: what each may hold, and what it is without one.

`README.md` beside this file explains them to those who write bots, and a test compares the two.
Rules between keys are in `checking`.
"""

from typing import Annotated, Any, Literal

import msgspec

from service.audiohook.variables import MAX_OUTPUT_CHARS
from service.bots.port import Bot, Limits, VoiceActivity
from service.dtmf import GAP_S, MAX_DIGITS, TERMINATOR
from service.privacy import Retention
from service.tools.port import ControlName

FLOW_OVERRIDES = ("BOT_LANGUAGE", "BOT_VOICE")
"""Input variables that choose among what a bot's file allows."""

_BOT = Bot(bot_id="", instructions="", farewell="", handover="")
_VAD = VoiceActivity()
_LIMITS = Limits()

Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]\Z", description="one key of 0-9 * # A-D")]
NoKey = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9*#A-D]?\Z", description="one key of 0-9 * # A-D, or none")
]

Text = Annotated[str, msgspec.Meta(max_length=2_000)]
LongText = Annotated[str, msgspec.Meta(max_length=50_000)]
Prompt = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\S", max_length=50_000, description="a text of at most 50000 characters"
    ),
]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
BotId = Annotated[
    str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}\\Z", description="a bot's name")
]
VariableName = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z][A-Za-z0-9_]{0,63}\\Z",
        description="a name of at most 64 letters, digits and _ that begins with a letter",
    ),
]
ToolName = Annotated[
    str,
    msgspec.Meta(
        pattern="^[a-zA-Z0-9_-]{1,64}\\Z",
        description="a name of at most 64 letters, digits, _ and -",
    ),
]
LanguageTag = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}\\Z",
        description="a language tag such as en or de-DE",
    ),
]
Host = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\*\.)?[A-Za-z0-9.:\[\]-]{1,253}\Z",
        description="host, host:port or *.domain",
    ),
]
HeaderName = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\\Z", description="the name of an HTTP header"
    ),
]
Seconds = Annotated[float, msgspec.Meta(ge=0.5, le=60)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a bot's file; each attribute is a key."""


class GreetingTable(Table, frozen=True, kw_only=True):
    """`[greeting]`: how the call begins."""

    instruction: Text = ""
    words: Text = ""
    clip: Annotated[str, msgspec.Meta(max_length=200)] = ""
    disclosure: Text = ""


class VadTable(Table, frozen=True, kw_only=True):
    """`[vad]`: how it is decided that the caller speaks."""

    kind: Literal["server_vad", "semantic_vad"] = _VAD.kind
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = _VAD.threshold
    prefix_padding_ms: Annotated[int, msgspec.Meta(ge=0, le=2_000)] = _VAD.prefix_padding_ms
    silence_duration_ms: Annotated[int, msgspec.Meta(ge=100, le=5_000)] = _VAD.silence_duration_ms
    eagerness: Literal["low", "medium", "high", "auto"] = _VAD.eagerness


class TranscriptionTable(Table, frozen=True, kw_only=True):
    """`[transcription]`: how the caller's words are written down."""

    model: Annotated[str, msgspec.Meta(max_length=100)] = _BOT.transcription_model
    keywords: Annotated[list[Label], msgspec.Meta(max_length=100)] = []


class SilenceTable(Table, frozen=True, kw_only=True):
    """`[silence]`: what happens when the caller says nothing."""

    after_s: Annotated[float, msgspec.Meta(ge=5, le=120)]
    reprompts: Annotated[list[Text], msgspec.Meta(max_length=10)] = []
    then: Literal["transfer", "end"] = "transfer"


class LimitsTable(Table, frozen=True, kw_only=True):
    """`[limits]`: how long the call may take."""

    max_call_s: Annotated[float, msgspec.Meta(ge=10, le=86_400)] | None = None
    warn_before_s: Annotated[float, msgspec.Meta(ge=5, le=600)] = _LIMITS.warn_before_s
    warning: Text = ""


class KeyTable(Table, frozen=True, kw_only=True):
    """`[keypad.keys]`: what one key does."""

    do: Literal["transfer_to_agent", "end_call", "switch_bot"]
    reason: Text = ""
    target: Text = ""
    bot: BotId | None = None


class KeypadTable(Table, frozen=True, kw_only=True):
    """`[keypad]`: what keys do that nobody asked for."""

    to_model: bool = False
    interrupts: bool = False
    terminator: NoKey = TERMINATOR
    gap_s: Seconds = GAP_S
    cancel: NoKey = ""
    keys: dict[Key, KeyTable] = {}


class DigitsTable(Table, frozen=True, kw_only=True):
    """`[digits.NAME]`: a number that the bot can ask the caller to key in."""

    description: Label
    min: Annotated[int, msgspec.Meta(ge=1, le=MAX_DIGITS)] = 1
    max: Annotated[int, msgspec.Meta(ge=1, le=MAX_DIGITS)] = MAX_DIGITS
    terminator: NoKey = TERMINATOR
    cancel: NoKey = "*"
    first_s: Seconds = 10.0
    gap_s: Seconds = 4.0
    sensitive: bool = False
    to_model: bool = False
    output: str = ""


class InputTable(Table, frozen=True, kw_only=True):
    """`[inputs.NAME]`: an input variable of the flow that the bot takes."""

    max_chars: Annotated[int, msgspec.Meta(ge=1, le=4_000)] = 200
    default: Text = ""
    description: Text = ""


class OutputTable(Table, frozen=True, kw_only=True):
    """`[outputs.NAME]`: an output variable that the bot gives to the flow."""

    default: Annotated[str, msgspec.Meta(max_length=MAX_OUTPUT_CHARS)] = ""
    description: Text = ""


class McpTable(Table, frozen=True, kw_only=True):
    """`[[mcp]]`: a remote MCP server that the provider talks to."""

    label: ToolName
    url: Label
    authorization: Text = ""
    headers: dict[HeaderName, Text] = {}
    description: Text = ""
    allowed_tools: Annotated[list[Label], msgspec.Meta(min_length=1, max_length=100)]
    needs_approval: list[Label] = []
    approved: list[Label] = []


class PrivacyTable(Table, frozen=True, kw_only=True):
    """What of a call's words leaves the service."""

    retention: Retention = "redacted"
    patterns: Annotated[list[Label], msgspec.Meta(max_length=20)] = []


class BotTable(Table, frozen=True, kw_only=True):
    """The whole file. `tools` are read by their kinds, each of which has keys of its own."""

    description: Text = ""
    instructions: Prompt
    facts: LongText = ""
    languages: Annotated[list[LanguageTag], msgspec.Meta(max_length=50)] = []
    voice: str = ""
    voices: Annotated[list[str], msgspec.Meta(max_length=50)] = []
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    reasoning: Literal["", "minimal", "low", "medium", "high", "xhigh"] = ""
    noise_reduction: Literal["near_field", "far_field", "off"] = "near_field"
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=4_096)] = _BOT.max_output_tokens
    farewell: Text = "The call ends now. Say goodbye in one short sentence."
    handover: Text = "A person takes over now. Tell the caller so in one short sentence."
    waiting: Text = "This takes longer. Tell the caller in one short sentence that you are on it."
    takeover: Text = (
        "You have taken over this call. Say in one short sentence what you can help with, then "
        "go on with what the caller wants."
    )
    controls: list[ControlName] = msgspec.field(
        default_factory=lambda: ["end_call", "transfer_to_agent"]
    )
    targets: Annotated[list[Label], msgspec.Meta(max_length=50)] = []
    specialists: Annotated[list[BotId], msgspec.Meta(max_length=50)] = []
    allowed_hosts: Annotated[list[Host], msgspec.Meta(max_length=50)] = []
    greeting: GreetingTable = GreetingTable()
    vad: VadTable = VadTable()
    transcription: TranscriptionTable = TranscriptionTable()
    silence: SilenceTable | None = None
    limits: LimitsTable = LimitsTable()
    privacy: PrivacyTable = PrivacyTable()
    keypad: KeypadTable = KeypadTable()
    digits: Annotated[dict[VariableName, DigitsTable], msgspec.Meta(max_length=50)] = {}
    inputs: Annotated[dict[VariableName, InputTable], msgspec.Meta(max_length=50)] = {}
    outputs: Annotated[dict[VariableName, OutputTable], msgspec.Meta(max_length=50)] = {}
    tools: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=64)] = []
    mcp: Annotated[list[McpTable], msgspec.Meta(max_length=16)] = []
