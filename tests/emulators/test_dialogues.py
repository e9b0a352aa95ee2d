"""The dialogues of the demo's bots: whole conversations, one step after the other."""

import json
from typing import Any

import pytest

from scripts import caller_clips
from scripts.emulators.brains import CallTool, DialogueBrain, Speak
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.voice import is_german

RECEPTION = "\n# Who you are\nYou are the reception of Northwind. Billing specialist: switch_bot."
BILLING = "\n# Who you are\nYou are the billing specialist of Northwind, a company."
SUPPORT = "\n# Who you are\nYou are the technical support of Northwind, a company."


def _tool(tool: str, /, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "name": tool, "parameters": parameters}


TEXT = {"type": "string"}
CONTROLS = [
    _tool("end_call", reason=TEXT),
    _tool("transfer_to_agent", reason=TEXT, summary=TEXT, target=TEXT),
    _tool("collect_digits", field=TEXT),
    _tool("switch_bot", bot=TEXT, reason=TEXT),
    _tool("set_output_variable", name=TEXT, value=TEXT),
    _tool("get_balance"),
]


class Talk:
    """A conversation that grows as one on the wire does."""

    def __init__(self, bot: str, instructions: str = "", tools: Any = CONTROLS) -> None:
        self._brain = DialogueBrain(DIALOGUES[bot])
        self._items: list[Any] = []
        self._tools = tools
        self._open_calls: list[Any] = []
        self.instructions = instructions

    def caller(self, words: str) -> tuple[str, list[CallTool]]:
        part = {"type": "input_audio", "transcript": words}
        self._items.append({"type": "message", "role": "user", "content": [part]})
        return self._respond()

    def order(self, text: str) -> tuple[str, list[CallTool]]:
        part = {"type": "input_text", "text": text}
        self._items.append({"type": "message", "role": "system", "content": [part]})
        return self._respond()

    def results(self, *results: Any) -> tuple[str, list[CallTool]]:
        """The results of the calls of the last response, in their order."""
        for call, result in zip(self._open_calls, results, strict=True):
            output = {"call_id": call["call_id"], "output": json.dumps(result)}
            self._items.append({"type": "function_call_output", **output})
        return self._respond()

    def _respond(self) -> tuple[str, list[CallTool]]:
        parts = self._brain.reply(self._items, self._tools, self.instructions)
        spoken = [part.text for part in parts if isinstance(part, Speak)]
        calls = [part for part in parts if isinstance(part, CallTool)]
        for text in spoken:
            content = [{"type": "output_audio", "transcript": text}]
            self._items.append({"type": "message", "role": "assistant", "content": content})
        self._open_calls = [
            {"type": "function_call", "call_id": f"c{len(self._items) + at}", "name": call.name}
            for at, call in enumerate(calls)
        ]
        self._items += self._open_calls
        return " ".join(spoken), calls


def _words(clip: str) -> str:
    return caller_clips.load(clip).words


def test_the_bank_asks_for_the_account_and_tells_its_balance():
    talk = Talk("bank")

    asked, first = talk.caller(_words("slt_balance"))
    silent, then = talk.results({"status": "collected"})
    told, rest = talk.results({"ok": True}, {"balance": "1234.50", "currency": "EUR"})

    assert "key in your account number" in asked
    assert first == [CallTool("collect_digits", {"field": "account_number"})]
    assert silent == ""
    assert then == [
        CallTool("set_output_variable", {"name": "INTENT", "value": "balance"}),
        CallTool("get_balance"),
    ]
    assert (told, rest) == ("Your balance is 1234.50 EUR.", [])


@pytest.mark.parametrize(
    ("result", "expected", "calls"),
    [
        ({"status": "too_short"}, "once more", ["collect_digits"]),
        ({"status": "no_digits"}, "did not receive", []),
        ({"status": "cancelled"}, "we leave that", []),
        ({"error": {"code": "too_many_calls", "message": "x"}}, "cannot take", []),
    ],
)
def test_the_bank_reacts_to_a_number_that_did_not_come(result, expected, calls):
    talk = Talk("bank")
    talk.caller("my balance")

    spoken, called = talk.results(result)

    assert expected in spoken
    assert [call.name for call in called] == calls


def test_the_bank_says_when_a_look_up_failed():
    talk = Talk("bank")
    talk.caller("my balance")
    talk.results({"status": "collected"})

    spoken, calls = talk.results({"ok": True}, {"error": {"code": "not_found", "message": "x"}})

    assert "cannot find an account" in spoken
    assert calls == []


@pytest.mark.parametrize(
    ("bot", "words", "target"),
    [
        ("bank", "I would like to speak to a person, please.", "service"),
        ("bank", "My card was stolen.", "cards"),
        ("bilingual", "Ich möchte mit einem Menschen sprechen.", "service"),
    ],
)
def test_a_person_is_asked_for_with_a_target(bot, words, target):
    spoken, [call] = Talk(bot).caller(words)

    assert spoken
    assert (call.name, call.arguments["target"]) == ("transfer_to_agent", target)


@pytest.mark.parametrize("bot", DIALOGUES)
def test_every_bot_ends_the_call_at_goodbye(bot):
    spoken, calls = Talk(bot).caller(_words("slt_goodbye"))

    assert "Goodbye" in spoken
    assert [call.name for call in calls] == ["end_call"]


def test_the_bilingual_bot_answers_in_the_language_of_each_turn():
    talk = Talk("bilingual")

    answers = [
        talk.caller(words)[0]
        for words in (
            _words("pico_opening_hours"),
            _words("slt_opening_hours"),
            _words("pico_saturday"),
        )
    ]

    assert answers == [
        "Wir haben von Montag bis Freitag geöffnet, von acht bis achtzehn Uhr.",
        "I am sorry, we are closed on Saturday and Sunday.",
        "Am Samstag und am Sonntag haben wir leider geschlossen.",
    ]
    assert [is_german(answer) for answer in answers] == [True, False, True]


def test_the_bilingual_bot_follows_orders_in_the_callers_language():
    talk = Talk("bilingual")
    before = talk.order("The caller was silent. Ask whether the caller is still there.")
    talk.caller("Guten Tag")

    after = talk.order("The call ends now. Say goodbye in the caller's language.")

    assert before[0] == "Are you still there?"
    assert "Auf Wiederhören" in after[0]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ("The caller's language is now de-DE. Speak it from now on.", "Auf Wiederhören"),
        ("Begin in the language with the tag de. Change it when the caller does.", "Wiederhören"),
        ("The caller's language is now en. Speak it from now on.", "Goodbye"),
    ],
)
def test_a_fact_about_the_language_counts_as_much_as_words_in_it(fact, expected):
    talk = Talk("bilingual")
    talk.caller("Guten Tag")
    talk.order(fact)

    assert expected in talk.order("The call ends now. Say goodbye in the caller's language.")[0]


def test_a_german_goodbye_ends_the_call():
    spoken, calls = Talk("bilingual").caller(_words("pico_goodbye"))

    assert "Auf Wiederhören" in spoken
    assert [call.name for call in calls] == ["end_call"]


@pytest.mark.parametrize(
    ("clip", "bot", "instructions", "team"),
    [
        ("slt_last_bill", "billing", BILLING, "billing team"),
        ("slt_internet", "support", SUPPORT, "technical support"),
    ],
)
def test_the_reception_switches_to_a_specialist_who_then_speaks(clip, bot, instructions, team):
    talk = Talk("reception", RECEPTION)

    spoken, [call] = talk.caller(_words(clip))
    talk.instructions = instructions
    greeted, calls = talk.results({"ok": True})

    assert "bring you to our" in spoken
    assert (call.name, call.arguments["bot"]) == ("switch_bot", bot)
    assert f"This is the {team}" in greeted
    assert calls == []


def test_a_specialist_introduces_itself_at_the_order_to_take_over():
    talk = Talk("reception", BILLING)

    spoken, _ = talk.order("You are the billing specialist and have taken over this call. Say so.")

    assert spoken.startswith("This is the billing team.")


def test_billing_explains_and_hands_over():
    talk = Talk("reception", BILLING)

    explained, [noted] = talk.caller(_words("slt_bill_high"))
    asked, _ = talk.results({"ok": True})
    _, [handed_over] = talk.caller(_words("slt_account_manager"))

    assert "three parts" in explained
    assert noted.arguments == {"name": "DEPARTMENT", "value": "billing"}
    assert asked == "Is there anything else I can do for you?"
    assert (handed_over.name, handed_over.arguments["target"]) == ("transfer_to_agent", "billing")


def test_support_helps_and_hands_over_what_is_still_broken():
    talk = Talk("reception", SUPPORT)

    helped, [noted] = talk.caller(_words("slt_internet"))
    asked, _ = talk.results({"ok": True})
    _, [handed_over] = talk.caller(_words("slt_still_broken"))

    assert "plug of your router" in helped
    assert noted.arguments == {"name": "DEPARTMENT", "value": "support"}
    assert "works now" in asked
    assert handed_over.arguments["target"] == "technicians"


def test_a_specialist_may_switch_to_the_other():
    _, [call] = Talk("reception", SUPPORT).caller("I have a question about my bill.")

    assert call.arguments["bot"] == "billing"


def test_the_reception_names_its_keys_to_a_silent_caller():
    order = "The caller is still silent. Say: one for bills, two for faults, zero for a person."

    spoken, _ = Talk("reception", RECEPTION).order(order)

    assert spoken == "Press one for bills, two for faults, or zero for a person."


@pytest.mark.parametrize(
    ("clip", "expected"),
    [("slt_opening_hours", "Monday"), ("slt_bill", "three parts"), ("slt_stop", "like to know")],
)
def test_the_default_bot_answers_the_demos_caller(clip, expected):
    assert expected in Talk("default").caller(_words(clip))[0]
