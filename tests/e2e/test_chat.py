"""The typed conversation as a command: what it prints, and how it fails."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.sample_bank import ACCOUNTS
from scripts.service_process import ROOT

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
UNKNOWN = Talk("/dance\n", ("--bot", "nobody"))
GERMAN = Talk(
    "Mhm\n",
    ("--bot", "bilingual", "--input", "CUSTOMER_NAME=Anna", "--language", "de-DE"),
)
TALKS = {"bank": BANK, "reception": RECEPTION, "unknown": UNKNOWN, "german": GERMAN}


def chat(typed: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.chat", *arguments],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
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
    assert "chat: there are /keys 123# and /quit" in lines_of(said["unknown"])


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
        for option in ("--bot", "--bots", "--live", "--input", "--language", "/keys", "/quit")
    )


def test_a_live_talk_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    ended = chat("", "--live")

    assert ended.returncode == 2
    assert ended.stderr == "chat: --live needs OPENAI_API_KEY in the environment\n"
