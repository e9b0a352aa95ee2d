import math

import pytest

from service.bots.making import make_bots
from service.bots.port import DigitField, Greeting, Limits, VoiceActivity
from service.bots.templates import DATA_RULE
from service.dtmf import DigitRules
from service.silence import SilencePolicy
from service.tools.port import EndCall, SwitchBot, TransferToAgent
from tests.bots.bot_folder import MINIMAL, deployment, no_clip, prepared

FULL = """
description = "a bank"
instructions = "Be brief."
languages = ["en-US", "de"]
voice = "cedar"
model = "gpt-realtime-2.1-mini"
reasoning = "low"
noise_reduction = "off"
max_output_tokens = 500
farewell = "F"
handover = "H"
waiting = "W"
takeover = "T"
controls = ["end_call", "collect_digits", "switch_bot", "set_output_variable", "transfer_to_agent"]
targets = ["cards"]
specialists = ["other"]
[vad]
threshold = 0.6
prefix_padding_ms = 200
silence_duration_ms = 700
[transcription]
model = "gpt-4o-mini-transcribe"
keywords = ["IBAN"]
[silence]
after_s = 9
reprompts = ["Ask."]
then = "end"
[limits]
max_call_s = 300
warn_before_s = 30
warning = "Warn."
[keypad]
interrupts = true
terminator = "*"
cancel = "#"
gap_s = 3
[keypad.keys]
0 = { do = "transfer_to_agent", reason = "key", target = "cards" }
1 = { do = "switch_bot", bot = "third", reason = "key" }
9 = { do = "end_call" }
[digits.card]
description = "the card"
min = 4
max = 8
first_s = 12
gap_s = 5
sensitive = true
output = "CARD"
[outputs.CARD]
[outputs.INTENT]
default = "unknown"
description = "what the caller wants"
[[tools]]
kind = "echo"
name = "look_up"
url = "https://x"
fill = { number = "card" }
"""
OTHER = """
description = "another"
instructions = "Other."
model = "gpt-realtime-2.1-mini"
[outputs.INTENT]
default = "other"
[outputs.DEPTH]
default = "2"
[keypad.keys]
1 = { do = "switch_bot", bot = "bot" }
"""
THIRD = """
instructions = "Third."
model = "gpt-realtime-2.1-mini"
[outputs.THIRD]
"""


def test_every_key_reaches_the_bot():
    bot = prepared(FULL, other=OTHER, third=THIRD).bot

    assert (bot.bot_id, bot.languages, bot.voice) == ("bot", ("en-US", "de"), "cedar")
    assert (bot.model, bot.reasoning) == ("gpt-realtime-2.1-mini", "low")
    assert (bot.noise_reduction, bot.max_output_tokens) == (None, 500)
    assert (bot.farewell, bot.handover, bot.waiting, bot.takeover) == ("F", "H", "W", "T")
    assert bot.vad == VoiceActivity(threshold=0.6, prefix_padding_ms=200, silence_duration_ms=700)
    assert (bot.transcription_model, bot.keywords) == ("gpt-4o-mini-transcribe", ("IBAN",))
    assert bot.silence == SilencePolicy(9, ("Ask.",), "end")
    assert bot.limits == Limits(300, 30, "Warn.")
    assert bot.keypad.rules == DigitRules(terminator="*", cancel="#", gap_s=3)
    assert bot.keypad.interrupts
    assert bot.keypad.keys == {
        "0": TransferToAgent("key", target="cards"),
        "1": SwitchBot("third", "key"),
        "9": EndCall(),
    }
    assert bot.digit_fields == {
        "card": DigitField(
            name="card",
            description="the card",
            rules=DigitRules(4, 8, "#", "*", 12, 5),
            is_sensitive=True,
            output="CARD",
        )
    }


def test_control_tools_come_before_those_of_the_file_and_know_what_they_may_name():
    bot = prepared(FULL, other=OTHER, third=THIRD).bot

    assert [tool.name for tool in bot.tools] == [
        "end_call", "collect_digits", "switch_bot", "set_output_variable", "transfer_to_agent",
        "look_up",
    ]  # fmt: skip
    assert bot.tools[0].parameters == {
        "targets": ["cards"],
        "specialists": {"other": "another"},
        "digit_fields": {"card": "the card"},
        "outputs": {"INTENT": "what the caller wants"},
    }
    assert bot.tools[-1].fill == {"number": "card"}


def test_a_short_file_makes_a_whole_bot():
    bot = prepared(MINIMAL).for_call({}, None)

    assert (bot.instructions, bot.facts, bot.greeting) == ("Be brief.", "", Greeting())
    assert (bot.voice, bot.language, bot.languages) == ("marin", None, ())
    assert [tool.name for tool in bot.tools] == ["end_call", "transfer_to_agent"]
    assert (bot.vad, bot.noise_reduction) == (VoiceActivity(), "near_field")
    assert (bot.silence, bot.limits) == (SilencePolicy(), Limits(math.inf, 60, ""))
    assert all((bot.farewell, bot.handover, bot.waiting, bot.takeover))


def test_outputs_are_those_of_all_bots_that_may_take_over_and_the_nearer_default_counts():
    bot = prepared(FULL, other=OTHER, third=THIRD).bot

    assert bot.outputs == {"CARD": "", "INTENT": "unknown", "DEPTH": "2", "THIRD": ""}


def test_times_of_sound_do_not_concern_a_bot_that_listens_for_meaning():
    bot = prepared(MINIMAL + "[vad]\nkind = 'semantic_vad'\neagerness = 'low'").bot

    assert (bot.vad.kind, bot.vad.eagerness) == ("semantic_vad", "low")
    assert (bot.vad.prefix_padding_ms, bot.vad.silence_duration_ms) == (0, 0)


def test_keys_reach_the_model_where_the_file_says_so():
    assert prepared(MINIMAL + "[keypad]\nto_model = true").bot.keypad.is_told_to_model
    assert not prepared(MINIMAL).bot.keypad.is_told_to_model


def test_transcription_can_be_switched_off():
    assert prepared(MINIMAL + "[transcription]\nmodel = ''").bot.transcription_model == ""


@pytest.mark.parametrize(
    ("text", "greeting"),
    [
        ("instruction = ' Greet the caller. '", Greeting("Greet the caller.")),
        ("words = '''Hello,\n  it's us.'''", Greeting("Say exactly: 'Hello, it's us.'")),
        ("words = 'Hello.'\ndisclosure = 'I am a computer.'",
         Greeting("Say exactly: 'I am a computer. Hello.'")),
        ("words = 'Hello. I am a  computer.'\ndisclosure = 'I am a computer.'",
         Greeting("Say exactly: 'Hello. I am a computer.'")),
        ("instruction = 'Greet.'\ndisclosure = 'I am a computer.'",
         Greeting("Greet. Say this sentence in it, word for word: 'I am a computer.'")),
        ("clip = 'hi.ulaw'\nwords = 'Hi. I am a computer.'\ndisclosure = 'I am a computer.'",
         Greeting(clip=b"hi.ulaw", words="Hi. I am a computer.")),
    ],
)  # fmt: skip
def test_greeting_is_an_instruction_or_a_clip(text, greeting):
    assert prepared(f"{MINIMAL}[greeting]\n{text}").bot.greeting == greeting


@pytest.mark.parametrize(
    ("text", "is_ruled"),
    [
        ("instructions = 'Hi {{NAME}}.'\n[inputs.NAME]", True),
        ("instructions = 'Hi.'\nfacts = '{{NAME}}'\n[inputs.NAME]", True),
        ("instructions = 'Hi.'\nfacts = 'Open.'\n[inputs.NAME]", False),
    ],
)
def test_the_rule_about_data_comes_with_the_first_text_from_the_flow(text, is_ruled):
    assert (DATA_RULE in prepared(text).for_call({}, None).instructions) is is_ruled


def test_all_mistakes_of_all_files_come_at_once():
    files = {
        "a": b"voise = 'x'\ninstructions = 1\n[vad]\nthreshold = 'high'",
        "b": b"instructions = ",
        "c": b"instructions = 'x'\nspecialists = ['d']\n[greeting]\nclip = 'x'",
    }

    bots, problems = make_bots(files, deployment(), lambda name: b"\xff")

    assert bots == {}
    assert problems == [
        "a.toml: voise: no such key; did you mean voice?",
        "a.toml: instructions: expected a text of at most 50000 characters, got 1",
        'a.toml: vad.threshold: expected a number from 0 to 1, got "high"',
        "b.toml: Invalid value (at end of document)",
        "c.toml: greeting.words: expected what the clip says, got nothing",
        "c.toml: specialists: needs switch_bot among the controls",
        "c.toml: specialists.1: no such bot",
    ]


def test_no_problem_shows_a_value_of_the_deployment():
    text = MINIMAL + "[[mcp]]\nlabel = 'm'\nurl = 'ftp://${TOKEN}'\nallowed_tools = ['a']"

    problems = make_bots({"bot": text.encode()}, deployment(), no_clip)[1]

    assert len(problems) == 1
    assert "s3cret" not in problems[0]
