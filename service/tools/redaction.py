"""Takes fields out of an answer before the model sees it. Pure."""

import re
from collections.abc import Sequence

PATH = re.compile(r"(?:[^.*\s]+|\*)(?:\.(?:[^.*\s]+|\*))*")
"""Dotted names; `*` stands for every element of a list or every member of an object."""


def redacted(value: object, paths: Sequence[str]) -> object:
    """Return the JSON value without the fields that the paths name.

    A name that meets a list goes on in each element: a service that answers with a list instead of
    one object must not lay the field open.
    """
    for path in paths:
        value = _without(value, path.split("."))
    return value


def _without(value: object, steps: Sequence[str]) -> object:
    if isinstance(value, list):
        return _list_without(value, steps)
    if not isinstance(value, dict):
        return value
    step, rest = steps[0], steps[1:]
    kept = {}
    for name, member in value.items():
        if step not in ("*", name):
            kept[name] = member
        elif rest:
            kept[name] = _without(member, rest)
    return kept


def _list_without(elements: list[object], steps: Sequence[str]) -> list[object]:
    rest = steps[1:] if steps[0] == "*" else steps
    return [_without(element, rest) for element in elements] if rest else []
