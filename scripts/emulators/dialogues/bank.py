"""Northwind Bank: the caller keys in an account number and hears its balance."""

from scripts.emulators.dialogue import CallTool, Dialogue, Rule, Speak, ToolAnswer
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

_ACCOUNT_NUMBER = CallTool("collect_digits", {"field": "account_number"})
_INTENT = CallTool("set_output_variable", {"name": "INTENT", "value": "balance"})

BANK = Dialogue(
    greeting="Welcome to Northwind Bank. How can I help you today?",
    default="I am sorry, I did not get that. You can ask for the balance of your account.",
    silence="Are you still there?",
    digits="Thank you, I have noted that. Would you like to hear your balance?",
    rules=(
        Rule(
            ("lost card", "stolen card", "blocked card"),
            (Speak("I will bring you to our team for cards at once."), transfer("cards")),
            (Speak("I am sorry, nobody can block your card right now."),),
        ),
        Rule(
            PERSON,
            (
                Speak("Of course, I will connect you with a colleague. One moment, please."),
                transfer("service"),
            ),
            (Speak("I am sorry, none of my colleagues is free right now."),),
        ),
        Rule(STOP, (Speak("Of course. What would you like to know?"),)),
        Rule(GOODBYE, (Speak("Thank you for calling Northwind Bank. Goodbye!"), END_CALL)),
        Rule(
            ("balance", "how much account", "how much money", "money account"),
            (
                Speak("Please key in your account number, followed by the hash key."),
                _ACCOUNT_NUMBER,
            ),
            (Speak("I am sorry, I cannot look into accounts right now."),),
        ),
        Rule(THANKS, (Speak("You are welcome. Is there anything else I can do for you?"),)),
        Rule(HELLO, (Speak("Hello! What can I do for you?"),)),
    ),
    tool_answers={
        **NOTED,
        "collect_digits": (
            ToolAnswer((_INTENT, CallTool("get_balance")), {"status": "collected"}),
            ToolAnswer(
                (Speak("That number was too short. Please key it in once more."), _ACCOUNT_NUMBER),
                {"status": "too_short"},
            ),
            ToolAnswer(
                (Speak("All right, we leave that. What else can I do for you?"),),
                {"status": "cancelled"},
            ),
            ToolAnswer(
                (Speak("I did not receive a number. You can ask again whenever you like."),),
                {"status": "no_digits"},
            ),
        ),
        "get_balance": (ToolAnswer((Speak("Your balance is {balance} {currency}."),)),),
    },
    tool_errors={
        "collect_digits": "I am sorry, I cannot take the number right now.",
        "get_balance": "I am sorry, I cannot find an account with that number.",
    },
)
