"""Reads the tables of a bot's file, and finds all that is wrong with them at once.

msgspec stops at the first mistake, so the definitions are walked here, key by key, and msgspec
judges the single values. Pure: text in, tables and problems out.
"""

import difflib
import functools
import json
import math
import re
import tomllib
import types
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

MAX_SHOWN_CHARS = 80
"""Of what came; more would fill a log with a prompt."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SECRET_KEYS = frozenset({"authorization", "headers"})

Table = TypeVar("Table", bound=msgspec.Struct)


class Problems:
    """What is wrong with one file: a line for each, with the key that it concerns."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, problem: str) -> None:
        """Note a problem; `key` is dotted."""
        self.lines.append(f"{key}: {problem}")

    def expect(self, key: str, expected: str, got: object) -> None:
        """Note that a value is not what it should be; `got` is shown, but for secrets."""
        is_secret = not _SECRET_KEYS.isdisjoint(key.split("."))
        self.add(key, f"expected {expected}, got {_kind_of(got) if is_secret else shown(got)}")


def parse_toml(raw: bytes, problems: Problems) -> dict[str, Any] | None:
    """Return the file's tables as they stand there; None when it is no TOML."""
    try:
        # Some editors leave a byte order mark.
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        problems.lines.append("expected UTF-8, got other bytes")
    except RecursionError:
        problems.lines.append("expected a few levels of tables and lists, got too many")
    except ValueError as error:  # tomllib's own errors name line and column
        problems.lines.append(_one_line(str(error)))
    return None


def read_table(
    raw: Mapping[str, object], kind: type[Table], problems: Problems, *, key: str = ""
) -> Table:
    """Return the table.

    A value that is wrong is replaced by its default, or by an empty text where there is none, so
    that the rules between keys can be checked as well. With problems the table is not for use.

    Args:
        raw: as TOML gives it.
        kind: which keys it may have.
        problems: takes what is wrong.
        key: dotted, of the table itself; empty for the file.
    """
    fields = _fields(kind)
    for name in (name for name in raw if name not in fields):
        problems.add(join(key, name), f"no such key{suggestion(name, fields)}")
    values: dict[str, object] = {}
    for name, field in fields.items():
        value: object = _Wrong
        if name in raw:
            value = _read(raw[name], field.type, problems, join(key, name))
        elif field.required:
            problems.add(join(key, name), f"expected {describe(field.type)}, got nothing")
        if value is not _Wrong:
            values[field.name] = value
        elif field.required:
            values[field.name] = ""
    return kind(**values)


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the keys of a table; to resolve the types anew costs a quarter of all reading."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def join(key: str, name: str) -> str:
    """Return the dotted key of a member."""
    shown_name = name if _BARE_KEY.match(name) else shown(name)
    return f"{key}.{shown_name}" if key else shown_name


def suggestion(name: str, known: Collection[str]) -> str:
    """Return `; did you mean NAME?`, empty when nothing known is near."""
    near = difflib.get_close_matches(name[:MAX_SHOWN_CHARS], known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: object) -> str:
    """Return the value as TOML would have it, on one line and not longer than is useful."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool | int | float):
        text = str(value).lower()
    else:
        text = _kind_of(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"


def describe(kind: Any) -> str:
    """Return what values a key takes, as words that follow "expected"."""
    kind, limits = plain_type(kind)
    if limits.description:
        return limits.description
    origin = get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(map(shown, get_args(kind)))}"
    if kind is str and limits.max_length is not None:
        return f"a text of at most {limits.max_length} characters"
    if kind is str and limits.pattern is not None:
        return f"a text that matches {limits.pattern}"
    names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    if kind in names:
        return names[kind] + _bounds(limits)
    return ("a table" if origin in (None, dict) else "a list") + _count(limits)


class _Wrong:
    """Stands for a value that cannot be used."""


def _read(value: object, kind: Any, problems: Problems, key: str) -> object:
    """Return the value as the tables hold it, or `_Wrong`."""
    plain, limits = plain_type(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct) and isinstance(value, dict):
        return read_table(value, plain, problems, key=key)
    origin = get_origin(plain)
    if origin in (list, dict) and isinstance(value, origin):
        if not (limits.min_length or 0) <= len(value) <= (limits.max_length or math.inf):
            problems.add(key, f"expected {describe(kind)}, got {len(value)}")
        if origin is list:
            return _read_list(value, get_args(plain)[0], problems, key)
        return _read_members(value, get_args(plain), problems, key)
    try:
        if not isinstance(value, float) or math.isfinite(value):
            return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError):
        pass  # said below
    problems.expect(key, describe(kind), value)
    return _Wrong


def _read_list(values: list[object], kind: Any, problems: Problems, key: str) -> list[object]:
    read = [
        _read(value, kind, problems, entry_key(key, value, number))
        for number, value in enumerate(values, 1)
    ]
    return [value for value in read if value is not _Wrong]


def entry_key(key: str, value: object, number: int) -> str:
    """Return the dotted key of an entry of a list: by its name where it has one."""
    names = [value.get("name"), value.get("label")] if isinstance(value, dict) else []
    return join(key, next((name for name in names if isinstance(name, str)), str(number)))


def _read_members(
    values: dict[str, object], kinds: tuple[Any, ...], problems: Problems, key: str
) -> dict[str, object]:
    """Return the members of a table with free names; `kinds` of the names and of the values."""
    name_kind, kind = kinds
    read = {}
    for name, value in values.items():
        try:
            msgspec.convert(name, name_kind)
        except msgspec.ValidationError:
            problems.add(join(key, name), f"expected {describe(name_kind)} as the key")
        member = _read(value, kind, problems, join(key, name))
        if member is not _Wrong:
            read[name] = member
    return read


def plain_type(kind: Any) -> tuple[Any, msgspec.Meta]:
    """Return the type without `None` and annotations, and the limits that these held."""
    limits = msgspec.Meta()
    while True:
        if get_origin(kind) is Annotated:
            kind, limits = get_args(kind)[:2]
        elif get_origin(kind) in (types.UnionType, Union) and len(_choices(kind)) == 1:
            kind = _choices(kind)[0]  # TOML has no null: None stands for an absent key
        else:
            return kind, limits


def _choices(kind: Any) -> list[Any]:
    return [choice for choice in get_args(kind) if choice is not types.NoneType]


def _bounds(limits: msgspec.Meta) -> str:
    """Return ` from LEAST to MOST`, ` above LEAST, at most MOST`, or nothing."""
    if limits.gt is not None:
        return f" above {limits.gt:g}" + (f", at most {limits.le:g}" if limits.le else "")
    if limits.ge is not None and limits.le is not None:
        return f" from {limits.ge:g} to {limits.le:g}"
    return f" of at least {limits.ge:g}" if limits.ge is not None else ""


def _count(limits: msgspec.Meta) -> str:
    """Return ` of LEAST to MOST entries`, or nothing."""
    least, most = limits.min_length, limits.max_length
    if least and most:
        return f" of {least} to {most} entries"
    return f" of at most {most} entries" if most else ""


def _kind_of(value: object) -> str:
    match value:
        case str():
            return "a text"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def _one_line(text: str) -> str:
    return " ".join(text.split())
