"""What the emulated assistant answers: a brain reads the conversation and returns a reply.

`EchoBrain` repeats the caller, `DialogueBrain` follows rules that are data (see `dialogue`).
No clock and no I/O. Source: openai_realtime spec 14.1, 14.2 and 17.11.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

JsonItem = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Speak:
    """One assistant message; in an audio response it is spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class CallTool:
    """One function call; `{words}` in a string argument becomes what the caller said last."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Part = Speak | CallTool
Reply = list[Part]


class Brain(Protocol):
    """Decides what the assistant says and which tools it calls."""

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """Returns the output parts of a response, in order.

        Args:
            conversation: Items as in `conversation.item.*`; caller audio has the heard words as
                its `transcript`. Instructions of a single response come as a last system item.
            tools: The tools offered to this response; empty when it may not call any.
            instructions: Those in force for this response.
        """


_SAY_EXACTLY = re.compile(r"\bsay(?:ing)? exactly\b(.*)", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"""^\W*?(?:"(.+)"|'(.+)'|“(.+)”|‘(.+)’|„(.+)“|«(.+)»)""", re.DOTALL)
_FOLLOWING = re.compile(r"^[^:]{0,80}:\s*(.+)", re.DOTALL)


def exact_words(text: str) -> str | None:
    """The words of "Say exactly '…'" or of "say exactly the following …: …", None without."""
    found = _SAY_EXACTLY.search(text)
    if found is None:
        return None
    quoted = _QUOTED.match(found[1])
    if quoted is not None:
        return next(group for group in quoted.groups() if group is not None)
    following = _FOLLOWING.match(found[1])
    return following[1].strip() if following else None


def text_of(item: JsonItem) -> str:
    """The words of a message, spoken or written."""
    parts = item.get("content", ())
    return " ".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))


def last_of(conversation: Sequence[JsonItem], role: str) -> JsonItem | None:
    """The newest message of a role."""
    return next((item for item in reversed(conversation) if item.get("role") == role), None)


def literal_reply(conversation: Sequence[JsonItem], instructions: str) -> str | None:
    """Exact words asked for by the last system item, or by instructions before any caller turn."""
    if conversation and conversation[-1].get("role") == "system":
        asked = exact_words(text_of(conversation[-1]))
        if asked is not None:
            return asked
    return exact_words(instructions) if last_of(conversation, "user") is None else None


class EchoBrain:
    """Repeats what the caller said."""

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """See `Brain.reply`."""
        literal = literal_reply(conversation, instructions)
        if literal is not None:
            return [Speak(literal)]
        if conversation and conversation[-1]["type"] == "function_call_output":
            return [Speak(f"The tool says {conversation[-1]['output']}")]
        user = last_of(conversation, "user")
        if user is None:
            return [Speak("Hello, I repeat what you say.")]
        words = text_of(user)
        return [Speak(f"You said: {words}" if words else "I heard nothing.")]


@dataclass(frozen=True, slots=True)
class Rule:
    """Answers a turn in which all words of one of the groups occur.

    Attributes:
        groups: Alternatives, each a string of words such as "opening hours".
        reply: Spoken, and called, when the rule fits.
        otherwise: Taken instead when `reply` calls a tool that is not offered.
    """

    groups: tuple[str, ...]
    reply: tuple[Part, ...]
    otherwise: tuple[Part, ...] = ()

    def fits(self, words: frozenset[str]) -> bool:
        """Whether the rule answers these words; their order and others between do not matter."""
        return any(words.issuperset(group.split()) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A whole scripted assistant."""

    greeting: str
    default: str
    silence: str
    rules: tuple[Rule, ...]
    digits: str = "You pressed {digits}."
    tool_answer: str = "Here is what I found: {output}"


_WORD = re.compile(r"[^\W_]+(?:'\w+)?")
_DIGITS = re.compile(r"\bpressed\b\W*((?:[0-9*#]\s*)+)", re.IGNORECASE)


class DialogueBrain:
    """Follows a `Dialogue`; tolerant, since ears mishear."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """See `Brain.reply`."""
        literal = literal_reply(conversation, instructions)
        if literal is not None:
            return [Speak(literal)]
        if conversation and conversation[-1]["type"] == "function_call_output":
            output = conversation[-1]["output"]
            return [Speak(self._dialogue.tool_answer.format(output=output))]
        user = last_of(conversation, "user")
        if user is None:
            return [Speak(self._dialogue.greeting)]
        return self._answer(text_of(user), {tool.get("name") for tool in tools})

    def _answer(self, said: str, offered: set[str | None]) -> Reply:
        words = frozenset(_WORD.findall(said.lower().replace("’", "'")))
        if not words:
            return [Speak(self._dialogue.silence)]
        digits = _DIGITS.search(said)
        if digits is not None:
            return [Speak(self._dialogue.digits.format(digits=" ".join(digits[1].split())))]
        rule = next((rule for rule in self._dialogue.rules if rule.fits(words)), None)
        if rule is None:
            return [Speak(self._dialogue.default)]
        calls = (part.name for part in rule.reply if isinstance(part, CallTool))
        parts = rule.reply if all(name in offered for name in calls) else rule.otherwise
        return [_with_words(part, said) for part in parts]


def _with_words(part: Part, said: str) -> Part:
    if isinstance(part, Speak):
        return part
    arguments = {
        key: value.replace("{words}", said) if isinstance(value, str) else value
        for key, value in part.arguments.items()
    }
    return CallTool(part.name, arguments)
