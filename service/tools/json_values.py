"""JSON on its way from the model and to it.

Pure. Servers and functions are not trusted: the value is bounded before anyone walks it.
"""

import math

import msgspec

from service.tools.port import ToolError

MAX_DEPTH = 64
"""Nesting that real answers never reach; far below what exhausts the stack."""
MAX_VALUE_BYTES = 1 << 20
MAX_ARGUMENT_BYTES = 262_144
"""A model writes less: its answers end at some thousand tokens."""
_SCALARS = (str, int, bool, type(None))


def decoded(body: bytes) -> object:
    """Return the JSON document in the bytes; None for no bytes at all.

    Raises:
        ToolError: `bad_answer`; it is not JSON, not UTF-8, or nested too deeply.
    """
    if not body:
        return None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # `from None`: the error may quote the document.
        raise ToolError("bad_answer", "The service gave an answer that is not valid.") from None
    if not _is_json(value, MAX_DEPTH):
        raise ToolError("bad_answer", "The service gave an answer that is not valid.")
    return value


def checked(value: object) -> object:
    """Return the value when it is plain JSON: dict with string keys, list, str, number, bool, None.

    Raises:
        ToolError: `bad_answer`, it is not; `too_large`, it has more than `MAX_VALUE_BYTES`.
    """
    if not _is_json(value, MAX_DEPTH):
        raise ToolError("bad_answer", "The function gave a result that is not valid.")
    try:
        size = len(msgspec.json.encode(value))
    except UnicodeEncodeError:  # half a surrogate pair
        raise ToolError("bad_answer", "The function gave a text that is not valid.") from None
    if size > MAX_VALUE_BYTES:
        raise ToolError("too_large", "The function gave a result that is too large.")
    return value


def encoded(arguments: object) -> bytes:
    """Return the JSON text of arguments.

    Raises:
        ToolError: `invalid_arguments`; a text in them is not valid, or they are too much or nested
            too deeply.
    """
    try:
        body = msgspec.json.encode(arguments)
    except (UnicodeEncodeError, RecursionError):
        raise ToolError("invalid_arguments", "The arguments are not valid.") from None
    if len(body) > MAX_ARGUMENT_BYTES:
        raise ToolError("invalid_arguments", "The arguments are too long.")
    return body


def _is_json(value: object, depth: int) -> bool:
    if isinstance(value, _SCALARS):
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if depth == 0:
        return False
    if isinstance(value, list):
        return all(_is_json(item, depth - 1) for item in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_json(v, depth - 1) for k, v in value.items())
    return False
