"""The arguments of a function call: read from the model's text and checked before anything runs.

Pure. JSON Schema draft 7; references to other documents are refused, because following one would
be a request to wherever a schema says.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import fastjsonschema
import msgspec

from service.tools.port import Arguments, ToolError

MAX_ARGUMENT_CHARS = 32_000
"""Of one call; the longest answer of the model is shorter."""

MAX_MESSAGE_CHARS = 500
"""Of what the model is told; it may quote names that the model made up."""
BROKEN = "it does not work at the moment; go on without it"
"""What the model is told of a function that has failed inside."""

_decoder = msgspec.json.Decoder(dict[str, Any])


def read_arguments(text: str, parameters: dict[str, Any]) -> Arguments:
    """Return the arguments that the model wrote.

    Raises:
        ToolError: they are no JSON object, or do not fit the schema; says what the model must mend.
    """
    if len(text) > MAX_ARGUMENT_CHARS:
        raise ToolError("invalid_arguments", f"expected at most {MAX_ARGUMENT_CHARS} characters")
    try:
        arguments: Arguments = _decoder.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise ToolError("invalid_arguments", "expected a JSON object") from None
    _check(arguments, parameters)
    return arguments


def _check(arguments: Arguments, parameters: dict[str, Any]) -> None:
    try:
        compiled(parameters)(arguments)
    except fastjsonschema.JsonSchemaValueException as error:
        message = str(error.message)[:MAX_MESSAGE_CHARS]
        raise ToolError("invalid_arguments", message) from None
    except (ArithmeticError, RecursionError):
        raise ToolError("invalid_arguments", "expected smaller values") from None
    except ValueError:  # of the schema, which the model cannot mend
        raise ToolError("failed", BROKEN) from None


def compiled(parameters: dict[str, Any]) -> Callable[[Arguments], Arguments]:
    """Return the check of a schema; it is made once and kept.

    Raises:
        ValueError: it is no schema, or refers to another document.
    """
    return _compiled(msgspec.json.encode(parameters))


@lru_cache(maxsize=512)
def _compiled(schema: bytes) -> Callable[[Arguments], Arguments]:
    try:
        check: Callable[[Arguments], Arguments] = fastjsonschema.compile(
            msgspec.json.decode(schema),
            handlers=_Nowhere(),
            use_default=False,
        )
    except Exception as error:  # the compiler meets a bad schema with whatever Python raises
        raise ValueError(f"no JSON Schema: {type(error).__name__}") from error
    return check


class _Nowhere(dict[str, Any]):
    """Follows no reference: the compiler itself would fetch whatever has no follower here."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Any:
        raise ValueError("references to other documents are not followed")
