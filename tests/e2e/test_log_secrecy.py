"""No log of any whole call tells what was said or pressed, or a secret.

It runs after all other tests of this folder, and looks through everything they left.
"""

import asyncio
import re
from pathlib import Path

from scripts.emulators.brains import DialogueBrain
from tests.e2e import overheard
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, MODEL_KEY, SMALL_TALK, bridge, play
from tests.e2e.quick_calls import PROMPT, greeted

SERVICE = Path(__file__).parents[2] / "service"
SHORTEST_WORD = 4
SHORTEST_KEYS = 4
"""Shorter runs of digits stand in every line: times, counts, ports."""


def words_of(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]+", text) if len(word) >= SHORTEST_WORD}


def known_words() -> set[str]:
    """Words that log lines may have of themselves: those of the program that writes them."""
    return set().union(*(words_of(path.read_text()) for path in SERVICE.rglob("*.py")))


def names_in(log: str) -> set[str]:
    """Names of bots, functions and servers: whoever writes a bot chooses them, no caller."""
    named = re.findall(r"""['"](?:name|server|bot_id)['"]: ['"]([^'"]*)""", log)
    named += re.findall(r"bot_ids\W+[\[(]([^\])]*)", log)
    return words_of(" ".join(named))


def test_no_log_tells_what_was_said_or_pressed_or_a_secret():
    async def call() -> None:
        async with bridge(PROMPT, brain=DialogueBrain(SMALL_TALK)) as running:
            await play(running, greeted)

    asyncio.run(call(), debug=False)
    log = "\n".join(overheard.LINES)
    said = set().union(*map(words_of, overheard.SAID)) - known_words() - names_in(log)
    keys = {run for keys in overheard.KEYS for run in re.findall(r"\d+", keys)}
    keys = {run for run in keys if len(run) >= SHORTEST_KEYS}
    # Whole ones of four digits stand in the log of themselves: they are milliseconds.
    numbers = {run for text in overheard.SAID for run in re.findall(r"\d{5,}|\d+[.]\d+", text)}

    assert "call ended" in log
    assert said, "nothing was said that a log could tell"
    assert words_of(log) & said == set()
    assert {
        run for run in keys | numbers if re.search(rf"(?<!\d){re.escape(run)}(?!\d)", log)
    } == set()
    assert [secret for secret in (API_KEY, CLIENT_SECRET, MODEL_KEY) if secret in log] == []
