"""How variables of the environment are read: one by one, and every problem is told.

The names and what they mean: `service.settings`.
"""

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

HTTP = ("http", "https")
WEB = (*HTTP, "ws", "wss")
Choice = TypeVar("Choice", bound=str)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Variables:
    """Reads variables and collects what is wrong with them.

    Attributes:
        problems: a line each: the variable, what was expected, what came (never a secret).
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        # An empty variable means the same as an absent one: that is how .env files switch off.
        self._env = {name: value.strip() for name, value in env.items() if value.strip()}
        self.problems: list[str] = []

    def _text(self, name: str, default: str) -> str:
        return self._env.get(name, default)

    def _choice(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        value = self._env.get(name, choices[0]).lower()
        for choice in choices:
            if value == choice:
                return choice
        self._expect(name, f"one of {', '.join(choices)}", value)
        return choices[0]

    def _chain(self, name: str, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Return names that are separated by commas, each once."""
        value = self._env.get(name, choices[0]).lower()
        named = [part.strip() for part in value.split(",")]
        chain = tuple(choice for part in named for choice in choices if choice == part)
        if len(chain) == len(named) == len(set(chain)) and "clips" not in chain[:-1]:
            return chain
        form = f"one of {', '.join(choices)}, or several, each once, by commas, clips as the last"
        self._expect(name, form, value)
        return choices[:1]

    def _integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self._env.get(name, str(default))
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        if is_number and least <= int(text) <= most:
            return int(text)
        self._expect(name, f"a whole number from {least} to {most}", text)
        return default

    def _usd(self, name: str, most: float) -> float:
        """Return an amount of money, 0 when there is none."""
        text = self._env.get(name, "0")
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII) and float(text) <= most:
            return float(text)
        self._expect(name, f"an amount of USD from 0 to {most:.0f}, such as 0.75", text)
        return 0.0

    def _flag(self, name: str) -> bool:
        text = self._env.get(name, "0").lower()
        if text not in ("0", "1", "true", "false", "yes", "no"):
            self._expect(name, "0 or 1", text)
        return text in ("1", "true", "yes")

    def _url(self, name: str, default: str, schemes: tuple[str, ...] = WEB) -> str:
        text = self._env.get(name, default)
        if text and not is_url(text, schemes):
            self._expect(name, "an address such as https://host/v1", text)
        return text

    def _address(self, name: str, default: str, forms: tuple[str, ...]) -> str:
        text = self._env.get(name, default)
        if text and not any(_has_form(text, form) for form in forms):
            # The scheme only: credentials come here when AUDIOHOOK_KEYS was meant.
            scheme, colon, rest = text.partition(":")
            shown = f"{scheme}:{rest and '...'}" if colon and scheme.isalpha() else "no scheme"
            self._expect(name, " or ".join(forms), shown)
        return text

    def _host(self, name: str) -> str:
        text = self._env.get(name, "").lower()
        if text and not _HOST.fullmatch(text):
            self._expect(name, "a host such as mypurecloud.de", text)
        return text

    def _bucket(self, name: str) -> str:
        text = self._env.get(name, "")
        if text and not _BUCKET.fullmatch(text):
            self._expect(name, "the name of an S3 bucket, such as my-lake", text)
        return text

    def _texts(self, name: str) -> Mapping[str, str]:
        """Return a JSON object of texts; what came is never shown, for it is secret."""
        try:
            return msgspec.json.decode(self._env.get(name, "{}"), type=dict[str, str])
        except (msgspec.DecodeError, RecursionError):
            self.problems.append(f'{name}: expected a JSON object of texts such as {{"KEY": "…"}}')
            return {}

    def _expect(self, name: str, expected: str, got: str) -> None:
        self.problems.append(f"{name}: expected {expected}, got {got[:80]!r}")


def is_url(text: str, schemes: tuple[str, ...]) -> bool:
    """Return whether a text is an address with one of the schemes and a host."""
    try:
        parts = urlsplit(text)
    except ValueError:  # broken brackets
        return False
    return parts.scheme in schemes and bool(parts.netloc)


def _has_form(text: str, form: str) -> bool:
    scheme, _, argument = form.partition(":")
    given, colon, rest = text.partition(":")
    return given == scheme and bool(colon) and bool(rest) == bool(argument)
