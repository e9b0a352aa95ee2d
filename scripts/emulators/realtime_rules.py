"""A small language for strict JSON shapes: each rule accepts a value or refuses it by its path.

The Realtime API refuses a whole event for one unknown key, so every table of the intake is
written with these rules. Error texts: openai_realtime spec section 10 and, for ranges, the
patterns of OpenAI's general API.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from scripts.emulators.realtime_wire import ApiError, Json

_KIND_NAMES: Mapping[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class Rule(Protocol):
    """Accepts or refuses one JSON value."""

    def check(self, value: object, path: str) -> None:
        """Returns when the value is allowed.

        Raises:
            ApiError: The value is refused; `param` is the path of the first offender.
        """


def join(path: str, key: str) -> str:
    """The dotted path of a key inside the object at `path` (empty for the event itself)."""
    return f"{path}.{key}" if path else key


def wrong_type(value: object, path: str, expected: str) -> ApiError:
    """The error for a value of another JSON type."""
    got = _KIND_NAMES[type(value)]
    return ApiError(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=path,
    )


def unsupported(value: object, path: str, supported: Iterable[str]) -> ApiError:
    """The error for a word that is not in the list."""
    quoted = [f"'{word}'" for word in supported]
    tail = f"and {quoted[-1]}" if len(quoted) > 1 else quoted[-1]
    separator = " " if len(quoted) == 2 else ", "
    words = separator.join([", ".join(quoted[:-1]), tail]) if len(quoted) > 1 else tail
    return ApiError(
        f"Invalid value: '{value}'. Supported values are: {words}.",
        code="invalid_value",
        param=path,
    )


def missing(path: str) -> ApiError:
    """The error for a key that must be there."""
    return ApiError(
        f"Missing required parameter: '{path}'.", code="missing_required_parameter", param=path
    )


def _expect_object(value: object, path: str) -> Json:
    if not isinstance(value, dict):
        raise wrong_type(value, path, "an object")
    return value


@dataclass(frozen=True, slots=True)
class Text:
    """A string, optionally bounded in length."""

    max_chars: int | None = None

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if not isinstance(value, str):
            raise wrong_type(value, path, "a string")
        if self.max_chars is not None and len(value) > self.max_chars:
            message = (
                f"Invalid '{path}': string too long. Expected a string with maximum length "
                f"{self.max_chars}, but got a string with length {len(value)} instead."
            )
            raise ApiError(message, code="string_above_max_length", param=path)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed list of words."""

    words: tuple[str, ...]

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if not isinstance(value, str):
            raise wrong_type(value, path, "one of the supported values")
        if value not in self.words:
            raise unsupported(value, path, self.words)


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if not isinstance(value, bool):
            raise wrong_type(value, path, "a boolean")


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds; `whole` refuses decimals."""

    lowest: float | None = None
    highest: float | None = None
    whole: bool = False

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise wrong_type(value, path, "an integer" if self.whole else "a decimal")
        word = "integer" if self.whole else "decimal"
        if self.lowest is not None and value < self.lowest:
            raise self._outside(path, f"{word} below minimum", f">= {self.lowest:g}", value)
        if self.highest is not None and value > self.highest:
            raise self._outside(path, f"{word} above maximum", f"<= {self.highest:g}", value)

    @staticmethod
    def _outside(path: str, fault: str, bound: str, value: float) -> ApiError:
        message = (
            f"Invalid '{path}': {fault} value. Expected a value {bound}, but got {value} instead."
        )
        return ApiError(message, code=fault.replace(" ", "_") + "_value", param=path)


@dataclass(frozen=True, slots=True)
class Nullable:
    """Null, or what the inner rule accepts."""

    rule: Rule

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if value is not None:
            self.rule.check(value, path)


@dataclass(frozen=True, slots=True)
class ByType:
    """A rule per JSON type, for fields such as an integer or the word `inf`."""

    rules: Mapping[type, Rule]

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        rule = self.rules.get(type(value))
        if rule is None:
            expected = " or ".join(_KIND_NAMES[kind] for kind in self.rules)
            raise wrong_type(value, path, expected)
        rule.check(value, path)


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array whose entries all follow one rule."""

    rule: Rule
    length: int | None = None

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        if not isinstance(value, list):
            raise wrong_type(value, path, "an array")
        for index, entry in enumerate(value):
            self.rule.check(entry, f"{path}[{index}]")
        if self.length is not None and len(value) != self.length:
            message = (
                f"Invalid '{path}': expected an array with length {self.length}, "
                f"but got an array with length {len(value)} instead."
            )
            raise ApiError(message, code="invalid_value", param=path)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these keys and no other."""

    known: Mapping[str, Rule]
    required: tuple[str, ...] = ()

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        entries = _expect_object(value, path)
        for key, inner in entries.items():
            rule = self.known.get(key)
            if rule is None:
                where = join(path, key)
                message = f"Unknown parameter: '{where}'."
                raise ApiError(message, code="unknown_parameter", param=where)
            rule.check(inner, join(path, key))
        for key in self.required:
            if key not in entries:
                raise missing(join(path, key))


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose shape depends on the word under one key."""

    tag: str
    variants: Mapping[str, Rule]

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        entries = _expect_object(value, path)
        where = join(path, self.tag)
        if self.tag not in entries:
            raise missing(where)
        Choice(tuple(self.variants)).check(entries[self.tag], where)
        self.variants[entries[self.tag]].check(entries, path)


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object of any keys with bounded string values, such as `metadata`."""

    max_pairs: int
    max_key_chars: int
    max_value_chars: int

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        entries = _expect_object(value, path)
        if len(entries) > self.max_pairs:
            message = (
                f"Invalid '{path}': too many properties. Expected an object with at most "
                f"{self.max_pairs} properties, but got an object with {len(entries)} instead."
            )
            raise ApiError(message, code="object_above_max_properties", param=path)
        for key, inner in entries.items():
            Text(self.max_key_chars).check(key, path)
            Text(self.max_value_chars).check(inner, join(path, key))


@dataclass(frozen=True, slots=True)
class AnyObject:
    """Any JSON object, such as a tool's JSON Schema."""

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        _expect_object(value, path)


@dataclass(frozen=True, slots=True)
class Base64Audio:
    """Base64 text; `max_bytes` bounds the decoded size."""

    max_bytes: int

    def check(self, value: object, path: str) -> None:
        """See `Rule.check`."""
        Text().check(value, path)
        decode_audio(str(value), path, self.max_bytes)


def decode_audio(text: str, path: str, max_bytes: int) -> bytes:
    """Decodes base64 strictly.

    Raises:
        ApiError: Not base64, or more than `max_bytes` (the text of both is unconfirmed).
    """
    try:
        audio = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{path}'. Expected base64-encoded audio bytes."
        raise ApiError(message, code="invalid_value", param=path) from None
    if len(audio) > max_bytes:
        message = f"Invalid '{path}': audio exceeds the maximum of {max_bytes} bytes."
        raise ApiError(message, code="invalid_value", param=path)
    return audio
