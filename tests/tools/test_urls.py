import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tools.port import ToolContext, ToolError
from service.tools.templates import Names, Scope, TemplateReader
from service.tools.urls import MAX_TARGET_CHARS, Place, UrlError, UrlTemplate, url_template

NAMES = Names(
    frozenset({"id", "q"}), frozenset(), {"BASE": "https://api.test/v1", "HOST": "h.test"}
)
CALL = ToolContext(call_id="c", session_id="s", conversation_id="v", bot_id="b")


def url(text: str) -> UrlTemplate:
    return url_template(TemplateReader(NAMES).read("url", text))


def target(text: str, query: dict[str, str] | None = None, **arguments: object) -> str:
    reader = TemplateReader(NAMES)
    templates = {name: reader.read("query", value) for name, value in (query or {}).items()}
    return url(text).target(Scope(arguments, CALL), templates)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://api.test", Place("https", "api.test", 443)),
        ("HTTP://API.Test:8080/x", Place("http", "api.test", 8080)),
        ("http://[::1]:90/x", Place("http", "[::1]", 90)),
        ("http://my_service?x=1", Place("http", "my_service", 80)),
        ("${BASE}/{{arguments.id}}", Place("https", "api.test", 443)),
        ("https://${HOST}:1/", Place("https", "h.test", 1)),
    ],
)
def test_the_place_is_fixed(text, place):
    assert url(text).place == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/path",
        "api.test/x",
        "ftp://api.test/",
        "file:///etc/passwd",
        "https://user:pass@api.test/",
        "https://{{arguments.id}}/",
        "https://{{arguments.id}}.test/",
        "https://api.test{{arguments.id}}",
        "https://api.test:{{arguments.id}}/",
        "{{arguments.id}}://api.test/",
        "{{arguments.id}}",
        "https://api.test:0/",
        "https://api.test:70000/",
        "https://api.test/#part",
        "https://api.test/{{arguments.id}}#part",
        "https://api.test/a b",
        "https://api.test/\r\nX: y",
        "https://müller.test/",
        "https:// api.test/",
        "https://api.test\\@evil.test/",
    ],
)
def test_another_address_is_refused_without_being_quoted(text):
    with pytest.raises(UrlError) as refused:
        url(text)

    assert "api.test" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("https://h", "-", "/"),
        ("https://h?x={{arguments.id}}", "1", "/?x=1"),
        ("https://h/a/{{arguments.id}}/b", 42, "/a/42/b"),
        ("https://h/{{arguments.id}}", "a b&c?d#e", "/a%20b%26c%3Fd%23e"),
        ("https://h/{{arguments.id}}", "2026/17", "/2026%2F17"),
        ("https://h/{{arguments.id}}", "%2e%2e", "/%252e%252e"),
        ("https://h/{{arguments.id}}", "٣٤", "/%D9%A3%D9%A4"),
        ("https://h/{{arguments.id}}", "...", "/..."),
        ("https://h/?x={{arguments.id}}", "../a&admin=1#", "/?x=..%2Fa%26admin%3D1%23"),
        ("https://h/?x={{arguments.id}}", "a\r\nHost: evil", "/?x=a%0D%0AHost%3A%20evil"),
        ("https://h/é%20/x?ü", "", "/%C3%A9%20/x?%C3%BC"),
    ],
)
def test_a_value_stays_in_its_place(text, value, expected):
    assert target(text, id=value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../admin",
        "a/../b",
        "..\\admin",
        "..;/admin",
        "a\r\nb",
        "a\x00",
        "\ud800",
        None,
    ],
)
def test_a_value_that_could_lead_elsewhere_is_refused_in_the_path(value):
    with pytest.raises(ToolError, match="invalid_arguments: id"):
        target("https://h/a/{{arguments.id}}", id=value)


def test_an_absent_value_is_refused_in_the_path():
    with pytest.raises(ToolError, match="invalid_arguments: id must not be empty"):
        target("https://h/a/{{arguments.id}}")


def test_query_members_without_a_value_are_left_out():
    query = {"q": "{{arguments.q}}", "id": "{{arguments.id}}", "fixed name": "x&y"}

    assert target("https://h/a?z=1", query, id=3) == "/a?z=1&id=3&fixed%20name=x%26y"


def test_a_query_value_with_half_a_character_is_refused():
    with pytest.raises(ToolError, match="invalid_arguments: q is not valid text"):
        target("https://h/", {"q": "{{arguments.q}}"}, q="\udc00")


def test_a_target_has_a_greatest_length():
    with pytest.raises(ToolError, match="invalid_arguments: The arguments are too long"):
        target("https://h/{{arguments.id}}", id="9" * MAX_TARGET_CHARS)


@given(st.text(max_size=40))
def test_no_value_adds_a_segment_or_a_parameter(value):
    try:
        result = target("https://h/a/{{arguments.id}}/b?q=1", id=value)
    except ToolError:
        return

    assert result.isascii()
    path, _, query = result.partition("?")
    assert path.count("/") == 3
    assert query == "q=1"
    assert "#" not in result
