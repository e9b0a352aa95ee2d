import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from service.tools.http import HttpDeclaration, HttpKind
from service.tools.http_client import HttpClient
from service.tools.port import (
    DeclarationError,
    Surroundings,
    ToolContext,
    ToolDeclaration,
    ToolError,
    ToolKind,
)
from tests.tools.web import (
    Behaviour,
    Received,
    Web,
    drop,
    endless,
    hang,
    json_reply,
    raw,
    reply,
    web,
)

CALL = ToolContext(
    call_id="c1",
    session_id="s1",
    conversation_id="v1",
    bot_id="bank",
    language="de",
    inputs={"tier": "gold"},
)
PARAMETERS = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "note": {"type": "string"}},
}
ACCOUNT = {"account": {"balance": 12.5, "iban": "secret"}, "moves": [{"sum": 1}, {"sum": 2}]}


def declared(**keys: Any) -> HttpDeclaration:
    table = {
        "kind": "http",
        "name": "look_up",
        "url": "http://127.0.0.1/",
        "allow_private": True,
        "parameters": PARAMETERS,
        **keys,
    }
    return msgspec.convert(table, HttpDeclaration)


def around(*hosts: str, **values: str) -> Surroundings:
    return Surroundings(
        input_names=frozenset({"tier"}), allowed_hosts=hosts or ("127.0.0.1",), values=values
    )


def problems(*hosts: str, **keys: Any) -> list[tuple[str, str]]:
    with pytest.raises(DeclarationError) as refused:
        HttpKind().make(declared(**keys), around(*hosts, SECRET="s3cret"))
    assert "s3cret" not in str(refused.value)
    return refused.value.problems


class Bench:
    """Runs a tool against a server, without waiting between tries."""

    def __init__(self, *script: Behaviour) -> None:
        self.script = script
        self.pauses: list[float] = []
        self.requests: list[Received] = []

    def run(self, arguments: dict[str, Any] | None = None, **keys: Any) -> object:
        return asyncio.run(self._run(arguments or {}, keys))

    async def _run(self, arguments: dict[str, Any], keys: dict[str, Any]) -> object:
        kind = HttpKind(pause=self._pause)
        async with web(*self.script) as server:
            path = keys.pop("path", "/")
            tool = kind.make(declared(url=server.url + path, **keys), around(SECRET="s3cret"))
            try:
                async with asyncio.timeout(tool.timeout_s):
                    return await tool.run(arguments, CALL)
            finally:
                await kind.aclose()
                await server.left()
                self.requests = server.requests

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def fails(self, **keys: Any) -> ToolError:
        with pytest.raises(ToolError) as failed:
            self.run(**keys)
        assert "secret" not in str(failed.value)
        return failed.value


def test_the_kind_has_the_shape_of_one():
    kind: ToolKind = HttpKind()

    assert issubclass(kind.declaration, ToolDeclaration)


def test_the_common_keys_reach_the_tool():
    keys = {"timeout_s": 3.0, "announce_after_s": 1.0, "max_calls": 5, "fill": {"pin": "pin"}}
    tool = HttpKind().make(declared(description="Looks up.", **keys), around())

    assert (tool.name, tool.description, tool.parameters) == ("look_up", "Looks up.", PARAMETERS)
    assert {key: getattr(tool, key) for key in keys} == keys
    assert tool.fetch_parameters is None


def test_a_tool_without_parameters_takes_none():
    tool = HttpKind().make(declared(parameters=None), around())

    assert tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_request_is_made_of_all_that_it_may_refer_to():
    bench = Bench(json_reply(ACCOUNT))

    result = bench.run(
        {"id": "a b", "pin": "1234"},
        method="PUT",
        path="/${VERSION:-v1}/accounts/{{arguments.id}}?tier={{inputs.tier}}",
        fill={"pin": "pin"},
        headers={"Authorization": "Bearer ${SECRET}", "X-Call": "{{call.session_id}}"},
        query={"lang": "{{call.language}}", "full": True, "limit": 5},
        body={"pin": "{{arguments.pin}}", "note": "{{arguments.note}}"},
    )

    (request,) = bench.requests
    assert request.method == "PUT"
    assert request.target == "/v1/accounts/a%20b?tier=gold&lang=de&full=true&limit=5"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["x-call"] == "s1"
    assert request.json == {"pin": "1234"}
    assert result == ACCOUNT


@pytest.mark.parametrize(
    ("expression", "narrowed"),
    [
        ("", ACCOUNT),
        ("account.balance", 12.5),
        ("moves[].sum", [1, 2]),
        ("{balance: account.balance, last: moves[-1].sum}", {"balance": 12.5, "last": 2}),
        ("account.unknown", None),
    ],
)
def test_the_model_sees_what_the_expression_picks(expression, narrowed):
    assert Bench(json_reply(ACCOUNT)).run(result=expression) == narrowed


def test_a_large_answer_is_narrowed_too():
    rows = [{"n": n, "text": "x" * 50} for n in range(2_000)]

    assert Bench(json_reply(rows)).run(max_bytes=1 << 20, result="[-1].n") == 1_999


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_without_a_body_is_null(status):
    assert Bench(reply(status=status)).run() is None


@pytest.mark.parametrize(
    ("behaviour", "code", "keys"),
    [
        (reply(b"<html>secret"), "bad_answer", {}),
        (reply(b'"\xffsecret"'), "bad_answer", {}),
        (reply(b"[" * 5_000), "bad_answer", {}),
        (reply(b'{"secret": "cut', declared_bytes=400), "bad_answer", {}),
        (reply(b'{"secret": 1}', declared_bytes=6), "bad_answer", {}),
        (json_reply({"secret": "text"}), "bad_answer", {"result": "sum(secret)"}),
        (json_reply("secret" * 20_000), "too_large", {}),
        (json_reply(["secret"]), "too_large", {"max_bytes": 4}),
        (endless, "too_large", {}),
        (json_reply("secret", status=404), "not_found", {}),
        (json_reply("secret", status=500), "failed", {}),
        (json_reply("secret", status=302), "failed", {}),
        (raw(b"secret\r\n\r\n"), "failed", {}),
        (drop, "failed", {}),
    ],
)
def test_what_a_server_does_wrong_becomes_an_error_without_its_words(behaviour, code, keys):
    assert Bench(behaviour).fails(**keys).code == code


def test_a_server_that_hangs_is_left_at_the_deadline():
    with pytest.raises(TimeoutError):
        Bench(hang).run(timeout_s=0.2)


def test_a_slow_server_has_until_the_deadline():
    assert Bench(json_reply(1, after_s=0.1)).run(timeout_s=10.0) == 1


@pytest.mark.parametrize("value", ["../admin", "..", "", "a/../../b", "x\r\nY: z"])
def test_an_argument_cannot_lead_to_another_path(value):
    bench = Bench(json_reply(1))

    failed = bench.fails(arguments={"id": value}, path="/users/{{arguments.id}}")

    assert failed.code == "invalid_arguments"
    assert bench.requests == []


def test_an_argument_cannot_add_parameters_or_headers():
    bench = Bench(json_reply(1))

    bench.run(
        {"id": "1?admin=1#&x", "note": "1&admin=1"}, path="/u/{{arguments.id}}?n={{arguments.note}}"
    )

    assert bench.requests[0].target == "/u/1%3Fadmin%3D1%23%26x?n=1%26admin%3D1"


BUSY = reply(status=503)
GOOD = json_reply("good")


@pytest.mark.parametrize(
    ("method", "keys", "requests"),
    [
        ("GET", {}, 2),
        ("PUT", {}, 2),
        ("DELETE", {}, 2),
        ("GET", {"retries": 0}, 1),
        ("GET", {"retries": 3}, 4),
        ("POST", {}, 1),
        ("PATCH", {"retries": 3}, 1),
        ("POST", {"retries": 2, "idempotency_header": "Idempotency-Key"}, 3),
        ("PATCH", {"idempotency_header": "Idempotency-Key"}, 2),
    ],
)
@pytest.mark.parametrize("behaviour", [BUSY, reply(status=502), reply(status=504), drop])
def test_only_what_does_no_harm_twice_is_tried_again(method, keys, requests, behaviour):
    bench = Bench(behaviour)

    failed = bench.fails(method=method, **keys)

    assert failed.code == "failed"
    assert len(bench.requests) == requests
    assert len(bench.pauses) == requests - 1


@pytest.mark.parametrize("first", [BUSY, drop])
def test_a_second_try_that_works_is_the_answer(first):
    assert Bench(first, GOOD).run() == "good"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
def test_other_refusals_are_not_tried_again(status):
    bench = Bench(reply(status=status))

    bench.fails()

    assert len(bench.requests) == 1


def test_each_try_carries_the_same_key():
    bench = Bench(drop, BUSY, GOOD)

    bench.run(method="POST", retries=2, idempotency_header="Idempotency-Key")

    keys = {request.headers["idempotency-key"] for request in bench.requests}
    assert len(bench.requests) == 3
    assert len(keys) == 1


def test_pauses_are_short_and_grow():
    bench = Bench(BUSY)

    bench.fails(retries=3)

    first, second, third = bench.pauses
    assert 0.1 <= first <= 0.2
    assert 0.2 <= second <= 0.4
    assert 0.3 <= third <= 0.6


def test_a_host_with_a_private_address_is_refused():
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.8"]

    async def scenario() -> None:
        kind = HttpKind(HttpClient(resolve=resolve))
        tool = kind.make(declared(url="https://api.test/", allow_private=False), around("api.test"))
        await tool.run({}, CALL)

    with pytest.raises(ToolError, match="refused"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://[::1]:9/", "http://2130706433/", "http://0x7f.1/"]
)
def test_an_address_of_this_machine_is_refused_however_it_is_written(url):
    async def scenario() -> None:
        tool = HttpKind().make(
            declared(url=url, allow_private=False),
            around("127.0.0.1", "[::1]", "2130706433", "0x7f.1"),
        )
        await tool.run({}, CALL)

    with pytest.raises(ToolError, match="refused"):
        asyncio.run(scenario())


def test_a_cancelled_tool_leaves_no_connection_behind():
    async def scenario(server: Web) -> None:
        kind = HttpKind()
        tool = kind.make(declared(url=server.url), around())
        running = asyncio.gather(tool.run({}, CALL), return_exceptions=True)
        while not server.requests:
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await server.left()
        await kind.aclose()

    async def whole() -> None:
        async with asyncio.timeout(10), web(hang) as server:
            await scenario(server)

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("keys", "key", "expectation"),
    [
        ({"url": "ftp://127.0.0.1/"}, "url", "http(s)://host"),
        ({"url": "http://{{arguments.id}}/"}, "url", "fixed"),
        ({"url": "http://other.test/"}, "url", "a host that is allowed"),
        ({"url": "http://127.0.0.1.evil.test/"}, "url", "a host that is allowed"),
        ({"url": "http://127.0.0.1/${NONE}"}, "url", "a value for NONE"),
        ({"url": "http://127.0.0.1/{{arguments.other}}"}, "url", "to be declared"),
        ({"headers": {"Host": "x"}}, "headers.Host", "a header that a tool may set"),
        ({"headers": {"X": "${SECRET}\n"}}, "headers.X", "without line breaks"),
        ({"headers": {"X": "{{inputs.other}}"}}, "headers.X", "to be declared"),
        ({"query": {"q": "{{wrong}}"}}, "query.q", "placeholders in the form"),
        ({"body": {"a": 1}}, "body", "no body with this method"),
        ({"method": "POST", "body": {"a": "${NONE}"}}, "body.a", "a value for NONE"),
        ({"result": "a.[b"}, "result", "a JMESPath expression"),
        ({"result": "unknown("}, "result", "a JMESPath expression"),
        ({"idempotency_header": "a b"}, "idempotency_header", "a header that a tool may set"),
    ],
)
def test_a_wrong_declaration_is_told_by_key(keys, key, expectation):
    ((told, expected),) = problems(**keys)

    assert told == key
    assert expectation in expected


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"url": "http://127.0.0.1/accounts/{{arguments.pin}}"}, "url"),
        ({"url": "http://127.0.0.1/?pin={{arguments.pin}}"}, "url"),
        ({"query": {"pin": "{{arguments.pin}}"}}, "query.pin"),
        ({"query": {"all": "{{arguments.id}} {{arguments.pin}}"}}, "query.all"),
    ],
)
def test_digits_that_are_sensitive_stand_in_no_address(keys, key):
    fill = {"pin": "secret_number", "id": "plain_number"}
    surroundings = replace(around(), sensitive_fields=frozenset({"secret_number"}))

    with pytest.raises(DeclarationError) as refused:
        HttpKind().make(declared(fill=fill, **keys), surroundings)

    expected = "no digits that are sensitive (pin), because addresses are logged"
    assert refused.value.problems == [(key, f"{expected}: put them in the body")]


def test_digits_that_are_sensitive_may_stand_in_the_body_and_others_anywhere():
    keys = {
        "method": "POST",
        "url": "http://127.0.0.1/{{arguments.day}}",
        "headers": {"X-Pin": "{{arguments.pin}}"},
        "body": {"pin": "{{arguments.pin}}"},
        "fill": {"pin": "secret_number", "day": "plain_number"},
    }
    surroundings = replace(around(), sensitive_fields=frozenset({"secret_number"}))

    assert HttpKind().make(declared(**keys), surroundings).fill == keys["fill"]


def test_all_problems_are_told_at_once():
    found = problems(url="http://other.test/", result="(", query={"q": "${NONE}"}, body=1)

    assert [key for key, _ in found] == ["url", "body", "query.q", "result"]


@pytest.mark.parametrize(
    "keys",
    [
        {"method": "TRACE"},
        {"max_bytes": 0},
        {"max_bytes": (1 << 20) + 1},
        {"retries": 4},
        {"retries": -1},
        {"url": ""},
        {"unknown": 1},
        {"query": {"q": ["list"]}},
    ],
)
def test_values_out_of_bounds_do_not_fit_the_form(keys):
    with pytest.raises(msgspec.ValidationError):
        declared(**keys)
