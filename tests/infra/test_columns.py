"""The lake's columns in Athena are those that the recorder writes, with their types."""

import types
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from columns import ANALYSES, CALLS, TURNS
from service.call_documents import CallAnalysis
from service.call_events import CallEndedData, TurnData

PLAIN = {str: "string", int: "bigint", float: "double", bool: "boolean", datetime: "string"}
OF_START = dict.fromkeys(("dnis", "language", "participant_id", "correlation_id"), "string")
OF_CALL = dict.fromkeys(("session_id", "conversation_id", "org_id", "bot_id"), "string")


def hive(of: Any) -> str:
    """Return the type of Hive that holds the JSON of a field."""
    origin, arguments = get_origin(of), get_args(of)
    if of in PLAIN:
        return PLAIN[of]
    if origin is Literal:
        return "string"
    if origin in (Union, types.UnionType):
        [inner] = [a for a in arguments if a not in (type(None), msgspec.UnsetType)]
        return hive(inner)
    if origin is tuple:
        return f"array<{hive(arguments[0])}>"
    if origin is dict:
        return f"map<{hive(arguments[0])},{hive(arguments[1])}>"
    fields = ",".join(f"{name}:{kind}" for name, kind in columns(of).items())
    return f"struct<{fields}>"


def columns(struct: type) -> dict[str, str]:
    return {name: hive(kind) for name, kind in get_type_hints(struct).items() if name[0] != "_"}


def test_columns_of_calls():
    assert columns(CallEndedData) | OF_START | {"is_complete": "boolean"} == CALLS


def test_columns_of_turns():
    assert OF_CALL | columns(TurnData) == TURNS


def test_columns_of_analyses():
    assert columns(CallAnalysis) == ANALYSES


@pytest.mark.parametrize("table", [CALLS, TURNS, ANALYSES])
def test_no_type_is_too_long_for_glue(table: dict[str, str]):
    # Source: the service model of AWS Glue, ColumnTypeString.
    assert max(map(len, table.values())) <= 131_072


def test_every_question_asks_these_tables_alone():
    for path in (Path(__file__).parents[2] / "service" / "analytics" / "sql").glob("*.sql"):
        assert path.read_text(encoding="utf-8").startswith("-- "), path.name
