import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.tools.genesys_cloud import (
    RENEW_BEFORE_S,
    CloudPlaces,
    GenesysCloud,
    OAuthClient,
    is_region,
)
from service.tools.http_client import HttpClient
from service.tools.port import ToolError
from service.tools.urls import Place
from tests.tools.genesys import Clock, Genesys, serving
from tests.tools.web import Received, hang, json_reply, raw, reply

OAUTH = OAuthClient("client-id", "s3cret")


def play(genesys: Genesys, scenario: Callable[[GenesysCloud, Clock], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        client, clock = HttpClient(), Clock()
        async with serving(genesys):
            try:
                return await scenario(
                    GenesysCloud(genesys.places, OAUTH, client=client, clock=clock), clock
                )
            finally:
                await client.aclose()

    return asyncio.run(whole())


async def get(cloud: GenesysCloud, clock: Clock) -> int:
    return (await cloud.send("GET", "/api/v2/x")).status


def test_a_region_has_its_own_hosts():
    assert CloudPlaces.of_region("usw2.pure.cloud") == CloudPlaces(
        Place("https", "login.usw2.pure.cloud", 443), Place("https", "api.usw2.pure.cloud", 443)
    )


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("mypurecloud.de", True),
        ("usw2.pure.cloud", True),
        ("", False),
        ("localhost", False),
        ("https://mypurecloud.de", False),
        ("evil.test/x.mypurecloud.de", False),
        ("a.b:80", False),
        ("a.b\n", False),
    ],
)
def test_a_region_is_a_domain(text, fits):
    assert is_region(text) is fits


def test_the_client_logs_in_with_its_credentials():
    genesys = Genesys()

    assert play(genesys, get) == 200

    (login,) = genesys.logins
    basic = base64.b64encode(b"client-id:s3cret").decode()
    assert login.method == "POST"
    assert login.headers["authorization"] == f"Basic {basic}"
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert login.body == b"grant_type=client_credentials"
    assert genesys.calls[0].headers["authorization"] == "Bearer t1"


def test_a_token_serves_until_its_last_minute():
    genesys = Genesys(expires_in=600)

    async def scenario(cloud: GenesysCloud, clock: Clock) -> None:
        await get(cloud, clock)
        clock.now += 600 - RENEW_BEFORE_S - 1
        await get(cloud, clock)
        clock.now += 1
        await get(cloud, clock)

    play(genesys, scenario)

    used = [call.headers["authorization"] for call in genesys.calls]
    assert used == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_requests_at_once_wait_for_one_token():
    genesys = Genesys()

    async def scenario(cloud: GenesysCloud, clock: Clock) -> None:
        await asyncio.gather(*(get(cloud, clock) for _ in range(8)))

    play(genesys, scenario)

    assert (len(genesys.logins), len(genesys.calls)) == (1, 8)


def test_a_cancelled_login_does_not_fail_those_who_wait_for_it():
    genesys = Genesys(login=[hang])

    async def scenario(cloud: GenesysCloud, clock: Clock) -> int:
        first = asyncio.create_task(get(cloud, clock))
        second = asyncio.create_task(get(cloud, clock))
        while not genesys.logins:
            await asyncio.sleep(0.005)
        first.cancel()
        return await second

    assert play(genesys, scenario) == 200
    assert len(genesys.logins) == 2


def test_a_refused_token_is_replaced_once():
    genesys = Genesys()

    async def scenario(cloud: GenesysCloud, clock: Clock) -> int:
        await get(cloud, clock)
        genesys.valid.clear()
        return await get(cloud, clock)

    assert play(genesys, scenario) == 200
    assert len(genesys.logins) == 2


def test_tokens_refused_at_once_are_replaced_by_one():
    genesys = Genesys()

    async def scenario(cloud: GenesysCloud, clock: Clock) -> list[int]:
        await get(cloud, clock)
        genesys.valid.clear()
        return await asyncio.gather(*(get(cloud, clock) for _ in range(4)))

    assert play(genesys, scenario) == [200] * 4
    assert len(genesys.logins) == 2


def test_a_late_refusal_of_an_old_token_does_not_throw_the_new_one_away():
    genesys = Genesys()
    refused = []

    async def refuse(request: Received, writer: asyncio.StreamWriter) -> None:
        refused.append(request)
        while len(refused) == 2 and len(genesys.calls) < 2:
            await asyncio.sleep(0.005)
        await reply(status=401)(request, writer)

    async def scenario(cloud: GenesysCloud, clock: Clock) -> tuple[int, int]:
        await get(cloud, clock)
        genesys.valid.clear()
        genesys.refuse = refuse
        one, other = await asyncio.gather(get(cloud, clock), get(cloud, clock))
        return one, other

    assert play(genesys, scenario) == (200, 200)
    assert (len(refused), len(genesys.logins)) == (2, 2)


def test_a_client_that_may_not_is_told_so_after_one_new_token():
    genesys = Genesys(api=[reply(status=401)])

    assert play(genesys, get) == 401
    assert (len(genesys.logins), len(genesys.calls)) == (2, 2)


def test_a_refused_login_is_an_error_and_a_warning_without_words(caplog):
    genesys = Genesys(login=[json_reply({"error": "secret"}, status=400)])

    with pytest.raises(ToolError, match="failed") as refused:
        play(genesys, get)

    assert "secret" not in str(refused.value)
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage() == "Genesys Cloud gave no token to the OAuth client"
    assert record.__dict__["status"] == 400


@pytest.mark.parametrize(
    "login",
    [
        json_reply({}),
        json_reply([]),
        json_reply({"access_token": "t"}),
        json_reply({"access_token": 5, "expires_in": 60}),
        json_reply({"access_token": "", "expires_in": 60}),
        json_reply({"access_token": "a\r\nX: y", "expires_in": 60}),
        json_reply({"access_token": "x" * 8_193, "expires_in": 60}),
        json_reply({"access_token": "t", "expires_in": "soon"}),
        reply(b"<html>"),
    ],
)
def test_a_login_that_gives_no_token_is_a_bad_answer(login):
    with pytest.raises(ToolError, match="bad_answer"):
        play(Genesys(login=[login]), get)


def test_a_failed_login_is_tried_again_with_the_next_request():
    genesys = Genesys(login=[raw(b"")])

    async def scenario(cloud: GenesysCloud, clock: Clock) -> int:
        with pytest.raises(ToolError):
            await get(cloud, clock)
        return await get(cloud, clock)

    assert play(genesys, scenario) == 200


def test_credentials_do_not_show():
    assert "s3cret" not in repr(OAUTH)
