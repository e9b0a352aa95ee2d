"""A bot with tools for tests: its file, and the dialogue by which the emulated model acts it."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.emulators.brains import (
    CallTool,
    Dialogue,
    DialogueBrain,
    JsonItem,
    Part,
    Reply,
    Rule,
    Speak,
    ToolAnswer,
)
from service.bots.port import BotService
from tests.e2e.bridge import STORY
from tests.e2e.real_bots import real_bots

LOOKING = "I am still looking that up. One moment, please."
FAILED = "I cannot find that out."
_PARCEL = CallTool("find_parcel", {"number": "42"})
_INVOICE = CallTool("find_invoice")


def _speak_of(text: str) -> tuple[ToolAnswer, ...]:
    return (ToolAnswer((Speak(text),)),)


SHOP = Dialogue(
    greeting="Hello.",
    default="Certainly.",
    silence="Hm?",
    rules=(
        Rule(("both",), (_PARCEL, _INVOICE)),
        Rule(("long story",), (Speak(STORY), _PARCEL)),
        Rule(("parcel",), (_PARCEL,)),
        Rule(("ponder",), (CallTool("ponder"),)),
        Rule(("grind",), (CallTool("grind"),)),
        Rule(("customer",), (CallTool("find_customer", {"id": "7"}),), (Speak("Not today."),)),
        Rule(("order",), (CallTool("find_order", {"id": "42"}),), (Speak("No orders."),)),
        Rule(("cancel",), (CallTool("cancel_order"),)),
        Rule(("delete",), (CallTool("delete_order"),)),
        Rule(("broken",), (CallTool("broken_order"),)),
        Rule(("secret",), (CallTool("secret_order"),), (Speak("There is no such thing."),)),
    ),
    tool_answers={
        "find_parcel": _speak_of("It is {state}."),
        "find_invoice": _speak_of("The invoice is {state}."),
        "ponder": _speak_of("Yes, {thought}."),
        "grind": _speak_of("Well, {thought}."),
        "find_customer": _speak_of("You are {name}."),
        "find_order": _speak_of("The order is {state}."),
        "cancel_order": _speak_of("It is {state}."),
    },
    tool_error=FAILED,
)
SHOPKEEPER = DialogueBrain(SHOP)

_FILE = """
instructions = "You work for a shop. Speak briefly."
controls = {controls}
allowed_hosts = ["127.0.0.1"]
waiting = "The look-up takes longer. Tell the caller in one short sentence that you are on it."
{before}
[greeting]
words = "Hello."
"""
_HTTP_TOOL = """
[[tools]]
kind = "http"
name = "{name}"
description = "Finds it."
url = "{url}"
allow_private = true
retries = 0
{keys}
"""
_NUMBER = """
[tools.parameters]
type = "object"
required = ["number"]
properties.number = { type = "string", pattern = "^[0-9]+$" }
"""


def shop_file(
    *tables: str, before: str = "", controls: str = '["end_call", "transfer_to_agent"]'
) -> str:
    """The bot's file: `before` are keys, `tables` come after them."""
    return _FILE.format(before=before, controls=controls) + "".join(tables)


def parcel_tool(url: str, keys: str = "") -> str:
    """`find_parcel` as a tool over HTTP; `keys` are further lines of its table."""
    return _HTTP_TOOL.format(name="find_parcel", url=f"{url}/parcels", keys=keys) + _NUMBER


def invoice_tool(url: str, keys: str = "") -> str:
    """`find_invoice`, which takes no arguments."""
    return _HTTP_TOOL.format(name="find_invoice", url=f"{url}/invoices", keys=keys)


def python_tool(name: str, keys: str = "") -> str:
    """A function of `tests.e2e.shop_functions`."""
    function = f'function = "tests.e2e.shop_functions:{name}"'
    return f'[[tools]]\nkind = "python"\nname = "{name}"\n{function}\n{keys}\n'


@contextlib.asynccontextmanager
async def shop(file: str, **deployment: Any) -> AsyncIterator[BotService]:
    """The bots of a folder with that one file; see `real_bots`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "default.toml").write_text(file, encoding="utf-8")
        async with real_bots(path, **deployment) as bots:
            yield bots


class Scripted:
    """A brain that gives its replies in order, whatever was said; the last one for ever."""

    def __init__(self, *replies: Sequence[Part]) -> None:
        self._replies = [list(reply) for reply in replies]
        self.seen: list[Sequence[JsonItem]] = []

    def reply(
        self, conversation: Sequence[JsonItem], tools: Sequence[JsonItem], instructions: str
    ) -> Reply:
        self.seen.append(conversation)
        return self._replies[min(len(self.seen), len(self._replies)) - 1]


def error_codes(results: Sequence[Any]) -> list[str]:
    """The codes of the errors among the results of functions."""
    return [
        result["error"]["code"]
        for result in results
        if isinstance(result, Mapping) and "error" in result
    ]
