import pytest

from service.tools.redaction import PATH, redacted


@pytest.mark.parametrize(
    ("paths", "value", "left"),
    [
        ([], {"a": 1}, {"a": 1}),
        (["a"], {"a": 1, "b": 2}, {"b": 2}),
        (["a.b"], {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        (["a.b.c"], {"a": {"b": 5}}, {"a": {"b": 5}}),
        (["missing.field"], {"a": 1}, {"a": 1}),
        (
            ["items.*.ssn"],
            {"items": [{"ssn": 1, "x": 2}, {"x": 3}]},
            {"items": [{"x": 2}, {"x": 3}]},
        ),
        (["items.ssn"], {"items": [{"ssn": 1, "x": 2}]}, {"items": [{"x": 2}]}),
        (["ssn"], [{"ssn": 1}, {"x": 2}], [{}, {"x": 2}]),
        (["ssn"], [[{"ssn": 1}]], [[{}]]),
        (["a.*"], {"a": {"b": 1, "c": 2}}, {"a": {}}),
        (["a.*"], {"a": [1, 2]}, {"a": []}),
        (["*.ssn"], {"a": {"ssn": 1, "x": 1}, "b": {"ssn": 2}}, {"a": {"x": 1}, "b": {}}),
        (["a", "b"], {"a": 1, "b": 2, "c": 3}, {"c": 3}),
        (["a"], "text", "text"),
        (["a"], None, None),
    ],
)
def test_named_fields_are_gone(paths, value, left):
    assert redacted(value, paths) == left


def test_the_answer_itself_is_not_changed():
    value = {"a": {"b": 1}}

    redacted(value, ["a.b"])

    assert value == {"a": {"b": 1}}


@pytest.mark.parametrize("path", ["a", "a.b", "items.*.ssn", "*", "last-name", "straße"])
def test_dotted_names_are_paths(path):
    assert PATH.fullmatch(path)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a b", "a*", "a.b*"])
def test_other_texts_are_no_paths(path):
    assert not PATH.fullmatch(path)
