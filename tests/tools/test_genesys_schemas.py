import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.functions import FETCH_S
from service.tools.genesys_cloud import GenesysCloud, OAuthClient
from service.tools.genesys_schemas import (
    DEADLINE_S,
    FRESH_S,
    MAX_SCHEMAS,
    RETRY_S,
    InputSchemas,
)
from service.tools.http_client import HttpClient
from service.tools.port import ToolError
from tests.tools.genesys import ACTION_ID, Clock, Genesys, action, serving
from tests.tools.web import drop, endless, hang, json_reply, reply

SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "id": "urn:x",
    "title": "Input",
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}},
    "additionalProperties": True,
    "definitions": {"x": {"type": "string"}},
}
KEPT = {key: value for key, value in SCHEMA.items() if key not in ("$schema", "id", "title")}
OTHER = {"type": "object", "properties": {"n": {"type": "integer"}}}


def play(
    genesys: Genesys,
    scenario: Callable[[InputSchemas, Clock], Awaitable[Any]],
    deadline_s: float = DEADLINE_S,
) -> Any:
    async def whole() -> Any:
        client, clock = HttpClient(), Clock()
        async with serving(genesys):
            cloud = GenesysCloud(genesys.places, OAuthClient("i", "s"), client=client, clock=clock)
            try:
                schemas = InputSchemas(cloud, clock=clock, deadline_s=deadline_s)
                return await scenario(schemas, clock)
            finally:
                await client.aclose()

    return asyncio.run(whole())


async def get(schemas: InputSchemas, clock: Clock) -> dict[str, Any]:
    return await schemas.get(ACTION_ID)


def test_the_contract_of_the_action_says_what_it_wants():
    genesys = Genesys(api=[action(SCHEMA)])

    assert play(genesys, get) == KEPT

    (call,) = genesys.calls
    assert call.method == "GET"
    assert call.target == f"/api/v2/integrations/actions/{ACTION_ID}?expand=contract"


def test_a_schema_is_kept_for_an_hour():
    genesys = Genesys(api=[action(SCHEMA), action(OTHER)])

    async def scenario(schemas: InputSchemas, clock: Clock) -> list[dict[str, Any]]:
        found = [await get(schemas, clock)]
        clock.now += FRESH_S - 1
        found.append(await get(schemas, clock))
        clock.now += 1
        return [*found, await get(schemas, clock)]

    assert play(genesys, scenario) == [KEPT, KEPT, OTHER]


@pytest.mark.parametrize("failure", [drop, reply(status=500), json_reply("none")])
def test_an_old_schema_serves_while_there_is_no_new_one(failure):
    genesys = Genesys(api=[action(SCHEMA), failure, action(OTHER)])

    async def scenario(schemas: InputSchemas, clock: Clock) -> list[dict[str, Any]]:
        found = [await get(schemas, clock)]
        clock.now += FRESH_S
        found += [await get(schemas, clock), await get(schemas, clock)]
        clock.now += RETRY_S
        return [*found, await get(schemas, clock)]

    assert play(genesys, scenario) == [KEPT, KEPT, KEPT, OTHER]
    assert len(genesys.calls) == 3


def test_requests_at_once_fetch_a_schema_once():
    genesys = Genesys(api=[action(SCHEMA)])

    async def scenario(schemas: InputSchemas, clock: Clock) -> None:
        await asyncio.gather(*(get(schemas, clock) for _ in range(5)))

    play(genesys, scenario)

    assert len(genesys.calls) == 1


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (reply(status=404), "not_found"),
        (reply(status=403), "failed"),
        (drop, "failed"),
        (endless, "too_large"),
        (reply(b"<html>"), "bad_answer"),
        (json_reply({}), "bad_answer"),
        (json_reply({"contract": {"input": None}}), "bad_answer"),
        (action({"type": "string"}), "bad_answer"),
        (action({"type": "object", "properties": []}), "bad_answer"),
        (action({"type": "object", "required": "id"}), "bad_answer"),
        (action({"type": "object", "required": [["id"]]}), "bad_answer"),
    ],
)
def test_without_a_usable_schema_there_is_an_error(behaviour, code):
    with pytest.raises(ToolError) as failed:
        play(Genesys(api=[behaviour]), get)

    assert failed.value.code == code


def test_a_service_that_hangs_is_left_at_the_deadline():
    with pytest.raises(ToolError, match="failed: The service takes too long"):
        play(Genesys(api=[hang]), get, deadline_s=0.2)


def test_the_deadline_leaves_a_call_the_time_to_take_the_old_schema():
    assert DEADLINE_S <= FETCH_S - 0.5


def test_an_old_schema_serves_while_the_service_hangs():
    genesys = Genesys(api=[action(SCHEMA), hang])

    async def scenario(schemas: InputSchemas, clock: Clock) -> list[dict[str, Any]]:
        found = [await get(schemas, clock)]
        clock.now += FRESH_S
        async with asyncio.timeout(FETCH_S):
            found.append(await get(schemas, clock))
        return [*found, await get(schemas, clock)]

    assert play(genesys, scenario) == [KEPT] * 3
    assert len(genesys.calls) == 2


@pytest.mark.parametrize(
    ("failure", "code"), [(hang, "failed"), (reply(status=404), "not_found"), (drop, "failed")]
)
def test_a_failure_without_any_schema_is_remembered_for_a_minute(failure, code):
    genesys = Genesys(api=[failure, action(SCHEMA)])

    async def scenario(schemas: InputSchemas, clock: Clock) -> tuple[list[str], dict[str, Any]]:
        codes = [await code_of(schemas)]
        clock.now += RETRY_S - 1
        codes.append(await code_of(schemas))
        clock.now += 1
        return codes, await get(schemas, clock)

    assert play(genesys, scenario, deadline_s=0.3) == ([code, code], KEPT)
    assert len(genesys.calls) == 2


def test_those_who_wait_together_share_a_failure():
    genesys = Genesys(api=[hang])

    async def scenario(schemas: InputSchemas, clock: Clock) -> list[str]:
        return await asyncio.gather(*(code_of(schemas) for _ in range(5)))

    assert play(genesys, scenario, deadline_s=0.3) == ["failed"] * 5
    assert len(genesys.calls) == 1


async def code_of(schemas: InputSchemas) -> str:
    with pytest.raises(ToolError) as failed:
        await schemas.get(ACTION_ID)
    return failed.value.code


def test_no_more_schemas_are_kept_than_the_bound():
    genesys = Genesys(api=[action(SCHEMA)])

    async def scenario(schemas: InputSchemas, clock: Clock) -> None:
        for number in range(MAX_SCHEMAS + 1):
            await schemas.get(f"action_{number}")
        await schemas.get(f"action_{MAX_SCHEMAS}")
        await schemas.get("action_0")

    play(genesys, scenario)

    assert len(genesys.calls) == MAX_SCHEMAS + 2
