import asyncio
import logging
import ssl
import sys
import zlib
from collections.abc import Awaitable, Callable
from subprocess import run
from typing import TypeVar

import pytest

from service.tools.http_client import Answer, HttpClient, Request, Unreachable
from service.tools.port import ToolError
from service.tools.urls import Place
from tests.tools.web import (
    Behaviour,
    Web,
    drop,
    endless,
    hang,
    json_reply,
    raw,
    reply,
    reset,
    stall,
    web,
)

T = TypeVar("T")


def to(server: Web, **changes: object) -> Request:
    place = Place("http", "127.0.0.1", server.port)
    fields = {"method": "GET", "place": place, "target": "/", "allow_private": True, **changes}
    return Request(**fields)  # type: ignore[arg-type]


def ask(*script: Behaviour, **changes: object) -> tuple[Answer, Web]:
    async def scenario(server: Web, client: HttpClient) -> Answer:
        return await client.send(to(server, **changes))

    return served(scenario, *script)


def served(
    scenario: Callable[[Web, HttpClient], Awaitable[T]], *script: Behaviour
) -> tuple[T, Web]:
    async def whole() -> tuple[T, Web]:
        client = HttpClient()
        async with asyncio.timeout(20), web(*script) as server:
            try:
                return await scenario(server, client), server
            finally:
                await client.aclose()
                await server.left()

    return asyncio.run(whole())


def test_the_answer_comes_back_with_its_body():
    answer, server = ask(json_reply({"a": 1}))

    assert answer == Answer(200, b'{"a": 1}')
    assert server.requests[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
    }


def test_a_body_is_sent_with_its_length():
    _, server = ask(
        json_reply(1), method="POST", target="/x?y=1", headers={"X-Key": "k"}, body=b"{}"
    )

    (received,) = server.requests
    assert (received.method, received.target, received.body) == ("POST", "/x?y=1", b"{}")
    assert received.headers["x-key"] == "k"
    assert received.headers["content-length"] == "2"


def test_connections_are_used_again():
    async def scenario(server: Web, client: HttpClient) -> None:
        for _ in range(3):
            await client.send(to(server))

    _, server = served(scenario, json_reply(1))

    assert (server.accepted, len(server.requests)) == (1, 3)


def test_cookies_of_one_request_are_not_sent_with_another():
    async def scenario(server: Web, client: HttpClient) -> None:
        await client.send(to(server))
        await client.send(to(server))

    _, server = served(scenario, reply(b"1", headers={"Set-Cookie": "session=of-one-caller"}))

    assert "cookie" not in server.requests[1].headers


def test_redirects_are_answers_not_orders():
    answer, server = ask(reply(status=302, headers={"Location": "/elsewhere"}))

    assert (answer.status, answer.is_ok, len(server.requests)) == (302, False, 1)


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    answer, _ = ask(json_reply(1))

    assert answer.is_ok


def test_a_refusal_has_no_body_but_says_when_to_come_again():
    answer, _ = ask(reply(b"secret", status=429, headers={"Retry-After": " 3 "}))

    assert answer == Answer(429, b"", "3")


@pytest.mark.parametrize(
    ("status", "code"),
    [(301, "failed"), (400, "failed"), (404, "not_found"), (410, "not_found"), (500, "failed")],
)
def test_a_refusal_becomes_an_error_by_its_status(status, code):
    with pytest.raises(ToolError) as refused:
        Answer(status).raise_for_status()

    assert refused.value.code == code


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_no_error(status):
    Answer(status).raise_for_status()


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (reply(b"x" * 101), "too_large"),
        (reply(b"{}", declared_bytes=10_000_000), "too_large"),
        (endless, "too_large"),
        (reply(b'{"secret": 1', declared_bytes=50), "bad_answer"),
        (
            reply(zlib.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"}),
            "bad_answer",
        ),
        (reply(b"x", headers={"Content-Encoding": "br"}), "bad_answer"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n"), "bad_answer"),
    ],
)
def test_a_body_that_cannot_be_used_is_an_error_that_does_not_quote_it(behaviour, code):
    with pytest.raises(ToolError) as refused:
        ask(behaviour, max_bytes=100)

    assert refused.value.code == code
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_body_of_the_greatest_size_is_taken():
    answer, _ = ask(reply(b"x" * 100), max_bytes=100)

    assert len(answer.body) == 100


def test_a_length_that_is_too_short_cuts_the_body():
    answer, _ = ask(reply(b'{"a": 1}', declared_bytes=4))

    assert answer.body == b'{"a"'


@pytest.mark.parametrize(
    "behaviour",
    [
        drop,
        reset,
        raw(b""),
        raw(b"secret nonsense\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ],
)
def test_a_server_that_gives_no_answer_is_unreachable(behaviour):
    with pytest.raises(Unreachable) as failed:
        ask(behaviour)

    assert "secret" not in str(failed.value)
    assert failed.value.__suppress_context__


def test_a_port_where_nobody_listens_is_unreachable():
    async def scenario(server: Web, client: HttpClient) -> None:
        await client.send(to(server, place=Place("http", "127.0.0.1", 1)))

    with pytest.raises(Unreachable):
        served(scenario)


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 64 + ".test", "a..test"])
def test_a_host_that_has_no_address_is_unreachable(host):
    async def no_addresses(host: str, port: int) -> list[str]:
        host.encode("idna")  # what the system's resolver does first
        raise OSError

    async def scenario() -> None:
        client = HttpClient(resolve=no_addresses)
        await client.send(Request(method="GET", place=Place("http", host, 80), target="/"))

    with pytest.raises(Unreachable):
        asyncio.run(scenario())


@pytest.mark.parametrize("behaviour", [hang, stall, reply(after_s=30), endless])
def test_a_cancelled_request_leaves_no_connection_behind(behaviour):
    async def scenario(server: Web, client: HttpClient) -> int:
        await client.send(to(server))
        running = asyncio.create_task(client.send(to(server, max_bytes=1 << 40)))
        while len(server.requests) < 2:
            await asyncio.sleep(0.005)
        running.cancel()
        await server.left()
        return server.accepted

    accepted, _ = served(scenario, json_reply(1), behaviour)

    assert accepted == 1


def test_after_closing_new_connections_are_opened():
    async def scenario(server: Web, client: HttpClient) -> None:
        await client.send(to(server))
        await client.aclose()
        await server.left()
        await client.send(to(server))

    _, server = served(scenario, json_reply(1))

    assert server.accepted == 2


def test_first_requests_at_once_make_one_transport():
    made = []

    def tls() -> ssl.SSLContext:
        made.append(1)
        return ssl.create_default_context()

    async def scenario() -> None:
        client = HttpClient(tls=tls)
        async with web(json_reply(1)) as server:
            await asyncio.gather(*(client.send(to(server)) for _ in range(5)))
            await client.aclose()

    asyncio.run(scenario())

    assert made == [1]


def test_the_library_logs_nothing_at_any_level(caplog):
    caplog.set_level(logging.DEBUG)

    ask(reply(b"1", headers={"Set-Cookie": "s3cret"}))

    assert [r for r in caplog.records if r.name.startswith("httpcore2")] == []


def test_requests_and_answers_do_not_show_what_they_hold():
    request = Request(
        method="POST",
        place=Place("https", "h.test", 443),
        target="/said",
        headers={"Authorization": "s3cret"},
        body=b"said",
    )

    assert "said" not in repr(request)
    assert "s3cret" not in repr(request)
    assert "said" not in repr(Answer(200, b"said"))


def test_the_library_is_not_imported_before_the_first_request():
    code = "import service.tools.http, service.tools.genesys_data_actions, sys;"
    code += "sys.exit('httpcore2' in sys.modules)"

    assert run([sys.executable, "-c", code], check=False).returncode == 0
