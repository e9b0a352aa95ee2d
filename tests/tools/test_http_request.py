import pytest

from service.tools.http_client import Request
from service.tools.http_request import (
    MAX_HEADER_CHARS,
    RequestTemplate,
    idempotency_key,
    is_header_name,
    read_headers,
    read_url,
)
from service.tools.port import ToolContext, ToolError
from service.tools.templates import Names, Scope, TemplateReader

CALL = ToolContext(call_id="c", session_id="s", conversation_id="v", bot_id="b")
NAMES = Names(
    frozenset({"id", "note"}), frozenset(), {"TOKEN": "s3cret", "BROKEN": "s3cret\n", "LONG": "x"}
)


def template(method: str = "POST", body: object = None, key: str = "", **headers: str):
    reader = TemplateReader(NAMES)
    url = read_url(reader, "https://api.test/{{arguments.id}}")
    assert url is not None
    made = RequestTemplate(
        method=method,
        url=url,
        headers=read_headers(reader, headers),
        query={},
        body=None if body is None else reader.read_tree("body", body),
        has_body=method != "GET",
        idempotency_header=key,
        max_bytes=10,
        allow_private=False,
    )
    assert reader.problems == []
    return made


def filled(made: RequestTemplate, call: ToolContext = CALL, **arguments: object) -> Request:
    return made.filled(Scope({"id": 1, **arguments}, call))


def test_without_a_template_the_arguments_are_the_body():
    request = filled(template(), note="x")

    assert request.body == b'{"id":1,"note":"x"}'
    assert request.headers["Content-Type"] == "application/json"


def test_a_template_is_the_body():
    assert filled(template(body={"n": ["{{arguments.note}}"]}), note="x").body == b'{"n":["x"]}'


def test_a_method_without_a_body_has_none():
    request = filled(template("GET"))

    assert request.body is None
    assert "Content-Type" not in request.headers


def test_own_headers_win_whatever_their_case_and_absent_ones_are_left_out():
    headers = filled(
        template(**{"accept": "text/json", "X-Note": "{{arguments.note}}", "Auth": "B ${TOKEN}"})
    ).headers

    assert headers == {
        "User-Agent": "audioconnector-bridge",
        "Content-Type": "application/json",
        "accept": "text/json",
        "Auth": "B s3cret",
    }


@pytest.mark.parametrize("note", ["a\r\nX-Admin: 1", "a\nb", "\x00", "Ann\u2028", "José", "٣"])
def test_a_header_value_of_another_kind_is_refused(note):
    with pytest.raises(ToolError, match="invalid_arguments: A value for X-Note"):
        filled(template(**{"X-Note": "{{arguments.note}}"}), note=note)


def test_a_header_value_has_a_greatest_length():
    with pytest.raises(ToolError, match="too long"):
        filled(template(**{"X-Note": "{{arguments.note}}"}), note="x" * (MAX_HEADER_CHARS + 1))


def test_the_key_is_the_same_for_each_try_and_another_for_each_call():
    keys = {
        idempotency_key(
            ToolContext(call_id=call_id, session_id=session_id, conversation_id="", bot_id="")
        )
        for call_id, session_id in [("a", "b"), ("a", "b"), ("b", "a"), ("ab", ""), ("a", "c")]
    }

    assert len(keys) == 4
    assert filled(template(key="Idempotency-Key")).headers["Idempotency-Key"] == idempotency_key(
        CALL
    )


@pytest.mark.parametrize("name", ["X-Key", "Authorization", "x_y", "Content-Type"])
def test_a_tool_may_set_a_header(name):
    assert is_header_name(name)


@pytest.mark.parametrize(
    "name", ["", "Host", "content-length", "Transfer-Encoding", "X Key", "X:Y", "X\r\nY", "ü"]
)
def test_a_tool_may_not_set_what_says_how_bytes_travel(name):
    reader = TemplateReader(NAMES)

    read_headers(reader, {name: "x"})

    assert [key for key, _ in reader.problems] == [f"headers.{name}"]


def test_a_secret_with_a_line_break_is_told_without_being_shown():
    reader = TemplateReader(NAMES)

    read_headers(reader, {"Authorization": "Bearer ${BROKEN}"})

    assert reader.problems == [("headers.Authorization", "printable ASCII, without line breaks")]


def test_an_address_with_problems_is_none_and_each_is_told_once():
    reader = TemplateReader(NAMES)

    assert read_url(reader, "https://api.test/${MISSING}") is None
    assert read_url(reader, "nowhere") is None
    assert [key for key, _ in reader.problems] == ["url", "url"]


def test_secrets_are_not_in_the_representation():
    assert "s3cret" not in repr(template(Auth="${TOKEN}", body={"k": "${TOKEN}"}))
