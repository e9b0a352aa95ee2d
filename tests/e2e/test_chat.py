"""The typed conversation as a command: what it prints, and how it fails."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.sample_bank import ACCOUNTS
from scripts.service_process import ROOT
from scripts.typed_call import COMMANDS
from service.wiring import CATALOG

ACCOUNT = next(iter(ACCOUNTS))
TIMEOUT_S = 40


@dataclass(frozen=True, slots=True)
class Talk:
    """What is typed, to whom."""

    typed: str
    arguments: tuple[str, ...]


BANK = Talk(f"What is my balance?\n/keys {ACCOUNT}#\n/keys 0\n", ("--bot", "bank"))
RECEPTION = Talk(
    "I have a question about my bill\nwhy is it so high?\n/quit\n", ("--bot", "reception")
)
UNKNOWN = Talk("/dance\n/keys\n/keys 12x\n", ("--bot", "nobody", "--language", "fr"))
GERMAN = Talk(
    "Mhm\n",
    ("--bot", "bilingual", "--input", "CUSTOMER_NAME=Anna", "--language", "de-DE"),
)
CHANGING = Talk(
    "When are you open, please?\n/language fr\n/language\n/language de-DE\nMhm\n",
    ("--bot", "bilingual", "--language", "nonsense!"),
)
OWN_BANK = Talk(BANK.typed, ("--bot", "bank", "--bots", str(CATALOG)))
TALKS = {
    "bank": BANK,
    "reception": RECEPTION,
    "unknown": UNKNOWN,
    "german": GERMAN,
    "changing": CHANGING,
    "own bank": OWN_BANK,
}
SETTINGS = ("TOOL_SECRETS", "OPENAI_", "SPEECH_", "AZURE_", "GENESYS_")


def chat(typed: str, *arguments: str, **process: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command; the settings of whoever runs the tests do not count."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    stdin = {} if "stdin" in process else {"input": typed}
    return subprocess.run(
        [sys.executable, "-m", "scripts.chat", *arguments],
        env=env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        **{"cwd": ROOT} | stdin | process,
    )


@pytest.fixture(scope="module")
def said() -> dict[str, "subprocess.CompletedProcess[str]"]:
    """All talks, side by side: they mostly wait."""
    with ThreadPoolExecutor() as pool:
        ended = {
            name: pool.submit(chat, talk.typed, *talk.arguments) for name, talk in TALKS.items()
        }
    return {name: future.result() for name, future in ended.items()}


def lines_of(ended: "subprocess.CompletedProcess[str]") -> list[str]:
    """What was said, line by line, with single blanks."""
    return [" ".join(line.split()) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize("name", TALKS)
def test_a_talk_ends_well(said, name):
    assert said[name].returncode == 0, said[name].stderr
    assert "Traceback" not in said[name].stderr


def test_the_bank_tells_the_balance_of_the_account_that_was_keyed_in(said):
    assert lines_of(said["bank"]) == [
        "bank: You are speaking with a computer. Welcome to Northwind Bank. What can I do for you?",
        "bank: Please key in your account number, followed by the hash key.",
        "function: collect_digits: ok",
        "function: set_output_variable: ok",
        "function: get_balance: ok",
        "bank: Your balance is 1250.40 euros.",
        "bank: I will connect you with a colleague now. One moment, please.",
        "",
        "The call is over (transfer). The flow gets:",
        "BOT_STATUS = transfer",
        "END_REASON = transfer",
        "TRANSFER_REASON = the caller chose a person by key",
        "TRANSFER_TARGET = service",
        "SUMMARY =",
        "INTENT = balance",
    ]
    assert ACCOUNT not in said["bank"].stdout


def test_the_reception_passes_the_talk_on_to_billing(said):
    lines = lines_of(said["reception"])

    assert lines[:5] == [
        "agent: Welcome to Northwind. You are speaking with a computer. How can I help you?",
        "reception: I will bring you to our billing team.",
        "function: switch_bot: ok",
        "billing: This is the billing team. What would you like to know about your bill?",
        "billing: A bill has three parts: the base price, the energy itself, and taxes with "
        "network fees.",
    ]
    assert "The call is over (caller_hangup). The flow gets:" in lines
    assert "DEPARTMENT = billing" in lines


def test_an_unknown_bot_is_told_and_the_default_one_answers(said):
    assert "no bot is called nobody" in said["unknown"].stderr
    assert lines_of(said["unknown"])[0].startswith("default: Welcome")


def test_an_unknown_command_is_explained(said):
    assert f"chat: {COMMANDS}" in lines_of(said["unknown"])


def test_what_is_no_key_is_not_pressed(said):
    """Neither nothing nor `12x`, and of the latter not a part either."""
    lines = lines_of(said["unknown"])

    assert lines.count("chat: /keys wants keys of a telephone, such as /keys 123#") == 2
    assert not any(line.startswith("default:") for line in lines[1:])


def test_a_language_that_the_bot_does_not_speak_is_told(said):
    assert "default names no languages; fr changes nothing" in said["unknown"].stderr
    assert "bilingual speaks en and de; nonsense! changes nothing" in said["changing"].stderr


def test_the_language_can_be_changed_to_one_that_the_bot_speaks(said):
    lines = lines_of(said["changing"])

    assert [line.split(",")[0] for line in lines[1:6]] == [
        "bilingual: We are open Monday to Friday",
        "chat: bilingual speaks en and de; fr changes nothing",
        "chat: /language wants a tag",
        "chat: the caller's language is de-DE now",
        "bilingual: Es tut mir leid",
    ]


def test_a_bank_of_ones_own_has_the_sample_bank_too(said):
    assert lines_of(said["own bank"]) == lines_of(said["bank"])


def test_a_bank_with_an_address_of_its_own_does_not_ask_the_sample_bank(tmp_path: Path):
    secrets = json.dumps({"BANK_API_URL": "http://127.0.0.1:1"})
    (tmp_path / ".env").write_text(f"TOOL_SECRETS='{secrets}'\n")

    ended = chat(BANK.typed, "--bot", "bank", cwd=tmp_path)

    assert "function: get_balance: failed" in lines_of(ended)


def test_the_commands_are_told_to_whom_types_at_a_terminal(said):
    ours, theirs = os.openpty()
    os.write(ours, b"/quit\n")

    ended = chat("", stdin=theirs)

    os.close(ours)
    os.close(theirs)
    assert ended.returncode == 0
    assert f"chat: type what the caller says; {COMMANDS}\n" in ended.stderr
    assert COMMANDS not in said["bank"].stderr


def test_the_callers_language_counts(said):
    assert lines_of(said["german"])[1].startswith("bilingual: Es tut mir leid")


def test_it_is_said_that_the_model_is_an_emulated_one(said):
    assert "an emulated model answers by a script" in said["bank"].stderr


def test_a_bad_folder_is_told_with_one_line_for_each_mistake(tmp_path: Path):
    (tmp_path / "default.toml").write_text("instructions = 3\nnonsense = 1\n")
    (tmp_path / "other.toml").write_text("this is not TOML")

    ended = chat("", "--bots", str(tmp_path))

    mistakes = [line for line in ended.stderr.splitlines() if "BOTS_URL" in line]
    assert ended.returncode == 2
    assert sorted(line.split(": ")[2] for line in mistakes) == [
        "default.toml",
        "default.toml",
        "other.toml",
    ]
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_help_explains_itself():
    ended = chat("", "--help")

    assert ended.returncode == 0
    assert all(
        option in ended.stdout
        for option in (
            *("--bot", "--bots", "--live", "--input", "--language"),
            *("/keys", "/language", "/quit", "sample bank"),
        )
    )


@pytest.mark.parametrize("text", ["CUSTOMER_NAME", "=Anna", ""])
def test_an_input_that_is_no_pair_is_told(text):
    ended = chat("", "--input", text)

    assert ended.returncode == 2
    assert f"argument --input: expected NAME=VALUE, got {text!r}\n" in ended.stderr
    assert ended.stdout == ""


def test_a_live_talk_without_a_key_says_so():
    ended = chat("", "--live")

    assert ended.returncode == 2
    assert ended.stderr.startswith("chat: OPENAI_API_KEY: the key of the speech model is missing")
    assert ended.stderr.count("\n") == 1


def test_a_live_talk_takes_key_and_address_from_the_env_file(tmp_path: Path):
    (tmp_path / ".env").write_text(
        "OPENAI_API_KEY=sk-of-nobody\nOPENAI_BASE_URL=http://127.0.0.1:1/v1\n"
    )

    ended = chat("", "--live", cwd=tmp_path)

    assert ended.returncode == 1
    assert ended.stderr.startswith("chat: the model cannot be had: ")
    assert "sk-of-nobody" not in ended.stderr
