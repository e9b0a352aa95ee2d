"""The reception of Northwind, and the two specialists to whom it passes callers on.

One call meets all three: who speaks is told by the first sentence of the instructions.
"""

from scripts.emulators.dialogue import CUES, CallTool, Cue, Dialogue, Rule, Speak, Variant
from scripts.emulators.dialogues.words import (
    END_CALL,
    GOODBYE,
    HELLO,
    NOTED,
    PERSON,
    STOP,
    THANKS,
    transfer,
)


def _switch(bot: str, reason: str) -> CallTool:
    return CallTool("switch_bot", {"bot": bot, "reason": reason})


def _department(name: str) -> CallTool:
    return CallTool("set_output_variable", {"name": "DEPARTMENT", "value": name})


_FAREWELL = Rule(GOODBYE, (Speak("Thank you for calling Northwind. Goodbye!"), END_CALL))
_ALWAYS = (
    _FAREWELL,
    Rule(STOP, (Speak("Of course. What would you like to know?"),)),
    Rule(THANKS, (Speak("You are welcome. Is there anything else?"),)),
    Rule(HELLO, (Speak("Hello! What can I do for you?"),)),
)
_NOBODY_FREE = (Speak("I am sorry, none of my colleagues is free right now."),)
_PASSING_ON = Speak("Of course, I will connect you with a colleague. One moment, please.")

_TO_BILLING = Rule(
    ("bill", "bills", "billing", "invoice", "build", "payment"),
    (Speak("I will bring you to our billing team."), _switch("billing", "a question on a bill")),
    (Speak("I am sorry, billing cannot be reached right now."),),
)
_TO_SUPPORT = Rule(
    ("broken", "internet", "meter", "not working", "doesn't work"),
    (Speak("I will bring you to our technical support."), _switch("support", "a fault")),
    (Speak("I am sorry, the support cannot be reached right now."),),
)

_BILLING = Dialogue(
    greeting="This is the billing team. What would you like to know about your bill?",
    default="I am sorry, I did not get that. I can explain how a bill is made.",
    silence="Are you still there?",
    rules=(
        Rule((*PERSON, "manager", "account"), (_PASSING_ON, transfer("billing")), _NOBODY_FREE),
        Rule(
            ("high", "explain", "expensive", "why"),
            (
                Speak(
                    "A bill has three parts: the base price, the energy itself, and taxes with "
                    "network fees."
                ),
                _department("billing"),
            ),
        ),
        Rule(
            ("due", "when", "pay"),
            (Speak("Payments are due on the first of the month."), _department("billing")),
        ),
        _TO_SUPPORT,
        *_ALWAYS,
    ),
    tool_answers=NOTED,
)

_SUPPORT = Dialogue(
    greeting="This is the technical support. What does not work?",
    default="I am sorry, I did not get that. Please tell me what does not work.",
    silence="Are you still there?",
    anything_else="Please tell me whether it works now.",
    rules=(
        Rule((*PERSON, "manager"), (_PASSING_ON, transfer("technicians")), _NOBODY_FREE),
        Rule(
            ("still broken", "switched off"),
            (Speak("Then a technician has to test the line."), transfer("technicians")),
            _NOBODY_FREE,
        ),
        Rule(
            ("internet", "broken", "slow", "router"),
            (
                Speak("Please pull the plug of your router, wait ten seconds, and put it back."),
                _department("support"),
            ),
        ),
        _TO_BILLING,
        *_ALWAYS,
    ),
    tool_answers=NOTED,
)

RECEPTION = Dialogue(
    greeting="Welcome to Northwind. How can I help you?",
    default="I am sorry, I did not get that. Is it about your bill, or does something not work?",
    silence="Are you still there?",
    rules=(
        Rule(PERSON, (_PASSING_ON, transfer("reception")), _NOBODY_FREE),
        _TO_BILLING,
        _TO_SUPPORT,
        *_ALWAYS,
    ),
    tool_answers=NOTED,
    cues=(
        Cue(("silent bills",), "Press one for bills, two for faults, or zero for a person."),
        *CUES,
    ),
    roles=(
        Variant(("billing specialist", "billing team"), _BILLING),
        Variant(("technical support",), _SUPPORT),
    ),
)
