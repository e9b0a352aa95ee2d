import math
from datetime import date

import pytest

from service.tools.json_values import MAX_ARGUMENT_BYTES, MAX_DEPTH, checked, decoded, encoded
from service.tools.port import ToolError


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"", None), (b"null", None), (b' {"a": [1, 2.5, "\xc3\xa9"]}', {"a": [1, 2.5, "é"]})],
)
def test_json_is_decoded_and_nothing_is_null(body, value):
    assert decoded(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"<html>secret</html>",
        b'{"a": 1',
        b'{"a": 1} trailing',
        b"\xff\xfe",
        b'"\xff"',
        b"NaN",
        b"1e999",
        b"1" * 5_000,
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * 70 + b"1" + b"}" * 70,
    ],
)
def test_what_is_no_json_or_too_deep_is_a_bad_answer_that_is_not_quoted(body):
    with pytest.raises(ToolError) as refused:
        decoded(body)

    assert refused.value.code == "bad_answer"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "é", [], {"a": [{}]}, nested(MAX_DEPTH)])
def test_plain_json_passes(value):
    assert checked(value) is value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        b"bytes",
        (1, 2),
        {1, 2},
        {1: "key"},
        date(2026, 1, 1),
        object(),
        [object()],
        {"a": {"b": b""}},
        "\ud800",
        nested(MAX_DEPTH + 1),
    ],
)
def test_what_is_no_json_value_is_a_bad_answer(value):
    with pytest.raises(ToolError, match="bad_answer"):
        checked(value)


def test_a_result_has_a_greatest_size():
    with pytest.raises(ToolError, match="too_large"):
        checked("x" * (1 << 20))


@pytest.mark.parametrize("value", ["\ud800", nested(100_000), "x" * MAX_ARGUMENT_BYTES])
def test_arguments_that_cannot_be_sent_are_invalid(value):
    with pytest.raises(ToolError, match="invalid_arguments"):
        encoded({"a": value})
