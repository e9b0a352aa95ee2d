"""What the emulated assistant answers: a brain reads the conversation and returns a reply.

`EchoBrain` repeats the caller, `DialogueBrain` follows a `Dialogue`, which is data.
No clock and no I/O. Source: openai_realtime spec 14.1, 14.2 and 17.11.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from scripts.emulators.dialogue import (
    CallTool,
    Cue,
    Dialogue,
    Part,
    Reply,
    Rule,
    Speak,
    ToolAnswer,
    Variant,
    filled,
    fits,
    words_of,
)

__all__ = [
    "Brain",
    "CallTool",
    "Cue",
    "Dialogue",
    "DialogueBrain",
    "EchoBrain",
    "Part",
    "Reply",
    "Rule",
    "Speak",
    "ToolAnswer",
    "Variant",
]

JsonItem = Mapping[str, Any]


class Brain(Protocol):
    """Decides what the assistant says and which tools it calls."""

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """Returns the output parts of a response, in order.

        Args:
            conversation: Items as in `conversation.item.*`; caller audio has the heard words as
                its `transcript`. Instructions of a single response come as a last system item.
            tools: The tools offered to this response, those of MCP servers one by one; empty when
                it may not call any.
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


def result_of(item: JsonItem) -> str | None:
    """What a tool gave, as text; None when the item is no result."""
    match item["type"]:
        case "function_call_output":
            output: str = item["output"]
            return output
        case "mcp_call":
            if item.get("error"):
                return msgspec.json.encode({"error": item["error"]}).decode()
            return item.get("output")
        case "mcp_approval_response" if not item["approve"]:
            return '{"error":"refused"}'
        case _:
            return None


class EchoBrain:
    """Repeats what the caller said."""

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """See `Brain.reply`."""
        literal = literal_reply(conversation, instructions)
        if literal is not None:
            return [Speak(literal)]
        result = result_of(conversation[-1]) if conversation else None
        if result is not None:
            return [Speak(f"The tool says {result}")]
        user = last_of(conversation, "user")
        if user is None:
            return [Speak("Hello, I repeat what you say.")]
        words = text_of(user)
        return [Speak(f"You said: {words}" if words else "I heard nothing.")]


_DIGITS = re.compile(r"\b(?:pressed|keyed in|entered)\b\W*((?:[0-9*#]\s*)+)", re.IGNORECASE)
_ON_LANGUAGE = re.compile(r"\blanguage (?:is|with the tag)\b")
_NOTHING_TO_ANSWER = frozenset({"mcp_list_tools", "mcp_approval_request"})


class DialogueBrain:
    """Follows a `Dialogue`; tolerant, since ears mishear."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        """See `Brain.reply`."""
        items = [item for item in conversation if item["type"] not in _NOTHING_TO_ANSWER]
        literal = literal_reply(items, instructions)
        if literal is not None:
            return [Speak(literal)]
        turns = [text_of(item) for item in items if item.get("role") == "user"]
        told = [text_of(item) for item in items if _tells_language(item)]
        dialogue = self._dialogue.for_instructions(instructions).for_turns(told)
        offered = {tool["name"]: tool for tool in tools if "name" in tool}
        return _allowed(_react(dialogue, items, turns, offered), offered)


def _tells_language(item: JsonItem) -> bool:
    """Whether an item is in the caller's language, or a fact about it."""
    role = item.get("role")
    return role == "user" or (role == "system" and _ON_LANGUAGE.search(text_of(item)) is not None)


def _react(
    dialogue: Dialogue,
    items: list[JsonItem],
    turns: Sequence[str],
    offered: Mapping[str, JsonItem],
) -> Reply:
    """Answers what came last: an order, results of tools, or the caller."""
    if items and items[-1].get("role") == "system":
        said = dialogue.at_order(text_of(items[-1]))
        if said is not None:
            return said
    end = len(items)
    while end and items[end - 1].get("role") == "system":
        end -= 1  # facts
    results = _after_results(dialogue, items[:end])
    if results is not None:
        return results
    if not turns:
        return [Speak(dialogue.greeting)]
    was_answered = end < len(items) and items[end - 1].get("role") == "assistant"
    if was_answered:
        return [Speak(dialogue.anything_else)]
    return _answer(dialogue, turns[-1], offered)


def _after_results(dialogue: Dialogue, items: Sequence[JsonItem]) -> Reply | None:
    """The reaction to the results at the end, None when the last item is no result."""
    start = len(items)
    while start and result_of(items[start - 1]) is not None:
        start -= 1
    if start == len(items):
        return None
    names = {item["call_id"]: item["name"] for item in items if item["type"] == "function_call"}
    reply: Reply = []
    for item in items[start:]:
        name = item.get("name") or names.get(item.get("call_id"), "")
        reply += dialogue.after_result(name, _decoded(result_of(item) or ""))
    return reply or [Speak(dialogue.anything_else)]


def _decoded(output: str) -> object:
    try:
        value: object = msgspec.json.decode(output)
    except msgspec.DecodeError:
        return output
    return value if isinstance(value, dict) else output


def _answer(dialogue: Dialogue, said: str, offered: Mapping[str, JsonItem]) -> Reply:
    words = words_of(said)
    if not words:
        return [Speak(dialogue.silence)]
    digits = _DIGITS.search(said)
    if digits is not None:
        return filled([Speak(dialogue.digits)], {"digits": " ".join(digits[1].split())})
    rule = next((rule for rule in dialogue.rules if fits(rule.groups, words)), None)
    if rule is None:
        return [Speak(dialogue.default)]
    calls = [part.name for part in rule.reply if isinstance(part, CallTool)]
    parts = rule.reply if all(name in offered for name in calls) else rule.otherwise
    return filled(parts or rule.reply, {"words": said})


def _allowed(reply: Reply, offered: Mapping[str, JsonItem]) -> Reply:
    """The reply without calls of tools that are not offered, and with arguments that they take."""
    return [
        part if isinstance(part, Speak) else _valid(part, offered[part.name])
        for part in reply
        if isinstance(part, Speak) or part.name in offered
    ]


def _valid(call: CallTool, tool: JsonItem) -> CallTool:
    """The call as a model makes it that has read the schema: only what it knows and allows."""
    known = (tool.get("parameters") or {}).get("properties")
    if known is None:
        return call
    arguments = {}
    for key, value in call.arguments.items():
        if key in known:
            choices = known[key].get("enum") or [value]
            arguments[key] = value if value in choices else choices[0]
    return CallTool(call.name, arguments)
