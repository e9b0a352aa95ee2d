"""The page for bot builders says what the definitions say."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

from service.bots.definition import FLOW_OVERRIDES, BotTable
from service.bots.reading import describe, plain_type
from service.bots.templates import DATA_RULE
from service.outputs import STANDARD_NAMES
from service.tools.port import CONTROL_NAMES

README = (Path(__file__).parents[2] / "service/bots/README.md").read_text(encoding="utf-8")
LONG_CHARS = 30


def _keys(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each key that a file may have, dotted, with its field; free names are NAME."""
    for field in msgspec.structs.fields(kind):
        key = prefix + field.encode_name
        plain = plain_type(field.type)[0]
        inner = get_args(plain)[-1] if get_origin(plain) in (list, dict) else plain
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            is_named = get_origin(plain) is dict
            yield from _keys(inner, f"{key}.{'NAME.' if is_named else ''}")
        else:
            yield key, field


def _default(field: Any) -> str:
    """What the table says without the key."""
    if field.required:
        return "required"
    made = field.default_factory
    value = field.default if made is msgspec.NODEFAULT else made()
    if value is None:
        return "–"
    text = json.dumps(value)
    return "a sentence" if len(text) > LONG_CHARS and isinstance(value, str) else f"`{text}`"


def _rows() -> dict[str, tuple[str, str]]:
    chapter = README.partition("## Reference")[2].partition("## Texts from the flow")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|\n]+) \| ([^|\n]+) \|", chapter, re.MULTILINE)
    return {key: (default.strip(), values.strip()) for key, default, values in rows}


def test_every_key_is_on_the_page_with_its_default_and_bounds():
    expected = {key: (_default(field), describe(field.type)) for key, field in _keys(BotTable)}
    assert len(expected) > 60

    rows = _rows()

    assert {key: row for key, row in expected.items() if rows.get(key) != row} == {}


def test_the_page_names_no_key_that_does_not_exist():
    assert _rows().keys() - {key for key, _ in _keys(BotTable)} == set()


@pytest.mark.parametrize("name", [*CONTROL_NAMES, *FLOW_OVERRIDES, *STANDARD_NAMES])
def test_what_bots_and_flows_name_is_on_the_page(name):
    assert f"`{name}`" in README


def test_the_rule_about_data_is_on_the_page():
    assert DATA_RULE in " ".join(README.split())
