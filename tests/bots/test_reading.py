from typing import Annotated, Any, Literal

import msgspec
import pytest

from service.bots.reading import Problems, parse_toml, read_table, shown


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0
    label: str


class Outer(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(max_length=5)]
    voice: str = "marin"
    level: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    is_open: bool = False
    mode: Literal["a", "b"] = "a"
    words: Annotated[list[str], msgspec.Meta(max_length=2)] = []
    pairs: dict[Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], int] = {}
    inner: Inner | None = None
    list_of: list[Inner] = []
    needed: Annotated[list[str], msgspec.Meta(min_length=1, max_length=3)] | None = None
    limit: Annotated[float, msgspec.Meta(ge=10, le=20)] | None = None
    anything: Any = None
    free: float = 0.0
    headers: dict[str, str] = {}
    spelled: str = msgspec.field(default="", name="as-written")


def read(text: str) -> tuple[Outer, list[str]]:
    problems = Problems()
    raw = parse_toml(f'name = "n"\n{text}'.encode(), problems)
    assert raw is not None
    return read_table(raw, Outer, problems), problems.lines


def test_values_are_taken_as_they_are_declared():
    table, problems = read(
        'level = 1\nlimit = 12\n"as-written" = "x"\nanything = [1, { a = true }]\n'
        'inner = { label = "l" }\npairs = { a = 1 }'
    )

    assert problems == []
    assert (table.level, table.limit, table.spelled) == (1.0, 12.0, "x")
    assert table.anything == [1, {"a": True}]
    assert table.inner == Inner(label="l")
    assert table.pairs == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('level = "high"', 'level: expected a number from 0 to 1, got "high"'),
        ("level = 2", "level: expected a number from 0 to 1, got 2"),
        ("level = nan", "level: expected a number from 0 to 1, got nan"),
        ("level = true", "level: expected a number from 0 to 1, got true"),
        ("free = nan", "free: expected a number, got nan"),
        ("limit = inf", "limit: expected a number from 10 to 20, got inf"),
        ("count = 0", "count: expected a whole number of at least 1, got 0"),
        ("count = 1.5", "count: expected a whole number of at least 1, got 1.5"),
        ("voice = 2026-11-22", "voice: expected a text, got a date or time"),
        ("voice = ['x']", "voice: expected a text, got a list"),
        ("is_open = 1", "is_open: expected true or false, got 1"),
        ("mode = 'c'", 'mode: expected one of "a", "b", got "c"'),
        ("voise = 'x'", "voise: no such key; did you mean voice?"),
        ("zzz = 'x'", "zzz: no such key"),
        ('"a b\\n" = 1', '"a b\\n": no such key'),
        ("words = 'x'", "words: expected a list of at most 2 entries, got \"x\""),
        ("words = ['a', 'b', 'c']", "words: expected a list of at most 2 entries, got 3"),
        ("words = ['a', 2]", "words.2: expected a text, got 2"),
        ("needed = []", "needed: expected a list of 1 to 3 entries, got 0"),
        ("pairs = { A = 1 }", "pairs.A: expected a text that matches ^[a-z]+$ as the key"),
        ("pairs = { a = 'x' }", 'pairs.a: expected a whole number, got "x"'),
        ("inner = 3", "inner: expected a table, got 3"),
        ("inner = { size = 0, label = 'l' }",
         "inner.size: expected a number above 0, at most 60, got 0"),
        ("inner = { size = 2 }", "inner.label: expected a text, got nothing"),
        ("[[list_of]]\nlabel = 'crm'\nsise = 1",
         "list_of.crm.sise: no such key; did you mean size?"),
        ("[[list_of]]\nsize = 1", "list_of.1.label: expected a text, got nothing"),
        ("headers = { Key = 12345 }", "headers.Key: expected a text, got a number"),
        ("[headers]\nKey = [1]", "headers.Key: expected a text, got a list"),
    ],
)  # fmt: skip
def test_a_mistake_names_key_and_expectation(text, problem):
    assert read(text)[1] == [problem]


def test_every_mistake_is_found_and_the_rest_is_read():
    table, problems = read("level = 7\ncount = 0\nmode = 'b'\n[inner]\nlabel = 1\nsize = 99")

    assert [line.partition(":")[0] for line in problems] == [
        "level", "count", "inner.size", "inner.label",
    ]  # fmt: skip
    assert table.mode == "b"


def test_what_is_missing_is_named():
    problems = Problems()

    read_table({}, Outer, problems)

    assert problems.lines == ["name: expected a text of at most 5 characters, got nothing"]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'a = "x"\nb = ', "Invalid value (at end of document)"),
        (b"a = 1\na = 2\n", "Cannot overwrite a value (at line 2, column 6)"),
        (b"a = \xff", "expected UTF-8, got other bytes"),
        (b"a = " + b"[" * 5_000, "expected a few levels of tables and lists, got too many"),
    ],
)
def test_what_is_no_toml_is_said_with_its_place(raw, problem):
    problems = Problems()

    assert parse_toml(raw, problems) is None
    assert problems.lines == [problem]


def test_byte_order_mark_is_no_mistake():
    assert parse_toml(b'\xef\xbb\xbfname = "x"', Problems()) == {"name": "x"}


def test_what_came_is_cut():
    assert len(shown("x" * 1_000)) == 80
    assert shown("line\nline") == '"line\\nline"'
