from typing import Any
from unittest.mock import patch

import pytest

from service.tools.arguments import (
    BROKEN,
    MAX_ARGUMENT_CHARS,
    MAX_MESSAGE_CHARS,
    compiled,
    read_arguments,
)
from service.tools.port import ToolError

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "string", "enum": ["small", "large"]},
        "count": {"type": "integer", "minimum": 1, "default": 1},
    },
    "required": ["size"],
}


def of(schema: dict[str, Any]) -> dict[str, Any]:
    """An object whose member `a` has the schema."""
    return {"type": "object", "properties": {"a": schema}}


def failure(text: str, parameters: dict[str, Any]) -> ToolError:
    with pytest.raises(ToolError) as raised:
        read_arguments(text, parameters)
    return raised.value


def test_arguments_that_fit_are_taken_as_they_are():
    assert read_arguments('{"size": "small", "note": "x"}', ORDER) == {"size": "small", "note": "x"}


def test_no_text_means_no_arguments():
    assert read_arguments("", {"type": "object"}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        '"size"',
        "{",
        '{"size": ',
        '{"size": NaN}',
        '{"size": "\\ud800"}',
        '{"size": "\ud800"}',
        "[" * 20_000,
        '{"a":' * 5_000,
        "not JSON at all",
        '{"count": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_json_object_is_refused(text: str):
    error = failure(text, ORDER)

    assert (error.code, error.message) == ("invalid_arguments", "expected a JSON object")


def test_text_beyond_the_bound_is_not_read():
    error = failure('{"size": "' + "x" * MAX_ARGUMENT_CHARS + '"}', ORDER)

    assert error.code == "invalid_arguments"
    assert str(MAX_ARGUMENT_CHARS) in error.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "size"),
        ('{"size": "medium"}', "small"),
        ('{"size": 5}', "data.size"),
        ('{"size": "small", "count": 0}', "data.count"),
        ('{"size": "small", "count": "two"}', "integer"),
    ],
)
def test_model_is_told_what_it_must_mend(text: str, told: str):
    error = failure(text, ORDER)

    assert error.code == "invalid_arguments"
    assert told in error.message


def test_what_the_model_is_told_is_bounded():
    text = '{"a":' * 900 + "1" + "}" * 900
    error = failure(text, of({"$ref": "#"}))

    assert error.code == "invalid_arguments"
    assert len(error.message) <= MAX_MESSAGE_CHARS


def test_defaults_are_not_filled_in():
    assert read_arguments('{"size": "large"}', ORDER) == {"size": "large"}


def test_a_number_beyond_all_bounds_is_refused():
    """The check divides it, which Python cannot do."""
    error = failure('{"a": 1' + "0" * 400 + "}", of({"type": "number", "multipleOf": 0.1}))

    assert (error.code, error.message) == ("invalid_arguments", "expected smaller values")


def test_a_reference_within_the_schema_is_followed():
    schema = of({"$ref": "#/definitions/code"}) | {"definitions": {"code": {"type": "integer"}}}

    assert read_arguments('{"a": 5}', schema) == {"a": 5}
    assert failure('{"a": "5"}', schema).code == "invalid_arguments"


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/schema",
        "HTTPS://127.0.0.1:9/schema",
        "file:///etc/hostname",
        "ftp://127.0.0.1:9/schema",
        "data:application/json,{}",
        "other.json",
    ],
)
def test_a_reference_to_another_document_is_not_followed(reference: str):
    with (
        patch("urllib.request.urlopen", side_effect=AssertionError("it was followed")) as door,
        pytest.raises(ValueError, match="no JSON Schema"),
    ):
        compiled(of({"$ref": reference}))

    door.assert_not_called()


@pytest.mark.parametrize("schema", [of({"pattern": "("}), of({"type": "colour"}), {"type": 5}])
def test_a_schema_that_is_none_is_named_as_such(schema: dict[str, Any]):
    with pytest.raises(ValueError, match="no JSON Schema"):
        compiled(schema)


def test_a_bad_schema_is_a_failure_that_the_model_cannot_mend():
    error = failure('{"a": "x"}', of({"pattern": "("}))

    assert (error.code, error.message) == ("failed", BROKEN)


def test_a_schema_is_compiled_once():
    assert compiled(of({"type": "string"})) is compiled(of({"type": "string"}))
