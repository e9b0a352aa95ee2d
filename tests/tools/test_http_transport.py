import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpcore2
import pytest

from service.tools.addresses import is_public
from service.tools.http_client import Answer, HttpClient, Request, Unreachable
from service.tools.http_transport import (
    MAX_ADDRESSES,
    MAX_CONNECTIONS,
    MAX_PER_HOST,
    CheckedNetwork,
)
from service.tools.port import ToolError
from service.tools.urls import Place
from tests.tools.web import Web, hang, json_reply, web

DATA = Path(__file__).parent / "data"
PUBLIC, OTHER = "93.184.216.34", "2606:4700::1111"


class Network(httpcore2.AsyncNetworkBackend):
    """Connects nowhere and remembers whereto; the addresses in `dead` do not answer."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.tried: list[str] = []
        self.seconds: list[float | None] = []

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.tried.append(host)
        self.seconds.append(timeout)
        if host in self.dead:
            raise httpcore2.ConnectTimeout
        return httpcore2.AsyncMockStream([])


def connect(addresses: Sequence[str], *dead: str) -> Network:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    network = Network(*dead)
    checked = CheckedNetwork(resolve, is_public, network=network)
    try:
        asyncio.run(checked.connect_tcp("api.test", 443, timeout=4.0))
    except ToolError as error:
        assert error.code == "refused"
        assert network.tried == []
    return network


def test_the_connection_goes_to_the_address_that_was_checked():
    assert connect([PUBLIC]).tried == [PUBLIC]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:10.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        [PUBLIC] * MAX_ADDRESSES + ["::1"],
    ],
)
def test_one_address_that_is_not_public_condemns_the_host(addresses):
    assert connect(addresses).tried == []


def test_a_host_that_moves_after_the_check_is_not_looked_up_again():
    answers = [[PUBLIC], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    network = Network()
    asyncio.run(CheckedNetwork(resolve, is_public, network=network).connect_tcp("api.test", 443))

    assert network.tried == [PUBLIC]
    assert answers == [["127.0.0.1"]]


def test_further_addresses_are_tried_within_the_same_time():
    network = connect([OTHER, OTHER, PUBLIC], OTHER)

    assert network.tried == [OTHER, PUBLIC]
    assert network.seconds == [2.0, 2.0]


def test_a_host_whose_addresses_are_all_dead_is_no_connection():
    with pytest.raises(httpcore2.ConnectError):
        connect([PUBLIC], PUBLIC)


def test_a_host_without_addresses_is_no_connection():
    with pytest.raises(httpcore2.ConnectError):
        connect([])


def test_a_resolver_that_hangs_is_given_up():
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    checked = CheckedNetwork(resolve, is_public, network=Network())

    with pytest.raises(httpcore2.ConnectError):
        asyncio.run(checked.connect_tcp("api.test", 443, timeout=0.01))


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def server_tls() -> ssl.SSLContext:
    # A key of these tests only, for tools.test; made once, so that no tool is needed to make it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "tls_server.pem")
    return context


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(DATA / "tls_authority.pem"))


def ask_over_tls(*hosts: str, tls=trusting, allow_private: bool = True) -> tuple[list[Answer], Web]:
    async def scenario() -> tuple[list[Answer], Web]:
        client = HttpClient(resolve=loopback, tls=tls)
        async with asyncio.timeout(20), web(json_reply(1), tls=server_tls()) as server:
            places = [Place("https", host, server.port) for host in hosts]
            requests = [
                Request(method="GET", place=p, target="/", allow_private=allow_private)
                for p in places
            ]
            try:
                return [await client.send(request) for request in requests], server
            finally:
                await client.aclose()

    return asyncio.run(scenario())


def test_tls_verifies_the_name_and_not_the_address():
    (answer,), server = ask_over_tls("tools.test")

    assert answer == Answer(200, b"1")
    assert server.requests[0].headers["host"] == f"tools.test:{server.port}"


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_a_server_with_the_certificate_of_another_name_is_refused(host):
    with pytest.raises(Unreachable):
        ask_over_tls(host)


def test_a_connection_to_one_name_is_not_used_for_another_at_the_same_address():
    with pytest.raises(Unreachable):
        ask_over_tls("tools.test", "other.test")


def test_a_server_that_nobody_vouches_for_is_refused():
    with pytest.raises(Unreachable):
        ask_over_tls("tools.test", tls=ssl.create_default_context)


def test_a_private_address_is_refused_where_the_tool_does_not_allow_it():
    with pytest.raises(ToolError, match="refused"):
        ask_over_tls("tools.test", allow_private=False)


def test_a_host_that_hangs_does_not_starve_the_others():
    """More requests hang than one host may have connections; another host answers at once."""

    async def scenario() -> tuple[int, Answer]:
        client = HttpClient()
        async with asyncio.timeout(20), web(hang) as hanging, web(json_reply(1)) as healthy:
            stuck = [
                asyncio.create_task(client.send(_loopback_request(hanging)))
                for _ in range(2 * MAX_CONNECTIONS)
            ]
            while hanging.connections < MAX_PER_HOST:
                await asyncio.sleep(0.005)
            async with asyncio.timeout(2):
                answer = await client.send(_loopback_request(healthy))
            most = hanging.accepted
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
            await client.aclose()
            await hanging.left()
        return most, answer

    most, answer = asyncio.run(scenario())

    assert most == MAX_PER_HOST
    assert answer == Answer(200, b"1")


def test_requests_beyond_the_share_of_a_host_wait_for_their_turn():
    async def scenario() -> tuple[list[Answer], Web]:
        client = HttpClient()
        async with asyncio.timeout(20), web(json_reply(1, after_s=0.02)) as server:
            request = _loopback_request(server)
            answers = await asyncio.gather(*(client.send(request) for _ in range(3 * MAX_PER_HOST)))
            await client.aclose()
            return answers, server

    answers, server = asyncio.run(scenario())

    assert answers == [Answer(200, b"1")] * (3 * MAX_PER_HOST)
    assert server.accepted <= MAX_PER_HOST


def _loopback_request(server: Web) -> Request:
    place = Place("http", "127.0.0.1", server.port)
    return Request(method="GET", place=place, target="/", allow_private=True)


def test_a_connection_that_was_allowed_does_not_serve_a_tool_that_may_not_have_it():
    async def scenario() -> None:
        client = HttpClient(resolve=loopback)
        async with web(json_reply(1)) as server:
            place = Place("http", "tools.test", server.port)
            allowed = Request(method="GET", place=place, target="/", allow_private=True)
            await client.send(allowed)
            try:
                await client.send(Request(method="GET", place=place, target="/"))
            finally:
                await client.aclose()

    with pytest.raises(ToolError, match="refused"):
        asyncio.run(scenario())
