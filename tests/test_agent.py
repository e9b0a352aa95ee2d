import asyncio
import logging
import math
from dataclasses import replace
from typing import Any, Literal

import pytest

from service.audiohook import messages as hook
from service.bots.port import Bot, DigitField, Greeting, Keypad, Limits, McpServer
from service.call_events import EndReason, disposition_of
from service.dtmf import DigitRules
from service.outputs import MASK
from service.silence import SilencePolicy
from service.speech import port as speech
from service.succession import NOT_TO_BE_HAD, SWITCH_S
from service.tools.call_control import control_tools
from service.tools.port import (
    CONTROL_NAMES,
    Arguments,
    CollectDigits,
    Command,
    EndCall,
    SetOutputVariable,
    SwitchBot,
    Tool,
    ToolContext,
    TransferToAgent,
)
from tests.agent_scene import Scene, play
from tests.plain_bot import PLAIN_BOT

GREETING = PLAIN_BOT.greeting.instruction
RULES = DigitRules(min_digits=4, max_digits=6, cancel="*", first_s=10.0, gap_s=3.0)
PIN = DigitField(name="pin", description="", rules=RULES, is_sensitive=True, output="PIN")
ACCOUNT = DigitField(
    name="account", description="", rules=RULES, is_told_to_model=True, output="ACCOUNT"
)
TICKET = DigitField(name="ticket", description="", rules=RULES)
BANK = replace(
    PLAIN_BOT,
    bot_id="bank",
    tools=control_tools(
        CONTROL_NAMES,
        targets=("cards", "loans"),
        specialists={"loans": "", "cards": ""},
        digit_fields=dict.fromkeys(("pin", "account", "ticket"), ""),
        outputs={"MOOD": "", "UNDECLARED": ""},
    ),
    digit_fields={"pin": PIN, "account": ACCOUNT, "ticket": TICKET},
    outputs={"PIN": "", "ACCOUNT": "", "MOOD": "calm"},
)
LOANS = replace(
    PLAIN_BOT,
    bot_id="loans",
    facts="The caller wants a loan.",
    farewell="Say goodbye for loans.",
    takeover="Say that you are for loans.",
    tools=control_tools(("end_call",)),
    keypad=Keypad(keys={"9": EndCall()}),
    silence=SilencePolicy(after_s=4.0, reprompts=("Loans: ask.",)),
    limits=Limits(max_call_s=300.0, warn_before_s=30.0, warning="Loans: warn."),
    warnings=("input_missing",),
)


def working(seconds: float, result: object = "done", **changes: Any) -> Tool:
    """A function that works for so long."""

    async def work(arguments: Arguments, context: ToolContext) -> object:
        del arguments, context
        await asyncio.sleep(seconds)
        return result

    fields = {"description": "", "parameters": {"type": "object"}, "timeout_s": 60.0, **changes}
    return Tool(name="look_up", run=work, **fields)


def with_keys(*, interrupts: bool = False, **keys: Command) -> Bot:
    """A bot whose keys `k0`, `k1` … have a meaning."""
    meanings = {name[1:]: command for name, command in keys.items()}
    return replace(BANK, keypad=Keypad(interrupts=interrupts, keys=meanings))


def patient(*reprompts: str, then: Literal["transfer", "end"] = "transfer", **changes: Any) -> Bot:
    """A bot that asks a silent caller again every five seconds."""
    return replace(BANK, silence=SilencePolicy(5.0, reprompts, then), **changes)


# The conversation begins.


def test_the_model_greets_by_an_instruction():
    async def script(scene: Scene) -> None:
        await scene.settles()

    assert play(script).session.said == [GREETING]


@pytest.mark.parametrize("greeting", [Greeting(), Greeting(clip=b"\x20" * 800, words="Hello.")])
def test_a_model_that_need_not_greet_is_not_told_to(greeting: Greeting):
    async def script(scene: Scene) -> None:
        await scene.passes(60)

    assert play(script, replace(PLAIN_BOT, greeting=greeting)).session.deeds == []


def test_facts_are_told_before_the_greeting_and_want_no_answer():
    async def script(scene: Scene) -> None:
        await scene.settles()

    session = play(script, replace(PLAIN_BOT, facts="Her name is Ada.")).session

    assert session.deeds == ["send_text", "say"]
    assert session.notes == [("system", "Her name is Ada.", False)]


def test_words_of_a_clip_are_told_to_the_model_as_the_agents():
    async def script(scene: Scene) -> None:
        scene.open()
        scene.agent.note_said("Welcome to the bank.")
        await scene.connect()
        scene.agent.note_said("Your call is recorded.")
        scene.wake.ring()
        await scene.settles()

    session = play(script, replace(BANK, facts="Facts."), is_connected=False).session

    assert session.notes == [
        ("agent", "Welcome to the bank.", False),
        ("system", "Facts.", False),
        ("agent", "Your call is recorded.", False),
    ]


def test_the_flow_and_the_callers_language_make_the_bot():
    async def script(scene: Scene) -> None:
        scene.open("de-AT")

    scene = play(script, BANK, is_connected=False)

    assert scene.bots.asked == [("", {"CUSTOMER": "17"}, "de-AT")]
    assert scene.agent.bot.inputs == {"CUSTOMER": "17"}
    assert scene.turns.receipt.bot_ids == ["bank"]


def test_what_was_wrong_with_the_inputs_is_noted():
    async def script(scene: Scene) -> None:
        scene.open()

    scene = play(script, LOANS, is_connected=False)

    assert scene.turns.receipt.errors == ["input_missing"]


def test_what_happens_before_the_model_is_there_waits_for_it():
    bot = replace(PLAIN_BOT, languages=("en", "de"))

    async def script(scene: Scene) -> None:
        scene.open()
        await scene.presses("12#")
        await scene.line(hook.Update("de-AT"))
        await scene.passes(8)
        assert scene.session.deeds == []
        assert scene.agent.next_due_s(scene.clock()) > 0
        await scene.connect()
        await scene.settles()

    told = play(script, bot, is_connected=False).told

    assert told[0].startswith("The caller's language is now de-AT")
    assert told[1:] == ["The caller pressed 12 on the phone's keys."]


def test_a_transfer_by_key_waits_for_the_model_too():
    async def script(scene: Scene) -> None:
        scene.open()
        await scene.presses("0")
        await scene.passes(3)
        assert scene.end is None
        await scene.connect()
        await scene.settles()

    assert play(script, with_keys(k0=TransferToAgent()), is_connected=False).end == "transfer"


def test_the_provider_gets_the_schemas_that_are_kept_elsewhere():
    async def fetch() -> dict[str, Any]:
        return {"type": "object"}

    tool = working(0, parameters=None, fetch_parameters=fetch)
    prepared: list[Bot] = []

    async def script(scene: Scene) -> None:
        scene.open()
        prepared.append(await scene.agent.prepare())

    scene = play(script, replace(BANK, tools=(tool,)), is_connected=False)

    assert prepared[0].tools[0].parameters == {"type": "object"}
    assert scene.agent.bot is prepared[0]


# Functions.


def test_a_function_runs_beside_the_call():
    async def script(scene: Scene) -> None:
        await scene.calls("look_up")
        await scene.says(2)
        await scene.passes(9)
        assert scene.answers == {}
        await scene.passes(1.1)

    scene = play(script, replace(BANK, tools=(working(10),)))

    assert scene.answers == {"call_1": "done"}
    assert [use.outcome for use in scene.turns.receipt.tool_uses] == ["ok"]


def test_a_function_that_the_bot_does_not_have_is_unknown():
    async def script(scene: Scene) -> None:
        await scene.calls("transfer_money", amount=1_000_000)

    assert play(script, BANK).error() == "unknown_function"


def test_a_function_of_a_remote_server_is_noted():
    shop = McpServer(label="shop", url="https://shop.example.com", allowed_tools=("stock",))

    async def script(scene: Scene) -> None:
        await scene.hears(speech.RemoteToolUsed("shop", "stock", "ok"))

    (use,) = play(script, replace(BANK, mcp_servers=(shop,))).turns.receipt.tool_uses

    assert (use.name, use.server) == ("stock", "shop")


def test_an_announcement_is_never_said_over_the_agents_speech():
    async def script(scene: Scene) -> None:
        await scene.is_done()
        await scene.calls("look_up")
        await scene.says(7)
        await scene.until(6.9)
        assert PLAIN_BOT.waiting not in scene.session.said
        await scene.until(7.3)

    assert play(script, replace(BANK, tools=(working(50),))).session.said[1:] == [PLAIN_BOT.waiting]


def test_an_announcement_is_never_said_while_the_caller_speaks():
    async def script(scene: Scene) -> None:
        await scene.calls("look_up")
        await scene.hears(speech.CallerSpeechStarted("caller", 0))
        await scene.passes(7)
        assert PLAIN_BOT.waiting not in scene.session.said
        await scene.hears(speech.CallerSpeechStopped("caller", 0))
        await scene.passes(0.3)

    assert play(script, replace(BANK, tools=(working(50),))).session.said[1:] == [PLAIN_BOT.waiting]


def test_nothing_is_announced_during_a_secure_pause():
    async def script(scene: Scene) -> None:
        await scene.calls("look_up")
        await scene.line(hook.Paused())
        await scene.passes(30)
        assert PLAIN_BOT.waiting not in scene.session.said
        await scene.line(hook.Resumed(None))
        await scene.passes(1)

    assert play(script, replace(BANK, tools=(working(50),))).session.said[1:] == [PLAIN_BOT.waiting]


def test_nothing_is_announced_during_the_farewell():
    tools = (working(50), *BANK.tools)

    async def script(scene: Scene) -> None:
        await scene.calls("look_up")
        await scene.calls("end_call", "call_2")
        await scene.passes(30)

    assert play(script, replace(BANK, tools=tools)).session.said == [GREETING]


def test_after_the_call_no_function_runs():
    async def script(scene: Scene) -> None:
        scene.agent.stop()
        await scene.calls("look_up")
        await scene.passes(1)

    scene = play(script, replace(BANK, tools=(working(0),)))

    assert scene.answers == {}
    assert scene.turns.receipt.tool_uses == []


# Ends.


def test_a_model_that_ends_the_call_is_told_to_say_goodbye():
    async def script(scene: Scene) -> None:
        await scene.calls("end_call")

    scene = play(script, BANK)

    assert scene.end == "bot_completed"
    assert scene.answers == {"call_1": {"ok": True}}
    assert scene.then_say == {"call_1": PLAIN_BOT.farewell}


@pytest.mark.parametrize("name", ["end_call", "transfer_to_agent"])
def test_a_model_that_has_said_goodbye_need_not_say_it_twice(name: str):
    async def script(scene: Scene) -> None:
        await scene.calls(name, has_spoken=True, reason="done")

    scene = play(script, BANK)

    assert scene.answers == {}
    assert scene.ending.is_over_in_s(scene.clock(), 0.0) == 0


def test_a_transfer_tells_the_flow_why_and_whom():
    async def script(scene: Scene) -> None:
        await scene.calls("transfer_to_agent", reason="lost card", summary="Ada", target="cards")

    scene = play(script, BANK)

    assert scene.end == "transfer"
    assert scene.then_say == {"call_1": PLAIN_BOT.handover}
    variables = scene.agent.outputs.for_flow("transfer")
    assert variables["TRANSFER_REASON"] == "lost card"
    assert (variables["SUMMARY"], variables["TRANSFER_TARGET"]) == ("Ada", "cards")


@pytest.mark.parametrize("arguments", [{}, {"reason": 5}, {"reason": "x", "target": "boss"}])
def test_a_transfer_that_is_not_valid_is_answered_and_the_call_goes_on(
    arguments: dict[str, Any],
):
    async def script(scene: Scene) -> None:
        await scene.calls("transfer_to_agent", **arguments)
        assert scene.end is None
        await scene.calls("transfer_to_agent", "call_2", reason="asked")

    scene = play(script, BANK)

    assert scene.error("call_1") == "invalid_arguments"
    assert scene.end == "transfer"
    assert scene.agent.outputs.for_flow("transfer")["TRANSFER_REASON"] == "asked"


def test_the_first_transfer_decides():
    async def script(scene: Scene) -> None:
        await scene.calls("transfer_to_agent", "call_1", reason="first")
        await scene.calls("transfer_to_agent", "call_2", reason="second")

    scene = play(script, BANK)

    assert scene.agent.outputs.for_flow("transfer")["TRANSFER_REASON"] == "first"
    assert list(scene.answers) == ["call_1", "call_2"]


@pytest.mark.parametrize(
    ("name", "arguments"), [("collect_digits", {"field": "pin"}), ("switch_bot", {"bot": "loans"})]
)
def test_nothing_new_begins_during_the_farewell(name: str, arguments: dict[str, Any]):
    async def script(scene: Scene) -> None:
        await scene.calls("end_call")
        await scene.calls(name, "call_2", **arguments)

    scene = play(script, BANK, LOANS)

    assert scene.error("call_2") == "ending"
    assert scene.session.bots == []
    assert not scene.agent.keypad.is_asking


def test_a_key_begins_nothing_during_the_farewell():
    async def script(scene: Scene) -> None:
        await scene.presses("0")
        await scene.calls("end_call")

    scene = play(script, with_keys(k0=SwitchBot("loans")), LOANS)

    assert [bot.bot_id for bot in scene.session.bots] == ["loans"]  # pressed before it

    async def too_late(scene: Scene) -> None:
        scene.agent.press("0", scene.clock())
        await scene.agent.on_time(scene.clock())  # the key's command is a task that waits now
        scene.ending.begin("drain", scene.clock())
        await scene.settles()

    assert play(too_late, with_keys(k0=SwitchBot("loans")), LOANS).session.bots == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("bot_completed", PLAIN_BOT.farewell),
        ("transfer", PLAIN_BOT.handover),
        ("max_duration", PLAIN_BOT.handover),
        ("drain", PLAIN_BOT.handover),
        ("no_input", PLAIN_BOT.handover),
    ],
)
def test_last_words_are_a_goodbye_or_a_hand_over(reason: EndReason, words: str):
    async def script(scene: Scene) -> None:
        await scene.agent.say_last_words(reason)

    session = play(script).session

    assert session.said[-1] == words
    assert session.abandoned == [""]


# Output variables.


@pytest.mark.parametrize(
    ("name", "answer", "value"), [("MOOD", "", "glad"), ("UNDECLARED", "unknown_variable", "calm")]
)
def test_a_model_can_set_what_the_bot_declares(name: str, answer: str, value: str):
    async def script(scene: Scene) -> None:
        await scene.calls("set_output_variable", name=name, value="glad")

    scene = play(script, BANK)

    assert scene.error() == answer
    assert scene.agent.outputs.for_flow("transfer")["MOOD"] == value
    assert "UNDECLARED" not in scene.agent.outputs.for_flow("transfer")


def test_a_standard_variable_cannot_be_set():
    tool = working(0, SetOutputVariable("BOT_STATUS", "fine"))

    async def script(scene: Scene) -> None:
        await scene.calls("look_up")

    scene = play(script, replace(BANK, tools=(tool,)))

    assert scene.error() == "unknown_variable"
    assert scene.agent.outputs.for_flow("drain")["BOT_STATUS"] == "shutdown"


def test_a_key_can_set_a_variable():
    async def script(scene: Scene) -> None:
        await scene.presses("1")

    scene = play(script, with_keys(k1=SetOutputVariable("MOOD", "angry")))

    assert scene.agent.outputs.for_flow("transfer")["MOOD"] == "angry"
    assert scene.answers == {}


# Numbers that the caller keys in.


async def collects(scene: Scene, field: str, keys: str, call_id: str = "call_1") -> None:
    await scene.calls("collect_digits", call_id, field=field)
    await scene.presses(keys)


def test_a_number_is_told_where_the_bot_says_so():
    async def script(scene: Scene) -> None:
        await collects(scene, "account", "4711#")

    scene = play(script, BANK)

    assert scene.answers["call_1"] == {
        "status": "collected",
        "field": "account",
        "count": 4,
        "digits": "4711",
    }
    assert scene.agent.outputs.for_events("transfer")["ACCOUNT"] == "4711"


def test_a_number_is_not_told_where_the_bot_does_not_say_so():
    async def script(scene: Scene) -> None:
        await collects(scene, "ticket", "4711#")

    scene = play(script, BANK)

    assert scene.answers["call_1"] == {"status": "collected", "field": "ticket", "count": 4}


@pytest.mark.parametrize("is_told_to_model", [True, False])
def test_a_secret_number_reaches_the_flow_alone(
    is_told_to_model: bool, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    pin = replace(PIN, is_told_to_model=is_told_to_model)

    async def script(scene: Scene) -> None:
        await collects(scene, "pin", "4711#")
        await scene.passes(5)

    scene = play(script, replace(BANK, digit_fields={"pin": pin}))

    assert scene.agent.outputs.for_flow("transfer")["PIN"] == "4711"
    assert scene.agent.outputs.for_events("transfer")["PIN"] == MASK
    assert "4711" not in str((scene.session.results, scene.session.notes, scene.session.said))
    said = [
        {name: value for name, value in vars(record).items() if not isinstance(value, float)}
        for record in caplog.records
    ]
    assert "4711" not in str(said)  # times have many digits
    assert [turn.text for turn in scene.turns.transcript.turns] == ["[keys]"]


def test_a_function_gets_the_secret_number_and_the_model_never_does():
    given: list[Arguments] = []

    async def work(arguments: Arguments, context: ToolContext) -> object:
        del context
        given.append(arguments)
        return {"ok": True}

    tool = replace(working(0, fill={"code": "pin"}), run=work)

    async def script(scene: Scene) -> None:
        await scene.calls("look_up", "call_1")
        await collects(scene, "pin", "4711#", "call_2")
        await scene.calls("look_up", "call_3", code="1")

    scene = play(script, replace(BANK, tools=(tool, *BANK.tools)))

    assert scene.error("call_1") == "digits_missing"
    assert scene.answers["call_3"] == {"ok": True}
    assert given == [{"code": "4711"}]
    assert "4711" not in str(scene.session.results)


@pytest.mark.parametrize(
    ("keys", "wait_s", "status", "turns"),
    [
        ("12#", 0, "too_short", 1),
        ("12", 3, "too_short", 1),
        ("12*", 0, "cancelled", 1),
        ("", 10, "no_digits", 0),
    ],
)
def test_a_number_that_did_not_come_is_told(keys: str, wait_s: float, status: str, turns: int):
    async def script(scene: Scene) -> None:
        await collects(scene, "pin", keys)
        await scene.passes(wait_s)
        await scene.settles()

    scene = play(script, BANK)

    assert scene.answers["call_1"] == {"status": status, "field": "pin"}
    assert scene.agent.outputs.for_flow("transfer")["PIN"] == ""
    assert len(scene.turns.transcript.turns) == turns


def test_a_question_for_another_number_answers_the_one_before():
    async def script(scene: Scene) -> None:
        await scene.calls("collect_digits", "call_1", field="pin")
        await collects(scene, "account", "4711#", "call_2")

    scene = play(script, BANK)

    assert scene.error("call_1") == "superseded"
    assert scene.answers["call_2"]["digits"] == "4711"


def test_a_number_that_the_bot_does_not_know_is_refused():
    async def script(scene: Scene) -> None:
        await scene.calls("collect_digits", field="pin")

    assert play(script, replace(BANK, digit_fields={})).error() == "unknown_field"


def test_no_key_asks_for_a_number():
    async def script(scene: Scene) -> None:
        await scene.presses("1")

    scene = play(script, with_keys(k1=CollectDigits("pin")))

    assert not scene.agent.keypad.is_asking
    assert scene.answers == {}


def test_time_for_the_first_key_begins_when_the_question_was_heard():
    async def script(scene: Scene) -> None:
        await scene.says(6)
        await scene.calls("collect_digits", field="pin")
        await scene.until(15.9)
        assert scene.answers == {}
        await scene.until(16.1)

    assert play(script, BANK).answers["call_1"]["status"] == "no_digits"


def test_a_caller_who_speaks_may_still_key_in_the_number():
    async def script(scene: Scene) -> None:
        await scene.calls("collect_digits", field="account")
        await scene.passes(8)
        await scene.speaks(7)
        await scene.says(3)
        await scene.presses("4711#")

    assert play(script, BANK).answers["call_1"]["status"] == "collected"


# Keys that nobody asked for.


@pytest.mark.parametrize("is_told_to_model", [True, False])
def test_an_entry_is_told_to_the_model_where_the_bot_says_so(is_told_to_model: bool):
    async def script(scene: Scene) -> None:
        await scene.presses("12")
        await scene.passes(3)

    scene = play(script, replace(BANK, keypad=Keypad(is_told_to_model=is_told_to_model)))

    text = "The caller pressed 12 on the phone's keys."
    assert scene.session.notes == [("caller", text, True)] * is_told_to_model
    assert [turn.text for turn in scene.turns.transcript.turns] == ["[keys]"]


def test_an_entry_that_was_cancelled_is_nothing():
    bot = replace(BANK, keypad=Keypad(rules=DigitRules(cancel="*"), is_told_to_model=True))

    async def script(scene: Scene) -> None:
        await scene.presses("12*")
        await scene.passes(5)

    scene = play(script, bot)

    assert scene.told == []
    assert scene.turns.transcript.turns == []


@pytest.mark.parametrize(
    ("command", "end"), [(TransferToAgent("key"), "transfer"), (EndCall(), "bot_completed")]
)
def test_a_key_can_end_the_call(command: Command, end: EndReason):
    async def script(scene: Scene) -> None:
        await scene.says(5)
        await scene.passes(1)
        await scene.presses("0")

    scene = play(script, with_keys(k0=command))

    assert scene.end == end
    assert scene.stops == [1]
    assert scene.ending.farewell is not None
    assert not scene.ending.farewell.is_asked  # the call tells the model what to say


def test_a_mapped_key_within_a_number_is_a_digit():
    async def script(scene: Scene) -> None:
        await scene.presses("1")
        await scene.passes(1)
        await scene.presses("0")
        await scene.passes(3)

    assert play(script, with_keys(k0=TransferToAgent())).end is None


@pytest.mark.parametrize(("interrupts", "stops"), [(True, [1]), (False, [])])
def test_a_key_stops_the_agent_where_the_bot_says_so(interrupts: bool, stops: list[float]):
    async def script(scene: Scene) -> None:
        await scene.says(5)
        await scene.passes(1)
        await scene.presses("1")

    assert play(script, with_keys(interrupts=interrupts)).stops == stops


def test_keys_whose_entry_never_ended_are_noted_at_the_end():
    async def script(scene: Scene) -> None:
        await scene.presses("12")
        scene.agent.flush_keys()
        scene.agent.flush_keys()

    assert [turn.text for turn in play(script).turns.transcript.turns] == ["[keys]"]


# Another bot.


def test_a_specialist_takes_over_with_its_own_facts_and_voice():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans", reason="a loan")
        assert [bot.bot_id for bot in scene.session.bots] == ["loans"]
        assert scene.answers == {}
        await scene.becomes("loans")

    scene = play(script, BANK, LOANS)

    assert scene.told == [LOANS.facts, "Why it was passed on: a loan"]
    assert scene.answers == {"call_1": {"ok": True}}
    assert scene.then_say == {"call_1": LOANS.takeover}
    assert scene.turns.receipt.bot_ids == ["bank", "loans"]
    assert scene.turns.receipt.errors == ["input_missing"]


def test_the_specialists_keys_hold():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.becomes("loans")
        await scene.presses("0")
        assert scene.end is None
        await scene.passes(3)
        await scene.presses("9")

    assert play(script, with_keys(k0=TransferToAgent()), LOANS).end == "bot_completed"


def test_the_specialists_functions_hold():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.becomes("loans")
        await scene.calls("transfer_to_agent", "call_2", reason="x")
        await scene.calls("end_call", "call_3")

    scene = play(script, BANK, LOANS)

    assert scene.error("call_2") == "unknown_function"
    assert scene.then_say["call_3"] == LOANS.farewell


def test_the_specialists_patience_and_limits_hold():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.becomes("loans")
        await scene.says(1)
        await scene.until(5.5)
        assert scene.session.said[-1] == "Loans: ask."
        assert scene.agent.is_over_in_s(scene.clock()) == pytest.approx(294.5)
        await scene.speaks(0.5)  # the model owes an answer from now on
        await scene.until(269.9)
        assert scene.session.said[-1] == "Loans: ask."
        await scene.until(270.1)

    assert play(script, BANK, LOANS).session.said[-1] == "Loans: warn."


def test_the_specialist_is_made_of_the_same_flow_and_language():
    bot = replace(BANK, languages=("en", "de"))

    async def script(scene: Scene) -> None:
        await scene.line(hook.Update("de-AT"))
        await scene.calls("switch_bot", bot="loans")

    assert play(script, bot, LOANS).bots.asked[-1] == ("loans", {"CUSTOMER": "17"}, "de-AT")


def test_a_specialist_that_is_refused_leaves_the_call_to_the_old_bot():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.becomes("loans", was_refused=True)

    scene = play(script, BANK, LOANS)

    assert scene.error() == "failed"
    assert scene.agent.bot.bot_id == "bank"
    assert scene.turns.receipt.bot_ids == ["bank"]
    assert scene.turns.receipt.errors == ["switch_failed"]


def test_a_specialist_that_does_not_come_in_time_is_given_up():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.passes(SWITCH_S - 0.1)
        assert scene.answers == {}
        await scene.passes(0.2)

    scene = play(script, BANK, LOANS)

    assert scene.error() == "failed"
    assert scene.agent.bot.bot_id == "bank"


def test_a_specialist_that_comes_too_late_takes_over_all_the_same():
    """The model has its functions now; the old bot's would all be unknown to each other."""

    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.passes(SWITCH_S + 1)
        await scene.becomes("loans")
        await scene.calls("end_call", "call_2")

    scene = play(script, BANK, LOANS)

    assert scene.session.said[-1] == LOANS.takeover
    assert scene.then_say["call_2"] == LOANS.farewell


def test_one_change_at_a_time():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", "call_1", bot="loans")
        await scene.calls("switch_bot", "call_2", bot="loans")

    scene = play(script, BANK, LOANS)

    assert scene.error("call_2") == "busy"
    assert len(scene.session.bots) == 1


def test_a_key_can_call_the_specialist():
    async def script(scene: Scene) -> None:
        await scene.says(5)
        await scene.passes(1)
        await scene.presses("1")
        await scene.becomes("loans")

    scene = play(script, with_keys(k1=SwitchBot("loans")), LOANS)

    assert scene.stops == [1]
    assert scene.session.said[-1] == LOANS.takeover


def test_a_key_whose_specialist_cannot_be_had_is_answered():
    async def script(scene: Scene) -> None:
        await scene.presses("1")
        await scene.becomes("loans", was_refused=True)

    assert play(script, with_keys(k1=SwitchBot("loans")), LOANS).session.said[-1] == NOT_TO_BE_HAD


def test_a_number_that_the_old_bot_asked_for_is_not_awaited_any_more():
    async def script(scene: Scene) -> None:
        await scene.calls("collect_digits", field="account")
        await scene.calls("switch_bot", "call_2", bot="loans")
        await scene.becomes("loans")
        await scene.presses("9")

    scene = play(script, BANK, LOANS)

    assert scene.session.abandoned[0] == "call_2"
    assert "call_1" not in scene.answers
    assert scene.end == "bot_completed"  # the key is the new bot's


def test_a_specialist_who_comes_while_the_call_ends_says_nothing():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")
        await scene.presses("0")
        await scene.becomes("loans")

    scene = play(script, with_keys(k0=TransferToAgent()), LOANS)

    assert scene.end == "transfer"
    assert scene.turns.receipt.bot_ids == ["bank"]
    assert LOANS.takeover not in [*scene.session.said, *scene.then_say.values()]


def test_a_goodbye_while_the_caller_speaks_again_is_no_end():
    async def script(scene: Scene) -> None:
        await scene.hears(speech.CallerSpeechStarted("caller", 0))
        await scene.calls("end_call", has_spoken=True)

    scene = play(script)

    assert scene.end is None
    assert scene.error() == "interrupted"


def test_a_key_whose_bot_has_gone_is_answered():
    async def script(scene: Scene) -> None:
        await scene.presses("1")

    scene = play(script, with_keys(k1=SwitchBot("gone")))

    assert scene.session.bots == []
    assert scene.session.said[-1] == NOT_TO_BE_HAD


# Silence.


def test_a_silent_caller_is_asked_again_and_then_handed_over():
    async def script(scene: Scene) -> None:
        await scene.says(1)
        for at_s, reprompt in ((6, "Ask."), (12, "Ask again.")):
            await scene.until(at_s + 0.1)
            assert scene.session.said[-1] == reprompt
            await scene.says(0.9)
        await scene.until(17.9)
        assert scene.end is None
        await scene.until(18.1)
        await scene.agent.say_last_words("no_input")

    scene = play(script, patient("Ask.", "Ask again."))

    assert scene.end == "no_input"
    assert scene.session.said[-1] == PLAIN_BOT.handover
    assert scene.agent.outputs.for_flow("no_input")["TRANSFER_REASON"] == "no_input"
    assert not scene.turns.receipt.was_given_up


def test_a_silent_caller_may_be_given_up():
    async def script(scene: Scene) -> None:
        await scene.says(1)
        await scene.until(6.1)
        await scene.agent.say_last_words("no_input")

    scene = play(script, patient(then="end"))

    assert scene.end == "no_input"
    assert scene.session.said[-1] == PLAIN_BOT.farewell
    assert scene.agent.outputs.for_flow("no_input")["TRANSFER_REASON"] == ""
    was_given_up = scene.turns.receipt.was_given_up
    assert (
        disposition_of("no_input", was_last_word_heard=True, was_given_up=was_given_up)
        == "abandoned"
    )


async def _model_works(scene: Scene) -> None:
    await scene.speaks(1)


async def _function_works(scene: Scene) -> None:
    await scene.is_done()
    await scene.calls("look_up")
    await scene.is_done()


async def _keys_are_awaited(scene: Scene) -> None:
    await scene.is_done()
    await scene.calls("collect_digits", field="pin")
    await scene.is_done()


async def _line_is_paused(scene: Scene) -> None:
    await scene.is_done()
    await scene.line(hook.Paused())


async def _caller_speaks(scene: Scene) -> None:
    await scene.is_done()
    await scene.hears(speech.CallerSpeechStarted("caller", 0))


async def _agent_speaks(scene: Scene) -> None:
    await scene.says(12)


@pytest.mark.parametrize(
    "busy",
    [
        _model_works,
        _function_works,
        _keys_are_awaited,
        _line_is_paused,
        _caller_speaks,
        _agent_speaks,
    ],
)
def test_a_caller_is_not_silent_while_it_is_not_their_turn(busy: Any):
    tools = (working(11, announce_after_s=50.0), *BANK.tools)
    slow = DigitField(name="pin", description="", rules=replace(RULES, first_s=11.0))

    async def script(scene: Scene) -> None:
        await busy(scene)
        await scene.until(10)

    scene = play(script, patient("Ask.", tools=tools, digit_fields={"pin": slow}))

    assert scene.session.said == [GREETING]
    assert scene.end is None


def test_a_caller_is_not_silent_while_the_bot_changes():
    policy = SilencePolicy(3.0, ("Ask.",))
    bot = replace(with_keys(k1=SwitchBot("loans")), silence=policy)

    async def script(scene: Scene) -> None:
        await scene.is_done()
        await scene.presses("1")
        await scene.until(SWITCH_S - 0.1)

    assert play(script, bot, LOANS).session.said == [GREETING]


def test_a_caller_who_was_not_greeted_is_asked_after_a_while():
    async def script(scene: Scene) -> None:
        await scene.until(5.1)

    assert play(script, patient("Ask.", greeting=Greeting())).session.said == ["Ask."]


def test_a_caller_who_acts_is_not_silent():
    async def script(scene: Scene) -> None:
        await scene.is_done()
        await scene.until(4)
        await scene.presses("5")
        await scene.until(8.9)
        assert scene.session.said == [GREETING]
        await scene.until(9.1)

    said = play(script, patient("Ask.", keypad=Keypad())).session.said

    assert said == [GREETING, "Ask."]


# The line.


def test_what_the_caller_was_saying_is_forgotten_when_the_line_is_paused():
    async def script(scene: Scene) -> None:
        await scene.hears(speech.CallerSpeechStarted("caller", 0))
        await scene.line(hook.Paused())
        assert scene.session.forgotten == 1
        await scene.line(hook.Resumed(None))
        await scene.is_done()
        await scene.passes(5.1)

    scene = play(script, patient("Ask."))

    assert scene.session.forgotten == 1
    assert scene.session.said[-1] == "Ask."  # nobody waits for the end of that turn


def test_speech_that_is_noticed_during_the_pause_is_forgotten_too():
    """It was said before, or its end would never come: no audio does."""

    async def script(scene: Scene) -> None:
        await scene.line(hook.Paused())
        await scene.hears(speech.CallerSpeechStarted("caller", 0))
        await scene.settles()

    assert play(script, BANK).session.forgotten == 1


def test_keys_of_a_secure_pause_are_lost():
    async def script(scene: Scene) -> None:
        await scene.line(hook.Paused())
        await scene.presses("0")
        await scene.passes(5)
        await scene.line(hook.Resumed(None))
        await scene.passes(5)

    scene = play(script, with_keys(interrupts=True, k0=TransferToAgent()))

    assert scene.end is None
    assert scene.stops == []


def test_a_key_at_the_moment_of_the_pause_stops_the_agent_and_does_not_spin():
    async def script(scene: Scene) -> None:
        await scene.says(10)
        await scene.passes(1)
        scene.agent.press("1", scene.clock())
        await scene.line(hook.Paused())
        await scene.passes(60)

    assert play(script, with_keys(interrupts=True)).stops == [1]


def test_a_mapped_key_at_the_moment_of_the_pause_acts_after_it():
    async def script(scene: Scene) -> None:
        scene.agent.press("0", scene.clock())
        await scene.line(hook.Paused())
        await scene.passes(60)
        assert scene.end is None
        await scene.line(hook.Resumed(None))

    assert play(script, with_keys(k0=TransferToAgent())).end == "transfer"


def test_the_time_for_a_number_does_not_pass_during_a_pause():
    async def script(scene: Scene) -> None:
        await scene.calls("collect_digits", field="pin")
        await scene.passes(4)
        await scene.line(hook.Paused())
        await scene.passes(100)
        await scene.line(hook.Resumed(None))
        await scene.passes(5.9)
        assert scene.answers == {}
        await scene.passes(0.2)

    assert play(script, BANK).answers["call_1"]["status"] == "no_digits"


def test_silence_is_counted_anew_after_a_pause():
    async def script(scene: Scene) -> None:
        await scene.is_done()
        await scene.passes(4)
        await scene.line(hook.Paused())
        await scene.passes(100)
        await scene.line(hook.Resumed(None))
        await scene.passes(4.9)
        assert scene.session.said == [GREETING]
        await scene.passes(0.2)

    assert play(script, patient("Ask.")).session.said == [GREETING, "Ask."]


@pytest.mark.parametrize(
    ("tag", "told"),
    [("de-AT", "de-AT"), ("DE", "DE"), ("fr", ""), ("en-GB", "en-GB"), (None, "")],
)
def test_a_language_that_the_bot_speaks_is_told(tag: str | None, told: str):
    async def script(scene: Scene) -> None:
        await scene.line(hook.Update(tag))

    texts = play(script, replace(BANK, languages=("en", "de-DE"))).session.notes

    expected = f"The caller's language is now {told}. Speak it from now on."
    assert texts == ([("system", expected, False)] if told else [])


def test_functions_learn_the_language():
    seen: list[str | None] = []

    async def work(arguments: Arguments, context: ToolContext) -> None:
        del arguments
        seen.append(context.language)

    tool = replace(working(0), run=work)

    async def script(scene: Scene) -> None:
        await scene.calls("look_up", "call_1")
        await scene.line(hook.Update("de"))
        await scene.calls("look_up", "call_2")

    play(script, replace(BANK, languages=("en", "de"), tools=(tool,)))

    assert seen == [None, "de"]


def test_discarded_audio_is_not_the_agents_business():
    async def script(scene: Scene) -> None:
        scene.agent.receive(hook.Discarded(1.0), scene.clock())
        scene.wake.ring()
        await scene.settles()

    assert play(script).session.deeds == ["say"]


# Time.

SHORT = Limits(max_call_s=120.0, warn_before_s=30.0, warning="Warn.")


def test_the_caller_is_warned_once_before_time_is_up():
    async def script(scene: Scene) -> None:
        await scene.until(89.9)
        assert "Warn." not in scene.session.said
        await scene.until(119)

    assert play(script, replace(BANK, limits=SHORT)).session.said == [GREETING, "Warn."]


@pytest.mark.parametrize(
    ("limits", "max_call_s"),
    [(SHORT, 30.0), (replace(SHORT, warning=""), 600.0), (Limits(), 600.0)],
)
def test_a_call_that_is_too_short_or_has_no_warning_is_not_warned(
    limits: Limits, max_call_s: float
):
    async def script(scene: Scene) -> None:
        await scene.until(29)

    scene = play(script, replace(BANK, limits=limits), max_call_s=max_call_s)

    assert scene.session.said == [GREETING]


@pytest.mark.parametrize(("max_call_s", "is_over_s"), [(600.0, 120.0), (60.0, 60.0)])
def test_the_shorter_limit_holds(max_call_s: float, is_over_s: float):
    async def script(scene: Scene) -> None:
        assert scene.agent.is_over_in_s(scene.clock()) == pytest.approx(is_over_s)

    play(script, replace(BANK, limits=SHORT), max_call_s=max_call_s)


def test_a_warning_waits_for_the_end_of_a_secure_pause():
    async def script(scene: Scene) -> None:
        await scene.until(80)
        await scene.line(hook.Paused())
        await scene.until(100)
        assert "Warn." not in scene.session.said
        await scene.line(hook.Resumed(None))

    assert play(script, replace(BANK, limits=SHORT)).session.said == [GREETING, "Warn."]


def test_once_an_end_is_under_way_nothing_is_due():
    async def script(scene: Scene) -> None:
        await scene.is_done()
        await scene.calls("end_call")
        assert scene.agent.next_due_s(scene.clock()) == math.inf
        await scene.until(200)

    scene = play(script, patient("Ask.", limits=SHORT))

    assert scene.session.said == [GREETING]
    assert scene.end == "bot_completed"


# What is no business of the agent's is a bug of ours.


def test_a_thing_that_cannot_be_is_a_bug_of_ours():
    async def script(scene: Scene) -> None:
        nothing: Any = object()
        with pytest.raises(AssertionError):
            await scene.agent.on_function(nothing)
        with pytest.raises(AssertionError):
            scene.agent.receive(nothing, scene.clock())
        with pytest.raises(AssertionError):
            await scene.agent._carry_out(nothing, None)
        scene.agent.keypad.next_due_s = lambda now: 0.0  # type: ignore[method-assign]  # so it is due
        scene.agent.keypad.poll = lambda now: nothing  # type: ignore[method-assign]  # what is tested
        with pytest.raises(AssertionError):
            await scene.agent.on_time(scene.clock())

    play(script)


def test_an_end_stops_the_functions_that_still_work():
    async def script(scene: Scene) -> None:
        await scene.calls("look_up", "call_1")
        await scene.calls("end_call", "call_2")
        await scene.passes(20)

    slow = Tool(name="look_up", description="", parameters={"type": "object"}, run=_hang)
    scene = play(script, replace(BANK, tools=(*BANK.tools, slow)))

    assert scene.session.abandoned == ["call_2"]
    assert list(scene.answers) == ["call_2"]
    uses = {use.name: use.outcome for use in scene.turns.receipt.tool_uses}
    assert uses == {"end_call": "ok", "look_up": "cancelled"}


async def _hang(arguments: Arguments, context: ToolContext) -> object:
    del arguments, context
    await asyncio.sleep(1_000)
    return None


def test_a_specialist_whose_file_has_gone_is_not_replaced_by_the_default_bot():
    async def script(scene: Scene) -> None:
        await scene.calls("switch_bot", bot="loans")

    scene = play(script, BANK)

    assert scene.error() == "failed"
    assert scene.session.bots == []
