"""An assistant that answers in German or in English, as the caller speaks.

Until the caller has said a word of either language it speaks both.
"""

from dataclasses import replace

from scripts.emulators.dialogue import Cue, Dialogue, Rule, Speak, ToolAnswer, Variant
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

_TRANSFER = transfer("service")

_ENGLISH = Dialogue(
    greeting="Welcome to Northwind Energy. How can I help you?",
    default="I am sorry, I did not get that. You can ask about our opening hours.",
    silence="Are you still there?",
    digits="Thank you, I have noted {digits}.",
    rules=(
        Rule(
            PERSON,
            (Speak("Of course, I will connect you with a colleague."), _TRANSFER),
            (Speak("I am sorry, none of my colleagues is free right now."),),
        ),
        Rule(STOP, (Speak("Of course. What would you like to know?"),)),
        Rule(GOODBYE, (Speak("Thank you for calling. Goodbye!"), END_CALL)),
        Rule(
            ("saturday", "sunday", "weekend"),
            (Speak("I am sorry, we are closed on Saturday and Sunday."),),
        ),
        Rule(
            ("open", "opened", "opening", "hours"),
            (Speak("We are open Monday to Friday, from eight in the morning to six."),),
        ),
        Rule(("speak english", "english"), (Speak("Of course. What can I do for you?"),)),
        Rule(THANKS, (Speak("You are welcome. Is there anything else?"),)),
        Rule(HELLO, (Speak("Hello! What can I do for you?"),)),
    ),
    tool_answers=NOTED,
)

_GERMAN = Dialogue(
    greeting="Willkommen bei Northwind Energy. Wie kann ich Ihnen helfen?",
    default="Es tut mir leid, das habe ich nicht verstanden. Fragen Sie mich nach unseren "
    "Öffnungszeiten.",
    silence="Sind Sie noch da?",
    digits="Danke, ich habe {digits} notiert.",
    anything_else="Kann ich sonst noch etwas für Sie tun?",
    cues=(
        Cue(("taken over", "took over", "greet"), "{greeting}"),
        Cue(
            ("person takes over", "colleague takes over", "hand over"),
            "Ich verbinde Sie jetzt mit einer Kollegin. Einen Moment, bitte.",
        ),
        Cue(
            ("still looking", "looking up", "takes longer", "still working"),
            "Ich suche noch danach. Einen Moment, bitte.",
        ),
        Cue(("minute", "minutes", "ends soon"), "Wir haben nur noch eine Minute."),
        Cue(("goodbye", "farewell", "call ends"), "Vielen Dank für Ihren Anruf. Auf Wiederhören!"),
        Cue(("cannot hear",), "Es tut mir leid, ich kann Sie nicht hören."),
        Cue(("silent", "still there", "said nothing"), "Sind Sie noch da?"),
    ),
    tool_answer="Ich habe Folgendes gefunden: {output}",
    tool_error="Es tut mir leid, das kann ich gerade nicht herausfinden.",
    rules=(
        Rule(
            ("person", "mensch", "menschen", "mitarbeiter", "mitarbeiterin", "kollegen"),
            (Speak("Gern, ich verbinde Sie mit einer Kollegin."), _TRANSFER),
            (Speak("Es tut mir leid, gerade ist niemand frei."),),
        ),
        Rule(("stopp", "moment", "warten"), (Speak("Natürlich. Was möchten Sie wissen?"),)),
        Rule(
            ("wiederhören", "wiedersehen", "tschüss", "das war alles", "nein danke"),
            (Speak("Vielen Dank für Ihren Anruf. Auf Wiederhören!"), END_CALL),
        ),
        Rule(
            ("samstag", "sonntag", "wochenende"),
            (Speak("Am Samstag und am Sonntag haben wir leider geschlossen."),),
        ),
        Rule(
            ("geöffnet", "offen", "öffnen", "öffnungszeiten"),
            (Speak("Wir haben von Montag bis Freitag geöffnet, von acht bis achtzehn Uhr."),),
        ),
        Rule(("danke", "dank"), (Speak("Gern geschehen. Kann ich noch etwas für Sie tun?"),)),
        Rule(("hallo", "guten tag"), (Speak("Guten Tag! Was kann ich für Sie tun?"),)),
    ),
    tool_answers={
        "end_call": (ToolAnswer((Speak("Vielen Dank für Ihren Anruf. Auf Wiederhören!"),)),),
        "transfer_to_agent": (ToolAnswer((Speak("Ich verbinde Sie jetzt."),)),),
        "set_output_variable": (ToolAnswer(()),),
    },
)

_GERMAN_WORDS = (
    "guten tag", "hallo", "ich", "wann", "wie", "haben sie", "bitte", "danke", "nein", "und",
    "wiederhören", "tschüss", "mensch", "deutsch", "language de", "language german",
)  # fmt: skip
_ENGLISH_WORDS = (
    "hello", "the", "i", "you", "what", "when", "please", "thanks", "thank", "no", "and",
    "goodbye", "bye", "human", "english",
)  # fmt: skip

BILINGUAL = replace(
    _ENGLISH,
    greeting="Welcome to Northwind Energy. Willkommen bei Northwind Energy. "
    "How can I help you? Wie kann ich Ihnen helfen?",
    silence="Are you still there? Sind Sie noch da?",
    tongues=(Variant(_GERMAN_WORDS, _GERMAN), Variant(_ENGLISH_WORDS, _ENGLISH)),
)
