import pytest

from service.bots.checking import contains
from service.bots.making import make_bots
from tests.bots.bot_folder import deployment, problems_of

BASE = 'instructions = "Be brief."\n'
DIGITS = '[digits.card]\ndescription = "a card"\n'
COLLECTS = BASE + 'controls = ["collect_digits"]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "instructions: expected a text of at most 50000 characters, got nothing"),
        ("instructions = ' '",
         'instructions: expected a text of at most 50000 characters, got " "'),
        ("instructions = 'Hi {{NAM}}'\n[inputs.NAME]",
         'instructions: "NAM" is not among the inputs of this file; did you mean NAME?'),
        (BASE + "facts = '{{}}'", 'facts: "" is not among the inputs of this file'),
        (BASE + "farewell = '{{X}}'", "farewell: {{…}} is filled in instructions and facts only"),
        (BASE + "[silence]\nafter_s = 9\nreprompts = ['a', '{{X}}']",
         "silence.reprompts.2: {{…}} is filled in instructions and facts only"),
        (BASE + "voice = 'fable'",
         'voice: expected one of marin, cedar, or voice_… for your own, got "fable"'),
        (BASE + "voices = ['voice_1', 'Marin']",
         'voices.2: expected one of marin, cedar, or voice_… for your own, got "Marin"'),
        (BASE + "[greeting]\ninstruction = 'Greet.'\nwords = 'Hello.'",
         "greeting: expected either instruction, or words, or clip with words"),
        (BASE + "[greeting]\ndisclosure = 'A computer.'",
         "greeting.disclosure: expected instruction or words beside it"),
        (BASE + "controls = ['collect_digits']", "controls: collect_digits needs digits"),
        (BASE + "controls = ['switch_bot']", "controls: switch_bot needs specialists"),
        (BASE + "controls = ['set_output_variable']",
         "controls: set_output_variable needs outputs"),
        (BASE + "controls = ['hang_up']",
         'controls.1: expected one of "end_call", "transfer_to_agent", "collect_digits", '
         '"switch_bot", "set_output_variable", got "hang_up"'),
        (BASE + "controls = ['end_call', 'end_call']", 'controls: "end_call" stands there twice'),
        (BASE + DIGITS, "digits: needs collect_digits among the controls"),
        (BASE + "specialists = ['default']",
         "specialists: needs switch_bot among the controls"),
        (BASE + "controls = []\ntargets = ['x']",
         "targets: needs transfer_to_agent among the controls"),
        (BASE + "languages = ['en', 'en']", 'languages: "en" stands there twice'),
        (BASE + "languages = ['english']",
         'languages.1: expected a language tag such as en or de-DE, got "english"'),
        (BASE + "[outputs.BOT_STATUS]", "outputs.BOT_STATUS: the service sets it for every bot"),
        (BASE + "[outputs.1X]", "outputs.1X: expected a name of at most 64 letters, digits and _ "
         "that begins with a letter as the key"),
        (BASE + "[inputs.BOT_VOICE]",
         "inputs.BOT_VOICE: every bot has it; see languages and voices"),
        (BASE + "[inputs.X]\nmax_chars = 2\ndefault = 'abc'",
         "inputs.X.default: is longer than max_chars"),
        (BASE + "[keypad]\ncancel = '#'",
         'keypad.cancel: expected another key than terminator, got "#"'),
        (BASE + "[keypad.keys]\n12 = { do = 'end_call' }",
         "keypad.keys.12: expected one key of 0-9 * # A-D as the key"),
        (BASE + "[keypad.keys]\n1 = { do = 'switch_bot' }",
         "keypad.keys.1.bot: expected a bot's name, got nothing"),
        (BASE + "[keypad.keys]\n1 = { do = 'end_call', bot = 'default' }",
         "keypad.keys.1.bot: goes with switch_bot only"),
        (BASE + "[keypad.keys]\n1 = { do = 'end_call', target = 'x' }",
         "keypad.keys.1.target: goes with transfer_to_agent only"),
        (BASE + "[keypad.keys]\n1 = { do = 'end_call', reason = 'x' }",
         "keypad.keys.1.reason: goes with transfer_to_agent and switch_bot only"),
        (BASE + "[keypad.keys]\n1 = { do = 'switch_bot', bot = 'mini' }",
         "keypad.keys.1.bot: expected a bot with the same model, which cannot change in a call; "
         "mini has another"),
        (BASE + "controls = ['switch_bot']\nspecialists = ['mini']",
         "specialists.1: expected a bot with the same model, which cannot change in a call; "
         "mini has another"),
        (BASE + "targets = ['a']\n[keypad.keys]\n1 = { do = 'transfer_to_agent', target = 'x' }",
         'keypad.keys.1.target: expected one of the targets of this file, got "x"'),
        (BASE + "[keypad.keys]\n1 = { do = 'switch_bot', bot = 'defauld' }",
         "keypad.keys.1.bot: no such bot; did you mean default?"),
        (COLLECTS + DIGITS + "min = 5\nmax = 4",
         "digits.card.max: expected at least min, which is 5, got 4"),
        (COLLECTS + DIGITS + "cancel = '#'",
         'digits.card.cancel: expected another key than terminator, got "#"'),
        (COLLECTS + DIGITS + "sensitive = true\nto_model = true",
         "digits.card.to_model: the model never gets digits that are sensitive"),
        (COLLECTS + DIGITS + "sensitive = true\n[keypad]\nto_model = true",
         "keypad.to_model: expected false beside digits that are sensitive: the model would get "
         "those that come too early or late"),
        (COLLECTS + DIGITS + "output = 'CARDS'\n[outputs.CARD]",
         'digits.card.output: "CARDS" is not among the outputs of this file; '
         "did you mean CARD?"),
        (BASE + "[limits]\nmax_call_s = 60",
         "limits.warn_before_s: expected less than max_call_s, got 60.0"),
        (BASE + "controls = ['switch_bot']\nspecialists = ['defaults']",
         "specialists.1: no such bot; did you mean default?"),
        (BASE + "controls = ['switch_bot']\nspecialists = ['plain']",
         "specialists.1: expected a bot with a description, by which the model chooses; "
         "plain has none"),
        (BASE + "[[tools]]\nkind = 'echo'\nname = 'end_call'\nurl = 'https://x'",
         "tools.end_call.name: is the name of a control; see controls"),
        (BASE + "[[tools]]\nkind = 'echo'\nname = 'a'\nurl = 'https://x'\n"
         "[[tools]]\nkind = 'echo'\nname = 'a'\nurl = 'https://x'\n",
         "tools.a.name: another tool of this file has it"),
        (BASE + "[[mcp]]\nlabel = 'crm'\nurl = 'https://x'\nallowed_tools = ['a']\n"
         "needs_approval = ['b']",
         'mcp.crm.needs_approval: expected names that stand in allowed_tools, got "b"'),
        (BASE + "[[mcp]]\nlabel = 'crm'\nurl = 'https://x'\nallowed_tools = ['a']\n"
         "approved = ['a']",
         'mcp.crm.approved: expected names that stand in needs_approval, got "a"'),
        (BASE + "[[mcp]]\nlabel = 'crm'\nurl = 'https://x'\nallowed_tools = []",
         "mcp.crm.allowed_tools: expected a list of 1 to 100 entries, got 0"),
        (BASE + "[[mcp]]\nlabel = 'crm'\nurl = 'https://x'\nallowed_tools = ['a']\n"
         "[[mcp]]\nlabel = 'crm'\nurl = 'https://y'\nallowed_tools = ['a']",
         'mcp: "crm" stands there twice'),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(text, problem):
    described = BASE + "description = 'x'\n"
    mini = described + "model = 'gpt-realtime-mini'"

    found = problems_of(text, default=described, plain=BASE, mini=mini)

    assert len(found) == 1
    assert found[0].startswith(f"bot.toml: {problem}")


def test_an_output_that_takes_digits_is_none_that_the_model_may_set():
    text = COLLECTS.replace("]", ', "set_output_variable"]')

    assert problems_of(text + DIGITS + "output = 'CARD'\n[outputs.CARD]") == [
        "bot.toml: controls: set_output_variable needs outputs"
    ]


def test_a_bot_that_cannot_be_read_is_no_unknown_bot():
    text = "controls = ['switch_bot']\nspecialists = ['other']\n" + BASE

    assert problems_of(text, other="=") == ["other.toml: Invalid statement (at line 1, column 1)"]


@pytest.mark.parametrize(
    ("words", "has_it"),
    [
        ("Welcome.  you are\nspeaking with a Computer. Hello.", True),
        ("Welcome. You are talking to a computer.", False),
    ],
)
def test_disclosure_is_found_whatever_the_blanks_and_capitals(words, has_it):
    assert contains(words, "You are speaking with a computer.") is has_it


@pytest.mark.parametrize(
    ("greeting", "problem"),
    [
        ("clip = 'a.ulaw'", "greeting.words: expected what the clip says, got nothing"),
        ("clip = 'a.ulaw'\nwords = 'Hello.'\ndisclosure = 'A computer.'",
         "greeting.words: expected the disclosure among what the clip says"),
    ],
)  # fmt: skip
def test_what_a_clip_says_must_be_written(greeting, problem):
    text = f"{BASE}[greeting]\n{greeting}"

    found = make_bots({"bot": text.encode()}, deployment(), lambda name: b"\xff")[1]

    assert found == [f"bot.toml: {problem}"]
