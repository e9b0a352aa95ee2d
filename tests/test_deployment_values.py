import pytest

from service.deployment_values import expand

VALUES = {"HOST": "h", "EMPTY": "", "TRICK": "${HOST} {{arguments.id}}", "TOKEN": "s3cret"}
FORM = "placeholders in the form ${NAME} or ${NAME:-default}"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("", ""),
        ("https://${HOST}/x", "https://h/x"),
        ("${NONE:-d}${EMPTY:-e}${HOST:-f}", "deh"),
        ("${NONE:-https://host:1/x}", "https://host:1/x"),
        ("${NONE:-}", ""),
        ("${TRICK}", "${HOST} {{arguments.id}}"),
        ("$HOST {1} {{HOST}} $5", "$HOST {1} {{HOST}} $5"),
    ],
)
def test_values_are_put_in_once(text, expanded):
    found = expand(text, VALUES)

    assert (found.text, found.problems) == (expanded, ())


@pytest.mark.parametrize("name", ["NONE", "EMPTY"])
def test_a_value_that_is_absent_or_empty_is_named(name):
    found = expand(f"a ${{{name}}} b", VALUES)

    assert found.problems == (f"a value for {name}, which the deployment lacks",)


@pytest.mark.parametrize(
    "text", ["${", "${HOST", "a ${ b", "${}", "${1}", "${HOST-x}", "${ HOST }", "${a${HOST}"]
)
def test_a_brace_that_begins_no_placeholder_is_a_mistake(text):
    assert expand(text, VALUES).problems == (FORM,)


def test_all_problems_of_a_text_are_told():
    assert expand("${A} ${B} ${HOST} ${", VALUES).problems == (
        "a value for A, which the deployment lacks",
        "a value for B, which the deployment lacks",
        FORM,
    )


def test_what_is_the_texts_own_and_what_was_put_in_take_turns():
    assert expand("a${HOST}${NONE:-d}", VALUES).parts == ("a", "h", "", "d", "")


def test_no_value_is_in_the_representation():
    assert "s3cret" not in repr(expand("Bearer ${TOKEN}", VALUES))
