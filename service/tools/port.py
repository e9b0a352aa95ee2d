"""The shape of a function that the model may call, and of what it may bring about.

A `Tool` is what a bot has: its description for the model and the coroutine that does the work. A
`ToolKind` reads the declarations of one kind in the bots' files and makes tools of them. What a
tool brings about on the call itself it returns as a command. Implementations stand beside this
file and are named in `service.wiring` only.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, get_args

import msgspec

Arguments = dict[str, Any]
"""What the model wants the function to know: the members of a JSON object."""
ControlName = Literal[
    "end_call", "transfer_to_agent", "collect_digits", "switch_bot", "set_output_variable"
]
CONTROL_NAMES: tuple[str, ...] = get_args(ControlName)
"""The functions by which a bot acts on its call; no other tool may have these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a function may know of the call that it works for.

    Attributes:
        call_id: of this one function call; the same again when the work is tried again.
        session_id: of the phone call.
        conversation_id: of the phone call in Genesys Cloud.
        bot_id: who asks.
        language: language tag of the conversation, or None.
        inputs: the input variables that the bot allows, by name.
    """

    call_id: str
    session_id: str
    conversation_id: str
    bot_id: str
    language: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)


class ToolError(Exception):
    """The function did not do its work.

    `code` is a short machine word, `message` tells the model what was wrong and what it may try
    instead. Both are ours: nothing that a foreign server or a secret said.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class EndCall:
    """Say farewell and end the call."""


@dataclass(frozen=True, slots=True)
class TransferToAgent:
    """Hand the caller to a person; all texts become output variables."""

    reason: str = ""
    summary: str = field(default="", repr=False)
    target: str = ""


@dataclass(frozen=True, slots=True)
class CollectDigits:
    """Wait for the caller to key in a number, by the rules of one of the bot's digit fields."""

    field_name: str


@dataclass(frozen=True, slots=True)
class SwitchBot:
    """Let another bot go on with the call; it is told the reason."""

    bot_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetOutputVariable:
    """Give the flow a value when the call comes back to it."""

    name: str
    value: str = field(repr=False)


Command = EndCall | TransferToAgent | CollectDigits | SwitchBot | SetOutputVariable


Run = Callable[[Arguments, ToolContext], Awaitable[object]]
"""Does the work: valid arguments in; a JSON value for the model, or a `Command`, out.

Runs as a task of its own beside the call; it is cancelled when its time is up or the call is over,
and must then stop soon. Raises `ToolError`; anything else counts as a bug of the tool and is told
to the model as a failure without its words.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call.

    Attributes:
        name: what the model calls it: at most 64 of `a-z A-Z 0-9 _ -`.
        description: for the model: what it does and when to use it.
        parameters: JSON Schema (draft 7) of an object; None while only `fetch_parameters` knows.
        run: does the work.
        timeout_s: deadline of one run.
        announce_after_s: when it takes longer the caller is told, once.
        max_calls: of this tool in one phone call.
        fill: argument name to the name of a digit field: the service puts in what the caller
            keyed, and the model neither sees nor writes it (the argument is not in `parameters`).
        fetch_parameters: gets `parameters` from where they are kept; raises `ToolError`.
    """

    name: str
    description: str
    parameters: dict[str, Any] | None
    run: Run
    timeout_s: float = 10.0
    announce_after_s: float = 2.0
    max_calls: int = 20
    fill: Mapping[str, str] = field(default_factory=dict)
    fetch_parameters: Callable[[], Awaitable[dict[str, Any]]] | None = None


Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]


class ToolDeclaration(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A `[[tools]]` table of a bot's file: what all kinds have in common; see `Tool`."""

    kind: str
    name: Name
    description: str = ""
    parameters: dict[str, Any] | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    announce_after_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 2.0
    max_calls: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    fill: dict[str, str] = {}


class DeclarationError(Exception):
    """A declaration fits its form but cannot work; `problems` are pairs of key and expectation."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {expected}" for key, expected in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a declaration may refer to.

    Attributes:
        input_names: the bot's input variables, for `{{NAME}}`.
        allowed_hosts: `host`, `host:port` or `*.domain` that the bot's tools may talk to.
        values: of the deployment, for `${NAME}`: secrets, and addresses.
        sensitive_fields: digit fields whose digits go where nobody else reads them: never into an
            address, which servers on the way write down.
    """

    input_names: frozenset[str]
    allowed_hosts: tuple[str, ...]
    values: Mapping[str, str] = field(repr=False)
    sensitive_fields: frozenset[str] = frozenset()


class ToolKind(Protocol):
    """Makes the tools of one kind from their declarations."""

    @property
    def declaration(self) -> type[ToolDeclaration]:
        """The keys that a declaration of this kind may have."""
        ...

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        """Return the tool; `declared` is of the type `declaration`.

        Raises:
            DeclarationError: with everything that is wrong.
        """
        ...

    async def aclose(self) -> None:
        """Give back what the tools have used; no function runs any more."""
        ...
