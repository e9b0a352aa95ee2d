import pytest

from service.tools.port import ToolContext, ToolError
from service.tools.templates import Names, Scope, TemplateReader, filled_tree

NAMES = Names(
    arguments=frozenset({"id", "name", "flag", "items", "count", "price", "gone"}),
    inputs=frozenset({"tier", "Customer.Id"}),
    values={"TOKEN": "s3cret", "EMPTY": "", "TRICKY": "{{arguments.id}} ${TOKEN}"},
)
SCOPE = Scope(
    {"id": 7, "name": "Ann", "flag": True, "items": [1, {"a": None}], "count": None, "price": 1.5},
    ToolContext(
        call_id="c1", session_id="s1", conversation_id="v1", bot_id="bank", inputs={"tier": "gold"}
    ),
)


def filled(text: str) -> str | None:
    reader = TemplateReader(NAMES)
    template = reader.read("key", text)
    assert reader.problems == []
    return template.filled(SCOPE)


def problems(text: str) -> list[tuple[str, str]]:
    reader = TemplateReader(NAMES)
    reader.read("key", text)
    return reader.problems


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{arguments.id}}", "7"),
        ("{{ arguments.name }}!", "Ann!"),
        ("{{arguments.flag}}/{{arguments.price}}", "true/1.5"),
        ("{{inputs.tier}}", "gold"),
        ("{{call.session_id}} {{call.conversation_id}} {{call.call_id}}", "s1 v1 c1"),
        ("Bearer ${TOKEN}", "Bearer s3cret"),
        ("${MISSING:-https://host:1/x}", "https://host:1/x"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-used}", "used"),
        ("a $5 {b}", "a $5 {b}"),
    ],
)
def test_a_template_is_filled(text, result):
    assert filled(text) == result


@pytest.mark.parametrize(
    "text",
    ["{{arguments.gone}}", "{{arguments.count}}", "{{inputs.Customer.Id}}", "{{call.language}}"],
)
def test_a_missing_value_is_none_alone_and_empty_among_others(text):
    assert filled(text) is None
    assert filled(f"<{text}>") == "<>"


def test_a_value_is_never_read_as_a_template_again():
    assert filled("${TRICKY}") == "{{arguments.id}} ${TOKEN}"


@pytest.mark.parametrize(
    ("text", "expectation"),
    [
        ("${MISSING}", "a value for MISSING"),
        ("${EMPTY}", "a value for EMPTY"),
        ("{{ ${TOKEN} }}", "placeholders in the form"),
        ("${not a name}", "placeholders in the form"),
        ("${TOKEN", "placeholders in the form"),
        ("{{arguments.id", "placeholders in the form"),
        ("{{id}}", "placeholders in the form"),
        ("{{env.TOKEN}}", "placeholders in the form"),
        ("{{arguments.other}}", "{{arguments.other}} to be declared"),
        ("{{inputs.other}}", "{{inputs.other}} to be declared"),
        ("{{call.inputs}}", "{{call.inputs}} to be declared"),
        ("{{call.__class__}}", "{{call.__class__}} to be declared"),
    ],
)
def test_a_wrong_placeholder_is_told_by_name(text, expectation):
    ((key, expected),) = problems(text)

    assert key == "key"
    assert expectation in expected
    assert "s3cret" not in expected


def test_all_problems_of_a_text_are_told():
    assert len(problems("${A} {{arguments.b}} {{c}}")) == 3


def test_a_list_within_a_text_is_refused():
    with pytest.raises(ToolError, match="invalid_arguments: items must be a single value"):
        filled("all: {{arguments.items}}")


def test_secrets_are_not_in_the_representation():
    reader = TemplateReader(NAMES)

    assert "s3cret" not in repr(reader.read("key", "Bearer ${TOKEN}"))
    assert "s3cret" not in repr(NAMES)
    assert "Ann" not in repr(SCOPE)


def test_a_tree_keeps_types_and_leaves_out_what_is_absent():
    reader = TemplateReader(NAMES)
    tree = reader.read_tree(
        "body",
        {
            "id": "{{arguments.id}}",
            "items": "{{arguments.items}}",
            "count": "{{arguments.count}}",
            "gone": "{{arguments.gone}}",
            "text": "no. {{arguments.id}}",
            "fixed": [1, 2.5, False, "{{arguments.gone}}", {"deep": "{{inputs.tier}}"}],
        },
    )

    assert reader.problems == []
    assert filled_tree(tree, SCOPE) == {
        "id": 7,
        "items": [1, {"a": None}],
        "count": None,
        "text": "no. 7",
        "fixed": [1, 2.5, False, {"deep": "gold"}],
    }


def test_a_body_whose_only_value_is_absent_is_null():
    tree = TemplateReader(NAMES).read_tree("body", "{{arguments.gone}}")

    assert filled_tree(tree, SCOPE) is None


def test_problems_in_a_tree_carry_their_place():
    reader = TemplateReader(NAMES)

    reader.read_tree("body", {"a": [{"b": "{{wrong}}"}], "c": object()})

    assert [key for key, _ in reader.problems] == ["body.a[0].b", "body.c"]
