import base64
import binascii
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.secrets.keys import parse_client_secrets, parse_vendor_key, parse_versions
from service.secrets.port import MAX_SECRETS_PER_KEY, SecretsError

SECRET_BASE64 = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(SecretsError) as refused:
        parse_client_secrets(text)
    return refused.value.problems


def problem_of_value(value: object) -> str:
    (problem,) = problems_of(json.dumps({"long-enough-key": value}))
    return problem


@pytest.mark.parametrize("length", range(1, 34))
def test_secret_is_decoded_with_and_without_padding(length):
    secret = bytes(range(255, 255 - length, -1))
    padded = base64.b64encode(secret).decode()

    for text in (padded, padded.rstrip("=")):
        assert parse_client_secrets(json.dumps({"key": text})).of("key") == (secret,)


def test_empty_object_knows_no_key():
    assert parse_client_secrets(" {} ").of("key") == ()


def test_eight_secrets_are_allowed():
    assert len(parse_client_secrets(json.dumps({"key": [SECRET_BASE64] * 8})).of("key")) == 8


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("", "use null"),
        ([SECRET_BASE64, ""], "use null"),
        ("not base64!", "not base64"),
        ("TXlT=", "not base64"),
        ("TXlTd", "not base64"),
        ("TXlT\n", "not base64"),
        ("TXl_", "not base64"),
        ("====", "not base64"),
        (1, "must be a string"),
        (True, "must be a string"),
        ({"a": "b"}, "must be a string"),
        ([None], "must be a string"),
        ([[SECRET_BASE64]], "must be a string"),
        ([], "found 0"),
        ([SECRET_BASE64] * 9, "found 9"),
    ],
)
def test_unusable_value_is_a_problem(value, word):
    assert word in problem_of_value(value)


@pytest.mark.parametrize(
    "key", ["", "with space", "with.dot", "key===", "=", "k\u00e9y", "key\n", "a" * 513]
)
def test_unusable_key_is_a_problem(key):
    (problem,) = problems_of(json.dumps({key: SECRET_BASE64}))

    assert "the API key may have" in problem


def test_repeated_key_is_a_problem_of_both_entries():
    problems = problems_of(f'{{"key": "{SECRET_BASE64}", "other": null, "key": null}}')

    assert [problem.split(" (")[0] for problem in problems] == ["entry 1", "entry 3"]


def test_every_problem_is_reported_at_once():
    problems = problems_of('{"good-key": null, "a bad key, really": "", "long-enough": [1, "!"]}')

    assert len(problems) == 4
    assert [problem[:7] for problem in problems] == ["entry 2", "entry 2", "entry 3", "entry 3"]


def test_problem_names_its_key_masked():
    assert problem_of_value("").startswith("entry 1 (long…): ")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "line 1, column 1"),
        ("{\n 'a'", "line 2, column 2"),
        ("[]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ('"text"', "expected a JSON object"),
        ("[" * 100_000, "not JSON"),
        (f'{{"key": {"9" * 5000}}}', "not JSON"),
    ],
)
def test_text_of_another_form_is_one_problem(text, word):
    (problem,) = problems_of(text)

    assert word in problem


@pytest.mark.parametrize(
    "text",
    [
        f'{{"key": "{SECRET_BASE64}"',
        f'{{"key": "{SECRET_BASE64}!"}}',
        f'{{"key": ["{SECRET_BASE64}!", 1]}}',
        f'{{"key": {{"a": "{SECRET_BASE64}"}}}}',
        f'"{SECRET_BASE64}"',
    ],
)
def test_neither_error_nor_its_causes_hold_a_secret(text):
    with pytest.raises(SecretsError) as refused:
        parse_client_secrets(text)

    assert SECRET_BASE64[:8] not in repr(refused.value) + str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_representation_shows_neither_keys_nor_secrets():
    shown = repr(parse_client_secrets(json.dumps({"the-key": SECRET_BASE64})))

    assert "the-key" not in shown
    assert "MySuper" not in shown


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(SECRET_BASE64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(text=st.text(max_size=60) | JSON_VALUES.map(json.dumps))
def test_any_text_is_credentials_or_a_secrets_error(text):
    try:
        parsed = parse_client_secrets(text)
    except SecretsError:
        return

    assert all(client_secrets for client_secrets in parsed.by_key.values())


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(text=st.text(alphabet="ABab01+/=_-\n", min_size=1, max_size=12))
def test_what_python_decodes_strictly_we_decode_alike(text):
    try:
        expected = base64.b64decode(text, validate=True)
    except binascii.Error:
        return

    if expected:
        assert parse_client_secrets(json.dumps({"key": text})).of("key") == (expected,)


# Versions side by side.


def test_older_version_adds_client_secrets_to_keys_that_have_some():
    merged = parse_versions(['{"key": "bmV3"}', '{"key": ["b2xk", "b2xkZXI="]}'])

    assert merged.of("key") == (b"new", b"old", b"older")


def test_same_client_secret_in_both_versions_is_tried_once():
    assert parse_versions(['{"key": "bmV3"}', '{"key": "bmV3"}']).of("key") == (b"new",)


def test_key_that_the_newest_version_lacks_is_gone():
    assert parse_versions(['{"key": "bmV3"}', '{"gone": "b2xk"}']).of("gone") == ()


@pytest.mark.parametrize(
    ("newest", "older", "merged"),
    [("null", '"b2xk"', (b"",)), ('"bmV3"', "null", (b"new",))],
)
def test_older_version_never_decides_whether_requests_are_signed(newest, older, merged):
    texts = [f'{{"key": {newest}}}', f'{{"key": {older}}}']

    assert parse_versions(texts).of("key") == merged


def test_merged_client_secrets_are_bounded():
    many = json.dumps({"key": [base64.b64encode(bytes([65 + n])).decode() for n in range(8)]})

    merged = parse_versions(['{"key": "bmV3"}', many]).of("key")

    assert (merged[:2], len(merged)) == ((b"new", b"A"), MAX_SECRETS_PER_KEY)


def test_older_version_that_is_not_readable_is_left_out():
    assert parse_versions(['{"key": "bmV3"}', "not JSON"]).of("key") == (b"new",)


def test_newest_version_that_is_not_readable_is_refused():
    with pytest.raises(SecretsError, match="not JSON"):
        parse_versions(["not JSON", '{"key": "bmV3"}'])


# The model's keys.


def test_keys_of_the_model_are_no_api_keys():
    found = parse_client_secrets('{"OPENAI_API_KEY": "sk-_", "AZURE_OPENAI_API_KEY": 1, "k": null}')

    assert set(found.by_key) == {"k"}


@pytest.mark.parametrize(
    "text",
    [
        "sk-model",
        " sk-model\n",
        '{"OPENAI_API_KEY": "sk-model"}',
        '{"a": 1, "OPENAI_API_KEY": "sk-model"}',
    ],
)
def test_key_of_the_model_is_the_text_or_a_member(text):
    assert parse_vendor_key([text, "sk-old"], "OPENAI_API_KEY") == "sk-model"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{",
        '{"OPENAI_API_KEY": ""}',
        '{"OPENAI_API_KEY": null}',
        "sk secret",
        "sk\nsecret",
        "sk-\xe9secret",
    ],
)
def test_other_texts_hold_no_key_of_the_model_and_are_not_shown(text):
    with pytest.raises(SecretsError) as refused:
        parse_vendor_key([text, "sk-old"], "OPENAI_API_KEY")

    assert "secret" not in str(refused.value)
