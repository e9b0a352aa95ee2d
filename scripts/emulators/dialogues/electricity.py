"""The phone assistant of an electricity company: answers questions, hands over, says goodbye.

Word groups are short on purpose: what offline ears make of a phone line is rarely exact.
"""

from scripts.emulators.dialogue import CallTool, Dialogue, Rule, Speak
from scripts.emulators.dialogues.words import NOTED

_TRANSFER = CallTool(
    "transfer_to_agent",
    {"reason": "caller_request", "summary": "The caller asks for a person and said: {words}"},
)
_END = CallTool("end_call", {"reason": "caller_done", "summary": "The caller said goodbye."})

ELECTRICITY_COMPANY = Dialogue(
    greeting="Welcome to Northwind Power. How can I help you today?",
    default=(
        "I am sorry, I did not get that. You can ask about our opening hours, your meter, "
        "or your bill."
    ),
    silence="Are you still there?",
    digits="Thank you, I have noted {digits}. Is there anything else?",
    rules=(
        Rule(
            ("person", "human", "agent", "representative", "operator", "colleague", "somebody",
             "someone", "speak people", "real people"),
            (Speak("Of course, I will connect you with a colleague. One moment, please."),
             _TRANSFER),
            (Speak("I am sorry, none of my colleagues is free right now."),),
        ),
        Rule(
            ("stop", "wait", "just moment", "hold on", "another question"),
            (Speak("Of course. What would you like to know?"),),
        ),
        Rule(
            ("goodbye", "good bye", "bye", "that's all", "that is all", "that's it", "no thanks",
             "nothing else", "no thank you"),
            (Speak("Thank you for calling Northwind Power. Goodbye!"), _END),
            (Speak("Thank you for calling Northwind Power. Goodbye!"),),
        ),
        Rule(
            ("opening", "open", "opened", "hours", "closing time", "close"),
            (Speak("Our office is open Monday to Friday, from eight in the morning to six."),),
        ),
        Rule(
            ("explain", "why", "how come", "details", "detail", "tell more", "long", "expensive"),
            (Speak(
                "Your bill has three parts. The first part is the base price, which pays for the "
                "meter and the line to your house. The second part is the energy itself, counted "
                "in kilowatt hours, and it went up in January because the market price rose. The "
                "third part is taxes and network fees, which we collect for the state. If you "
                "send us a meter reading every month, we can adjust your instalment, so that "
                "there are no surprises at the end of the year."
            ),),
        ),
        Rule(
            ("meter", "reading", "metre", "meters"),
            (Speak("You can key in your meter reading now, followed by the hash key."),),
        ),
        Rule(
            ("bill", "bills", "invoice", "pay", "payment", "build"),
            (Speak(
                "Your last bill was eighty four euros, and it is due on the first of the month."
            ),),
        ),
        Rule(
            ("thanks", "thank you"),
            (Speak("You are welcome. Is there anything else I can do for you?"),),
        ),
        Rule(
            ("hello", "hi", "good morning", "good afternoon"),
            (Speak("Hello! What can I do for you?"),),
        ),
    ),
    tool_answers=NOTED,
)  # fmt: skip
