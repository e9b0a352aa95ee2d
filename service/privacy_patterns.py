"""A bot's own private numbers, by simple patterns: `NW-######` is two letters, a dash, six digits.

Pure. `#` is a digit, `@` a letter, anything else is itself; between two places people may put a
space, a dot or a dash. A regular expression could be made to hang; these patterns cannot.
"""

import re

MAX_CHARS = 40
LEAST_PLACES = 4
"""Shorter ones would mask half the conversation."""
_PLACES = {"#": r"\d", "@": r"[^\W\d_]"}


def problem_with(pattern: str) -> str:
    """Return what was expected instead of a pattern; empty when it is a good one."""
    if len(pattern) > MAX_CHARS:
        return f"at most {MAX_CHARS} characters"
    if sum(char in _PLACES for char in pattern) < LEAST_PLACES:
        return f"at least {LEAST_PLACES} places: # for a digit, @ for a letter"
    return "" if "#" in pattern else "at least one # for a digit"


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression that finds what a good pattern means."""
    places = [_PLACES.get(char, re.escape(char)) for char in pattern if not char.isspace()]
    return re.compile(r"(?<!\w)" + r"[ .\-]?".join(places) + r"(?!\w)", re.IGNORECASE)
