import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from service.bots.port import Bot, McpServer
from service.call_events import ToolUse
from service.conversation import Conversation
from service.functions import FETCH_S, LOOK_S, CallFacts, Functions
from service.speech.port import RemoteToolUsed, ToolCall
from service.tools.port import Arguments, Command, EndCall, Tool, ToolContext, ToolError
from service.turns import Turns
from tests.emulators.realtime_client import run
from tests.fake_speech import FakeSession
from tests.plain_bot import PLAIN_BOT

OPENED_AT_S = 10.0
ANY = {"type": "object"}


class Over(Exception):
    """The call has ended."""


def takes(seconds: float, result: object = "done", *, name: str = "look_up", **more: Any) -> Tool:
    """A function that works for so long, and then returns its result or raises it."""

    async def work(arguments: Arguments, context: ToolContext) -> object:
        del arguments, context
        await asyncio.sleep(seconds)
        if isinstance(result, Exception):
            raise result
        return result

    fields = {"description": "", "parameters": ANY, "timeout_s": 60.0, **more}
    return Tool(name=name, run=work, **fields)


class Desk:
    """Functions of a call in virtual time; what they ask the call for is kept."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.clock = asyncio.get_running_loop().time
        self.turns = Turns(PLAIN_BOT)
        self.turns.begin(OPENED_AT_S)
        self.session = FakeSession()
        self.conversation = Conversation()
        self.conversation.session = self.session
        self.may_announce = True
        self.commands: list[tuple[Command, ToolCall | None]] = []
        self.functions = Functions(
            self.turns,
            self.conversation,
            carry_out=self._carry_out,
            may_announce=lambda: self.may_announce,
            clock=self.clock,
        )
        self.functions.tasks = tasks

    async def _carry_out(self, command: Command, call: ToolCall | None) -> None:
        self.commands.append((command, call))

    def calls(self, *tools: Tool, name: str = "", call_id: str = "call_1", **more: Any) -> None:
        """Let the model call one of the functions, the first one unless it is named."""
        bot: Bot = replace(PLAIN_BOT, tools=tools, inputs={"CUSTOMER": "17"})
        call = ToolCall(call_id, name or tools[0].name, "{}")
        facts = {"language": "en", "digits": {}} | more
        self.functions.start(self.functions.run(call, bot, **facts))

    @property
    def answers(self) -> list[tuple[str, Any]]:
        return [(call_id, json.loads(output)) for call_id, output, _ in self.session.results]

    @property
    def uses(self) -> list[ToolUse]:
        return self.turns.receipt.tool_uses


def play(script: Callable[[Desk], Awaitable[None]]) -> Desk:
    """Run a script beside a call that ends with it."""

    desks: list[Desk] = []

    async def call() -> None:
        await asyncio.sleep(OPENED_AT_S)
        try:
            async with asyncio.TaskGroup() as tasks:
                desks.append(Desk(tasks))
                await script(desks[0])
                raise Over
        except* Over:
            pass

    run(call())
    return desks[0]


# Results and commands.


def test_a_result_goes_to_the_model():
    async def script(desk: Desk) -> None:
        desk.calls(takes(1, {"balance": 5}))
        await asyncio.sleep(2)

    desk = play(script)

    assert desk.answers == [("call_1", {"balance": 5})]
    assert desk.uses == [ToolUse(name="look_up", at_ms=0, duration_ms=1_000, outcome="ok")]


def test_a_command_goes_to_the_call_and_leaves_the_answer_to_it():
    async def script(desk: Desk) -> None:
        desk.calls(takes(1, EndCall()))
        await asyncio.sleep(2)

    desk = play(script)

    assert desk.commands == [(EndCall(), ToolCall("call_1", "look_up", "{}"))]
    assert desk.answers == []
    assert [use.outcome for use in desk.uses] == ["ok"]


def test_a_function_knows_its_call():
    seen: list[ToolContext] = []

    async def look(arguments: Arguments, context: ToolContext) -> None:
        seen.append(context)

    async def script(desk: Desk) -> None:
        desk.functions.facts = CallFacts(session_id="s", conversation_id="c")
        desk.calls(replace(takes(0), run=look), language="de-AT")
        await asyncio.sleep(1)

    play(script)

    assert seen == [
        ToolContext(
            call_id="call_1",
            session_id="s",
            conversation_id="c",
            bot_id="default",
            language="de-AT",
            inputs={"CUSTOMER": "17"},
        )
    ]


def test_a_function_gets_what_the_caller_keyed_in_meanwhile():
    seen: list[Arguments] = []

    async def look(arguments: Arguments, context: ToolContext) -> None:
        del context
        seen.append(arguments)

    async def script(desk: Desk) -> None:
        digits = {"pin": "4711"}
        desk.calls(replace(takes(0), run=look, fill={"code": "pin"}), digits=digits)
        digits["pin"] = "0815"
        await asyncio.sleep(1)

    play(script)

    assert seen == [{"code": "0815"}]


def test_a_failure_is_told_and_noted():
    async def script(desk: Desk) -> None:
        desk.calls(takes(1, ToolError("declined", "go on without it")))
        await asyncio.sleep(2)

    desk = play(script)

    (answer,) = desk.answers
    assert answer == ("call_1", {"error": {"code": "declined", "message": "go on without it"}})
    assert [use.outcome for use in desk.uses] == ["declined"]


def test_a_name_that_the_model_made_up_is_not_published():
    async def script(desk: Desk) -> None:
        desk.calls(takes(1), name="call_555_0199")
        await asyncio.sleep(2)

    desk = play(script)

    assert [code["error"]["code"] for _, code in desk.answers] == ["unknown_function"]
    assert [(use.name, use.outcome) for use in desk.uses] == [("unknown", "unknown_function")]


def test_parallel_functions_are_answered_as_they_end():
    async def script(desk: Desk) -> None:
        desk.calls(takes(3, "slow"), call_id="call_1")
        desk.calls(takes(1, "quick"), call_id="call_2")
        await asyncio.sleep(0.5)
        assert desk.functions.are_running
        await asyncio.sleep(3)
        assert not desk.functions.are_running

    assert play(script).answers == [("call_2", "quick"), ("call_1", "slow")]


# The end of the call.


def test_the_end_of_the_call_cancels_functions_and_notes_them():
    async def script(desk: Desk) -> None:
        desk.calls(takes(50))
        await asyncio.sleep(1.5)

    desk = play(script)

    assert desk.answers == []
    assert desk.uses == [ToolUse(name="look_up", at_ms=0, duration_ms=1_500, outcome="cancelled")]
    assert desk.turns.receipt.tool_calls == 1


def test_after_the_call_no_function_begins():
    async def script(desk: Desk) -> None:
        desk.functions.tasks = None
        desk.calls(takes(0))
        await asyncio.sleep(1)

    desk = play(script)

    assert desk.answers == []
    assert desk.uses == []


def test_a_function_that_had_not_begun_when_the_call_ended_never_does():
    async def script(desk: Desk) -> None:
        desk.calls(takes(0))
        desk.functions.tasks = None
        await asyncio.sleep(1)

    desk = play(script)

    assert desk.answers == []
    assert desk.uses == []


# Slow functions.


def test_a_slow_function_is_announced_once():
    async def script(desk: Desk) -> None:
        desk.calls(takes(30, announce_after_s=2.0))
        await asyncio.sleep(1.9)
        assert desk.session.said == []
        await asyncio.sleep(0.2)
        assert desk.session.said == [PLAIN_BOT.waiting]
        await asyncio.sleep(25)

    desk = play(script)

    assert desk.session.said_without_tools == [PLAIN_BOT.waiting]


def test_a_quick_function_is_not_announced():
    async def script(desk: Desk) -> None:
        desk.calls(takes(1.9, announce_after_s=2.0))
        await asyncio.sleep(5)

    assert play(script).session.said == []


def test_an_announcement_waits_for_its_moment():
    async def script(desk: Desk) -> None:
        desk.may_announce = False
        desk.calls(takes(30, announce_after_s=2.0))
        await asyncio.sleep(10)
        assert desk.session.said == []
        desk.may_announce = True
        await asyncio.sleep(LOOK_S)

    assert play(script).session.said == [PLAIN_BOT.waiting]


def test_a_result_that_comes_before_the_moment_makes_an_announcement_needless():
    async def script(desk: Desk) -> None:
        desk.may_announce = False
        desk.calls(takes(5, announce_after_s=2.0))
        await asyncio.sleep(5)
        desk.may_announce = True
        await asyncio.sleep(5)

    assert play(script).session.said == []


def test_functions_that_are_slow_together_are_announced_once():
    async def script(desk: Desk) -> None:
        desk.calls(takes(10), call_id="call_1")
        desk.calls(takes(20), call_id="call_2")
        await asyncio.sleep(15)
        desk.calls(takes(10), call_id="call_3")
        await asyncio.sleep(15)

    assert play(script).session.said == [PLAIN_BOT.waiting]


def test_a_later_slow_function_is_announced_again():
    async def script(desk: Desk) -> None:
        desk.calls(takes(10), call_id="call_1")
        await asyncio.sleep(11)
        desk.calls(takes(10), call_id="call_2")
        await asyncio.sleep(11)

    assert play(script).session.said == [PLAIN_BOT.waiting] * 2


# Functions of remote servers.

SHOP = McpServer(label="shop", url="https://shop.example.com", allowed_tools=("stock",))


@pytest.mark.parametrize(
    ("use", "noted"),
    [
        (
            RemoteToolUsed("shop", "stock", "ok"),
            ToolUse(name="stock", server="shop", at_ms=500, outcome="ok"),
        ),
        (
            RemoteToolUsed("shop", "stock", "failed"),
            ToolUse(name="stock", server="shop", at_ms=500, outcome="failed"),
        ),
        (
            RemoteToolUsed("shop", "555_0199", "ok"),
            ToolUse(name="unknown", server="unknown", at_ms=500, outcome="ok"),
        ),
        (
            RemoteToolUsed("0199", "stock", "ok"),
            ToolUse(name="unknown", server="unknown", at_ms=500, outcome="ok"),
        ),
    ],
)
def test_remote_functions_are_noted_by_names_that_the_bot_allows(
    use: RemoteToolUsed, noted: ToolUse
):
    async def script(desk: Desk) -> None:
        await asyncio.sleep(0.5)
        desk.functions.used_remotely(use, replace(PLAIN_BOT, mcp_servers=(SHOP,)))

    assert play(script).uses == [noted]


# Schemas.


def fetched(result: object, after_s: float = 0.0, name: str = "look_up") -> Tool:
    """A function whose schema is kept elsewhere."""

    async def fetch() -> Any:
        await asyncio.sleep(after_s)
        if isinstance(result, Exception):
            raise result
        return result

    return takes(0, name=name, parameters=None, fetch_parameters=fetch)


def prepared(*tools: Tool) -> tuple[Bot, Desk]:
    bots: list[Bot] = []

    async def script(desk: Desk) -> None:
        bots.append(await desk.functions.with_schemas(replace(PLAIN_BOT, tools=tools)))

    desk = play(script)
    return bots[0], desk


def test_a_bot_whose_schemas_are_known_stays_as_it_is():
    known = takes(0)

    bot, _ = prepared(known)

    assert bot.tools == (known,)


def test_schemas_are_fetched_side_by_side_and_functions_keep_their_order():
    bot, _ = prepared(fetched(ANY, 1.5, "a"), takes(0, name="b"), fetched(ANY, 1.5, "c"))

    assert [(tool.name, tool.parameters) for tool in bot.tools] == [
        ("a", ANY),
        ("b", ANY),
        ("c", ANY),
    ]


@pytest.mark.parametrize(
    "tool",
    [
        fetched(ToolError("failed", "no")),
        fetched(ANY, FETCH_S + 1),
        fetched({"type": "colour"}),
        takes(0, parameters=None),
    ],
    ids=["failure", "slow", "no schema", "nowhere"],
)
def test_a_function_whose_schema_cannot_be_had_is_left_out(tool: Tool):
    bot, desk = prepared(tool, takes(0, name="other"))

    assert [tool.name for tool in bot.tools] == ["other"]
    assert desk.turns.receipt.errors == ["tool_without_schema:look_up"]
