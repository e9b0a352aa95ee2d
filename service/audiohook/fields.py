"""Single JSON values read with tolerance: what cannot be used becomes None or is cut.

The reference server's strict patterns for UUIDs, durations and languages reject values that a
real client may send one day, and a rejected value costs a call; hence the wider rules here.
Source: specification section 2 (type rules) and trap 27.
"""

import re
from collections.abc import Callable
from typing import TypeGuard

Warn = Callable[[str], None]
"""Counts one oddity of the peer. Takes one of a fixed set of short kinds, never peer text."""

NULL_UUID = "00000000-0000-0000-0000-000000000000"
MAX_DURATION_S = 86_400.0
"""Sessions last 15 minutes by default; a duration of more than a day is garbage."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DURATION = re.compile(r"PT(?:([0-9]+)H)?(?:([0-9]+)M)?(?:((?:[0-9]*\.)?[0-9]+)S)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
# Longer texts cannot be valid, and the patterns never see them.
_MAX_DURATION_CHARS = 64
_MAX_LANGUAGE_CHARS = 35  # RFC 5646 section 4.4.1: enough for every registered tag


def is_uuid(value: object) -> TypeGuard[str]:
    """True for any 8-4-4-4-12 hexadecimal text: every UUID version, either case."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def read_text(value: object, *, max_chars: int) -> str:
    """The text, cut to `max_chars`; empty when it is missing or no text."""
    return value[:max_chars] if isinstance(value, str) else ""


def read_duration_s(value: object) -> float | None:
    """Seconds of an ISO 8601 duration of hours, minutes and seconds (`PT1M2.5S`).

    None when it is missing, negative, malformed or longer than a day.
    """
    if not isinstance(value, str) or not 2 < len(value) <= _MAX_DURATION_CHARS:
        return None
    match = _DURATION.fullmatch(value)
    if match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    duration_s = float(hours) * 3600 + float(minutes) * 60 + float(seconds)
    return duration_s if duration_s <= MAX_DURATION_S else None


def read_language(value: object, warn: Warn) -> str | None:
    """A language tag of BCP 47 form (`en-US`, `es-419`); None means "keep the default"."""
    if value is None:
        return None
    is_tag = isinstance(value, str) and len(value) <= _MAX_LANGUAGE_CHARS
    if is_tag and _LANGUAGE.fullmatch(str(value)):
        return str(value)
    warn("language")
    return None
