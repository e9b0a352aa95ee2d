"""Upgrade requests that must be refused, over a real socket. Numbers: specification, 17."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.emulators.genesys import CallSetup, GenesysCall, play_call
from service import server
from service.secrets.env import EnvSecrets
from tests.e2e.bridge import API_KEY, CLIENT_SECRET, Bridge, bridge, trapped_logs
from tests.e2e.raw_http import UPGRADE, Answer, Headers, ask, request, signed

VERSION, KEY = "Sec-WebSocket-Version", "Sec-WebSocket-Key"
LIMIT = "x" * 512


@dataclass(frozen=True, kw_only=True)
class Odd:
    """An upgrade request that differs from a good one in what is named here."""

    target: str = "/audiohook/default"
    method: str = "GET"
    is_upgrade: bool = True
    is_signed: bool = True
    api_key: str = API_KEY
    client_secret: str | None = CLIENT_SECRET
    without: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()

    def data(self, setup: CallSetup, port: int) -> bytes:
        headers: Headers = [*UPGRADE] if self.is_upgrade else []
        headers += signed(setup) if self.is_signed else []
        headers = [header for header in headers if header[0] not in self.without]
        headers += self.extra
        return request(self.target, headers, method=self.method, host=f"127.0.0.1:{port}")


OPEN_KEY = "open-key"
COMPONENTS = (
    '"@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id"'
    ' "audiohook-correlation-id" "x-api-key"'
)


def claim(components: str, *, created: int) -> str:
    """A `Signature-Input` of our own making."""
    parameters = f'keyid="{API_KEY}";nonce="{"n" * 24}";created={created};expires={created + 30}'
    return f"sig1=({components});{parameters}"


UNSIGNED = ("Signature", "Signature-Input")
ROWS: dict[str, tuple[Odd, int]] = {
    "1 plain GET": (Odd(is_upgrade=False), 426),
    "1 upgrade to something else": (
        Odd(is_upgrade=False, extra=(("Connection", "Upgrade"), ("Upgrade", "h2c"))),
        426,
    ),
    "2 POST": (Odd(is_upgrade=False, method="POST", extra=(("Content-Length", "0"),)), 405),
    "2 HEAD": (Odd(is_upgrade=False, method="HEAD"), 405),
    "2 POST with an upgrade": (Odd(method="POST"), 405),
    "2 POST with an upgrade and a body": (
        Odd(method="POST", extra=(("Content-Length", "3"),)),
        400,
    ),
    "2 GET with an upgrade and a body": (Odd(extra=(("Content-Length", "3"),)), 400),
    "2 GET with an upgrade and chunks": (Odd(extra=(("Transfer-Encoding", "chunked"),)), 400),
    "3 another path": (Odd(target="/elsewhere"), 404),
    "3 the root": (Odd(target="/"), 404),
    "4 bare": (Odd(target="/audiohook"), 101),
    "4 trailing slash": (Odd(target="/audiohook/"), 101),
    "4 with a query": (Odd(target="/audiohook?a=b%20c&d"), 101),
    "5 percent-encoded": (Odd(target="/audiohook/caf%C3%A9%20%2F%2e"), 101),
    "5 encoded bytes that are no text": (Odd(target="/audiohook/%FF%00"), 101),
    "5 two dots": (Odd(target="/audiohook/../livez"), 101),
    "5 without a slash": (Odd(target="/audiohookbank"), 101),
    "5 the longest id": (Odd(target=f"/audiohook/{LIMIT}"), 101),
    "5 too long an id": (Odd(target=f"/audiohook/{LIMIT}x"), 404),
    "5 an id of 4 kB": (Odd(target=f"/audiohook/{LIMIT * 8}"), 404),
    "5 a line too long for the library": (Odd(target=f"/audiohook/{LIMIT * 18}"), 414),
    "5 bytes that no path may have": (Odd(target="/audiohook/caf\xe9"), 400),
    "6 no key": (Odd(without=("X-API-KEY",)), 401),
    "7 unknown key": (Odd(without=("X-API-KEY", *UNSIGNED), extra=(("X-API-KEY", "who"),)), 401),
    "8 unsigned": (Odd(without=UNSIGNED), 401),
    "9 signed with a key that has no secret": (Odd(api_key=OPEN_KEY), 401),
    "10 half signed": (Odd(without=("Signature",)), 401),
    "11 not base64": (Odd(without=("Signature",), extra=(("Signature", "sig1=:%%:"),)), 401),
    "12 a component is missing": (
        Odd(
            without=("Signature-Input",),
            extra=(("Signature-Input", claim('"@request-target" "@authority"', created=1)),),
        ),
        401,
    ),
    "13 created in the future": (
        Odd(
            without=("Signature-Input",),
            extra=(("Signature-Input", claim(COMPONENTS, created=9_999_999_999)),),
        ),
        401,
    ),
    "15 signed for another path": (Odd(target="/audiohook/other"), 401),
    "16 two keys": (Odd(extra=(("X-API-KEY", API_KEY),)), 401),
    "16 a hundred signatures": (Odd(extra=(("Signature", "sig1=:AAAA:"),) * 100), 401),
    "16 two hundred headers": (Odd(extra=(("X-Extra", "v"),) * 200), 431),
    "16 a header of 9 kB": (Odd(extra=(("X-Extra", "v" * 9_000),)), 431),
    "16 headers of 64 kB": (Odd(extra=(("X-Extra", "v" * 1_000),) * 66), 431),
    "17 no session": (
        Odd(api_key=OPEN_KEY, client_secret=None, without=("Audiohook-Session-Id",)),
        400,
    ),
    "17 a session id that is none": (
        Odd(
            api_key=OPEN_KEY,
            client_secret=None,
            without=("Audiohook-Session-Id",),
            extra=(("Audiohook-Session-Id", "who"),),
        ),
        400,
    ),
    "18 no organization, unsigned": (
        Odd(api_key=OPEN_KEY, client_secret=None, without=("Audiohook-Organization-Id",)),
        400,
    ),
    "18 no organization": (Odd(without=("Audiohook-Organization-Id",)), 401),
    "22 another version": (Odd(without=(VERSION,), extra=((VERSION, "8"),)), 400),
    "22 no key": (Odd(without=(KEY,)), 400),
    "22 a short key": (Odd(without=(KEY,), extra=((KEY, "c2hvcnQ="),)), 400),
    "23 protocol and compression offered": (
        Odd(
            extra=(
                ("Sec-WebSocket-Protocol", "audiohook, chat"),
                ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            )
        ),
        101,
    ),
    "not HTTP headers at all": (Odd(is_signed=False, extra=(("no colon\r\nhere", ""),)), 400),
}


def signed_target(odd: Odd) -> str:
    """What the client signs: "15" asks for another path than it signed."""
    return "/audiohook/default" if odd.target == "/audiohook/other" else odd.target


async def refuse(running: Bridge, odd: Odd) -> Answer:
    url = f"ws://127.0.0.1:{running.port}{signed_target(odd)}"
    setup = running.setup(url=url, api_key=odd.api_key, client_secret=odd.client_secret)
    try:
        return await ask(running.port, odd.data(setup, running.port))
    except TimeoutError:
        return Answer(0)


@dataclass
class Outcome:
    answers: dict[str, Answer]
    troubles: list[str]
    connections_left: int


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    """All rows asked at once, and what they left behind."""

    async def ask_all() -> Outcome:
        keys = EnvSecrets(json.dumps({API_KEY: CLIENT_SECRET, OPEN_KEY: None}))
        async with bridge(secrets=keys) as running:
            answers = await asyncio.gather(*(refuse(running, odd) for odd, _ in ROWS.values()))
            await running.emptied()
            async with asyncio.timeout(5):
                while running.server.server_state.connections:
                    await asyncio.sleep(0.02)
            left = len(running.server.server_state.connections)
        return Outcome(dict(zip(ROWS, answers, strict=True)), [], left)

    with trapped_logs() as trap:
        result = asyncio.run(ask_all(), debug=False)
        result.troubles = trap.troubles()
    yield result


@pytest.mark.parametrize("row", ROWS)
def test_each_odd_upgrade_gets_its_status(outcome: Outcome, row: str):
    assert outcome.answers[row].status == ROWS[row][1]


def test_every_cause_of_401_gets_the_same_answer(outcome: Outcome):
    refused = [answer for answer in outcome.answers.values() if answer.status == 401]

    answers = {
        (answer.body, *sorted(item for item in answer.headers.items() if item[0] != "date"))
        for answer in refused
    }

    assert len(refused) >= 8
    assert len(answers) == 1


def test_no_401_comes_before_half_a_second(outcome: Outcome):
    refused = [answer for answer in outcome.answers.values() if answer.status == 401]

    assert min(answer.after_s for answer in refused) >= 0.49


def test_a_wrong_path_is_refused_at_once(outcome: Outcome):
    assert outcome.answers["3 another path"].after_s < 0.45


def test_plain_http_is_told_to_upgrade(outcome: Outcome):
    assert outcome.answers["1 plain GET"].headers["upgrade"] == "websocket"


def test_neither_protocol_nor_compression_is_selected(outcome: Outcome):
    headers = outcome.answers["23 protocol and compression offered"].headers

    assert "sec-websocket-protocol" not in headers
    assert "sec-websocket-extensions" not in headers


def test_no_refusal_is_an_error_of_ours(outcome: Outcome):
    assert outcome.troubles == []


def test_no_connection_is_left_open(outcome: Outcome):
    assert outcome.connections_left == 0


def test_a_replayed_upgrade_is_refused():
    async def scenario() -> list[int]:
        async with bridge() as running:
            data = Odd().data(running.setup(), running.port)
            return [(await ask(running.port, data)).status for _ in range(2)]

    assert asyncio.run(scenario(), debug=False) == [101, 401]


def test_a_good_upgrade_is_served_at_once_while_fifty_refusals_wait():
    async def scenario() -> tuple[Answer, list[Answer]]:
        async with bridge() as running, asyncio.TaskGroup() as group:
            bad = [group.create_task(refuse(running, Odd(without=UNSIGNED))) for _ in range(50)]
            await asyncio.sleep(0.15)
            good = await refuse(running, Odd())
            assert not any(task.done() for task in bad)
        return good, [task.result() for task in bad]

    good, bad = asyncio.run(scenario(), debug=False)

    assert good.status == 101
    assert good.after_s < 0.3
    assert {answer.status for answer in bad} == {401}


def test_a_full_house_answers_503_with_retry_after():
    async def scenario() -> tuple[Answer, Answer]:
        async with bridge(max_calls=1) as running:

            async def second(call: GenesysCall) -> None:
                await call.opened()
                answers.append(await refuse(running, Odd(without=UNSIGNED)))

            answers: list[Answer] = []
            await play_call(running.setup(), second)
            await running.emptied()
            return answers[0], await refuse(running, Odd())

    full, empty = asyncio.run(scenario(), debug=False)

    assert (full.status, full.headers["retry-after"]) == (503, "5")
    assert empty.status == 101


def test_two_sessions_of_one_id_live_side_by_side():
    async def scenario() -> tuple[int, list[str | None]]:
        async with bridge() as running:
            setup = running.setup()
            first_is_open, second_is_over = asyncio.Event(), asyncio.Event()

            async def stay(call: GenesysCall) -> None:
                await call.opened()
                first_is_open.set()
                await second_is_over.wait()
                assert call.is_alive

            async def come_and_go(call: GenesysCall) -> None:
                await call.opened()
                live.append(len(running.calls))

            live: list[int] = []
            async with asyncio.TaskGroup() as group:
                staying = group.create_task(play_call(setup, stay))
                await first_is_open.wait()
                second = await play_call(setup, come_and_go)
                second_is_over.set()
            reports = (second, staying.result())
            return live[0], [fault for report in reports for fault in report.violations]

    live, violations = asyncio.run(scenario(), debug=False)

    assert live == 2
    assert violations == []


@pytest.mark.parametrize(
    "sent", [b"", b"GET /audiohook HTT", b"GET /audiohook HTTP/1.1\r\nHost: x\r\n"]
)
def test_a_client_that_never_finishes_its_request_is_dropped(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "HEAD_DEADLINE_S", 0.2)

    async def scenario() -> Answer:
        async with bridge() as running:
            return await ask(running.port, sent)

    answer = asyncio.run(scenario(), debug=False)

    assert answer.status == 0
    assert 0.15 < answer.after_s < 3


def test_a_client_that_trickles_its_request_is_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEAD_DEADLINE_S", 0.3)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with bridge() as running, asyncio.timeout(5):
            began_s = loop.time()
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            with pytest.raises(ConnectionError):
                for byte in request("/audiohook", UPGRADE * 100):
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.02)
            writer.transport.abort()
            del reader
        return loop.time() - began_s

    assert asyncio.run(scenario(), debug=False) < 3


class SlowStore:
    """A secret store that answers when it is told to."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        self.is_asked.set()
        await self.answers.wait()
        return (b"",)


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_caller_who_leaves_before_the_answer_is_no_error(is_reset: bool):
    async def scenario() -> list[str]:
        store = SlowStore()
        with trapped_logs() as trap:
            async with bridge(secrets=store) as running:
                _, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(Odd(without=UNSIGNED).data(running.setup(), running.port))
                await store.is_asked.wait()
                if is_reset:
                    writer.transport.abort()
                else:
                    writer.close()
                await asyncio.sleep(0.1)
                store.answers.set()
                await running.emptied()
            return trap.troubles()

    assert asyncio.run(scenario(), debug=False) == []
