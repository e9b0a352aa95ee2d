"""Pulumi's configuration, read value by value; mistakes are collected and said all at once."""

import json
import re
from collections.abc import Mapping

import pulumi
from pulumi.runtime import config as store


class SettingsError(Exception):
    """Settings that cannot work; the message has one sentence per mistake."""


class Configuration:
    """The project's values by their names, and the mistakes found in them.

    A value with a mistake is replaced by its default, so that reading goes on.
    """

    def __init__(self) -> None:
        self._config = pulumi.Config()
        self._known: set[str] = set()
        self._mistakes: list[str] = []

    def mistake(self, sentence: str) -> None:
        """Note a mistake: a sentence that says what to do."""
        self._mistakes.append(sentence)

    def raise_mistakes(self) -> None:
        """Look for settings that nobody asked for.

        Raises:
            SettingsError: there are mistakes.
        """
        prefix = self._config.name + ":"
        everything = store.get_config_env() | store.CONFIG.get()
        given = {key.removeprefix(prefix) for key in everything if key.startswith(prefix)}
        for name in sorted(given - self._known):
            self.mistake(f"Remove or correct {name}: there is no such setting (README.md).")
        if self._mistakes:
            raise SettingsError("\n".join(self._mistakes))

    def region(self) -> str:
        """Return the AWS region."""
        region = pulumi.Config("aws").get("region")
        if not region:
            self.mistake("Set the region: `pulumi config set aws:region eu-central-1` or yours.")
        return region or ""

    def has(self, name: str) -> bool:
        """Return whether the setting is given."""
        return self.plain(name) is not None

    def plain(self, name: str) -> str | None:
        """Return the setting's text as it is, and None where it is not given."""
        self._known.add(name)
        # `get` warns about secrets that are read in the open; here they are looked at alone.
        return store.get_config(f"{self._config.name}:{name}") or None

    def text(self, name: str, pattern: str = ".+", what: str = "a text") -> str | None:
        """Return a text that matches the pattern as a whole, and None where none is given."""
        value = self.plain(name)
        if value is not None and not re.fullmatch(pattern, value):
            self.mistake(f"Set {name} to {what}, not to {value!r}.")
            return None
        return value

    def unquoted(self, name: str, pattern: str, what: str) -> str | None:
        """Return a text as `text` does; one that does not match is not repeated."""
        value = self.plain(name)
        if value is not None and not re.fullmatch(pattern, value):
            self.mistake(f"Set {name} to {what}.")
            return None
        return value

    def secret(self, name: str) -> pulumi.Output[str] | None:
        """Return a value that is encrypted in the state, and None where none is given."""
        if not self.has(name):
            return None
        if not store.is_config_secret(f"{self._config.name}:{name}"):
            self.mistake(f"Set {name} with --secret: it must not be readable in the stack's file.")
        return self._config.get_secret(name)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether a setting is `true`."""
        value = self.plain(name) or str(default).lower()
        if value not in ("true", "false"):
            self.mistake(f"Set {name} to true or false, not to {value!r}.")
        return value == "true"

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number between two bounds."""
        value = self.plain(name) or str(default)
        if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
            self.mistake(f"Set {name} to a whole number from {least} to {most}, not to {value!r}.")
            return default
        return int(value)

    def one_of(self, name: str, default: int, choices: tuple[int, ...]) -> int:
        """Return one of some whole numbers."""
        value = self.plain(name) or str(default)
        if value not in map(str, choices):
            self.mistake(f"Set {name} to one of {', '.join(map(str, choices))}, not to {value!r}.")
            return default
        return int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, empty where none is given."""
        values = self._json(name, [])
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            self.mistake(f"Set {name} as a list of texts: `--path '{name}[0]'` sets the first.")
            return ()
        return tuple(values)

    def environment(self, name: str) -> Mapping[str, str]:
        """Return texts by names of environment variables, empty where none are given.

        They are readable in the task's definition, so none may be secret.
        """
        if store.is_config_secret(f"{self._config.name}:{name}"):
            self.mistake(f"Keep secrets out of {name}: name them in secretEnvironment by ARN.")
        values = self._json(name, {})
        if not isinstance(values, dict) or not all(
            re.fullmatch(r"[A-Z][A-Z0-9_]*", key) and isinstance(value, str | int)
            for key, value in values.items()
        ):
            self.mistake(f"Set {name} as texts by name: `--path '{name}.LOG_LEVEL' debug`.")
            return {}
        return {key: str(value) for key, value in values.items()}

    def _json(self, name: str, default: object) -> object:
        text = self.plain(name)
        try:
            return default if text is None else json.loads(text)
        except ValueError:
            return None
