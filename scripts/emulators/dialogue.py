"""The form of a scripted conversation: what is said to which words, as values.

`brains` follows it, `dialogues` holds those of the demo. Words are compared as sets, small and
without their order, since ears mishear and sentences change.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_WORD = re.compile(r"[^\W_]+(?:'\w+)?")
_PLACE = re.compile(r"\{(\w+)\}")
_FIRST_SENTENCE = re.compile(r"^(?!#)[^.!?\n]*\w[^.!?\n]*", re.MULTILINE)  # no heading


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


def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters."""
    return frozenset(_WORD.findall(text.lower().replace("’", "'")))


def fits(groups: Sequence[str], words: frozenset[str]) -> bool:
    """Whether all words of one of the groups, each a string such as "opening hours", are there."""
    return any(words.issuperset(group.split()) for group in groups)


def filled(parts: Sequence[Part], values: Mapping[str, Any]) -> Reply:
    """The parts with `{name}` replaced where there is a value; other braces stay."""
    return [_filled(part, values) for part in parts]


def _filled(part: Part, values: Mapping[str, Any]) -> Part:
    def value_of(place: re.Match[str]) -> str:
        return str(values.get(place[1], place[0]))

    if isinstance(part, Speak):
        return Speak(_PLACE.sub(value_of, part.text))
    arguments = {
        key: _PLACE.sub(value_of, value) if isinstance(value, str) else value
        for key, value in part.arguments.items()
    }
    return CallTool(part.name, arguments)


@dataclass(frozen=True, slots=True)
class Rule:
    """Answers a turn in which all words of one of the groups occur.

    Attributes:
        groups: Alternatives, each a string of words such as "opening hours".
        reply: Spoken, and called, when the rule fits.
        otherwise: Taken instead when `reply` calls a tool that is not offered; empty means what
            `reply` speaks.
    """

    groups: tuple[str, ...]
    reply: tuple[Part, ...]
    otherwise: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said at an order of the service: a system item at the end of the conversation.

    Attributes:
        groups: As of a `Rule`, found in the order.
        text: Spoken; `{greeting}` and `{anything_else}` become the dialogue's own.
    """

    groups: tuple[str, ...]
    text: str


CUES = (
    Cue(("taken over", "took over", "greet", "introduce yourself"), "{greeting}"),
    Cue(("what else", "caller back"), "{anything_else}"),
    Cue(
        ("person takes over", "colleague takes over", "hand over", "being transferred"),
        "I will connect you with a colleague now. One moment, please.",
    ),
    Cue(
        ("still looking", "looking up", "takes longer", "still working", "ask wait"),
        "I am still looking that up. One moment, please.",
    ),
    Cue(
        ("minute", "minutes", "ends soon", "end soon", "almost over"),
        "We have only a minute left on this call.",
    ),
    Cue(("goodbye", "good bye", "farewell", "call ends"), "Thank you for calling. Goodbye!"),
    Cue(("cannot hear", "can't hear"), "I am sorry, I cannot hear anything."),
    Cue(
        ("silent person", "silent colleague"),
        "I cannot hear you, so I will bring in a colleague.",
    ),
    Cue(("how far",), "How far are you?"),
    Cue(("silent", "still there", "said nothing", "silence"), "Are you still there?"),
)
"""English, for what a phone service usually orders; the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What follows a tool's result.

    Attributes:
        reply: `{member}` becomes that member of the JSON result; all that are named must be there.
        when: Members of the result and the values that they must have.
    """

    reply: tuple[Part, ...]
    when: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, result: Mapping[str, Any]) -> bool:
        """Whether this is the answer to that result."""
        texts = (part.text for part in self.reply if isinstance(part, Speak))
        named = {name for text in texts for name in _PLACE.findall(text)} - {"greeting"}
        return named <= result.keys() and all(
            result.get(key) == value for key, value in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """Another dialogue, in force where all words of one of the groups occur."""

    groups: tuple[str, ...]
    dialogue: "Dialogue"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A whole scripted assistant.

    Attributes:
        greeting: Said while the caller has not spoken.
        default: Said when no rule fits.
        silence: Said when a turn has no words.
        digits: Said to pressed keys, `{digits}`.
        anything_else: Said when there is nothing to answer.
        cues: Tried in order for an order of the service.
        tool_answers: By the tool's name, tried in order; without replies the result is only noted.
        tool_answer: For other tools, with the whole `{output}`.
        tool_error: For a result with a member `error`, or one that no answer fits.
        tool_errors: The same by the tool's name.
        roles: By words in the first sentence of the instructions: who the assistant is.
        tongues: By words of the newest caller turn, or fact on the language, that has any.
    """

    greeting: str
    default: str
    silence: str
    rules: tuple[Rule, ...]
    digits: str = "You pressed {digits}."
    anything_else: str = "Is there anything else I can do for you?"
    cues: tuple[Cue, ...] = CUES
    tool_answers: Mapping[str, tuple[ToolAnswer, ...]] = field(default_factory=dict)
    tool_answer: str = "Here is what I found: {output}"
    tool_error: str = "I am sorry, I cannot find that out right now."
    tool_errors: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Variant, ...] = ()
    tongues: tuple[Variant, ...] = ()

    def for_instructions(self, instructions: str) -> "Dialogue":
        """The dialogue of the role that the instructions begin with, else this one."""
        first = _FIRST_SENTENCE.search(instructions)
        words = words_of(first[0] if first else "")
        return next((role.dialogue for role in self.roles if fits(role.groups, words)), self)

    def for_turns(self, turns: Sequence[str]) -> "Dialogue":
        """The dialogue in the caller's language; `turns` were said in it or on it, oldest first."""
        for turn in reversed(turns):
            words = words_of(turn)
            for tongue in self.tongues:
                if fits(tongue.groups, words):
                    return tongue.dialogue
        return self

    def at_order(self, order: str) -> Reply | None:
        """What is said at an order of the service, None when it is only a fact."""
        words = words_of(order)
        cue = next((cue for cue in self.cues if fits(cue.groups, words)), None)
        own = {"greeting": self.greeting, "anything_else": self.anything_else}
        return filled([Speak(cue.text)], own) if cue else None

    def after_result(self, tool: str, result: object) -> Reply:
        """What follows a tool's result: a decoded JSON value, or text."""
        members = result if isinstance(result, dict) else {}
        if "error" in members:
            return [Speak(self.tool_errors.get(tool, self.tool_error))]
        if tool not in self.tool_answers:
            return filled([Speak(self.tool_answer)], {"output": result})
        answers = self.tool_answers[tool]
        answer = next((answer for answer in answers if answer.fits(members)), None)
        if answer is None:
            return [Speak(self.tool_errors.get(tool, self.tool_error))]
        return filled(answer.reply, {**members, "greeting": self.greeting})
