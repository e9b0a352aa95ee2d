"""Bots' files that change while calls run."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from scripts.emulators.genesys import GenesysCall, play_call
from tests.e2e.bridge import Bridge, Played, bridge, play
from tests.e2e.quick_calls import ask_once, greeted, quick, say
from tests.e2e.real_bots import real_bots
from tests.e2e.shop import SHOPKEEPER, parcel_tool, shop_file
from tests.e2e.side_by_side import Outcomes
from tests.tools.web import Web, json_reply, web

RELOADED_S = 1.5
"""The files are looked at once a second, whether somebody calls or not."""
CALLS_UNDER_LOAD = 8

Write = Callable[[str], object]


def version_file(version: str, server: Web) -> str:
    """A shop whose instructions and tool both show the version."""
    text = shop_file(parcel_tool(f"{server.url}/{version}"))
    return text.replace("You work for a shop.", f"{version} shop.").replace("Finds", version)


@contextlib.asynccontextmanager
async def changing_bot() -> AsyncIterator[tuple[Bridge, Web, Write]]:
    """A service whose one bot is of the version `old`, and what writes another file for it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "default.toml"
        async with web(json_reply({"state": "here"})) as server:
            file.write_text(version_file("old", server))
            async with (
                real_bots(Path(folder)) as bots,
                bridge(bots=bots, **quick(SHOPKEEPER, "My parcel")) as running,
            ):
                yield running, server, file.write_text


async def changed() -> list[str]:
    """What the server was asked: by calls after a change, then by one that began before."""
    async with changing_bot() as (running, server, write):

        async def script(call: GenesysCall) -> None:
            await greeted(call)
            write(version_file("new", server))
            await call.sleep(RELOADED_S)
            await play_call(running.setup(), ask_once)
            await say(call)

        await play(running, script)
        return [request.target for request in server.requests]


async def spoiled() -> Played:
    """The file is spoiled, and then somebody calls."""
    async with changing_bot() as (running, _, write):
        write("instructions = 3\n")
        await asyncio.sleep(RELOADED_S)
        return await play(running, ask_once)


async def under_load() -> list[tuple[str, str]]:
    """The versions of instructions and tool in each of many calls, while somebody writes."""
    async with changing_bot() as (running, server, write):

        async def edit() -> None:
            for number in range(2 * CALLS_UNDER_LOAD):
                write(version_file(f"v{number}", server))
                await asyncio.sleep(0.2)

        async def call(number: int) -> None:
            await asyncio.sleep(0.4 * number)
            report = await play_call(running.setup(), ask_once)
            assert report.violations == []

        async with asyncio.TaskGroup() as group:
            group.create_task(edit())
            for number in range(CALLS_UNDER_LOAD):
                group.create_task(call(number))
        await running.emptied()
        return [_versions(session.settings) for session in running.model.sessions]


def _versions(settings: dict[str, object]) -> tuple[str, str]:
    tools = settings["tools"]
    assert isinstance(tools, list)
    return str(settings["instructions"]).split()[0], tools[-1]["description"].split()[0]


SCENARIOS = (under_load, changed, spoiled)


def test_a_call_keeps_its_bot_and_the_next_one_has_the_new(outcome_of: Outcomes):
    assert outcome_of(changed) == ["/new/parcels", "/old/parcels"]


def test_a_bad_edit_leaves_the_last_good_version_in_force(outcome_of: Outcomes):
    call = outcome_of(spoiled)

    assert call.agent_words == ["Hello.", "It is here."]
    assert call.ended["errors"] == []
    assert outcome_of.log.text.count("the last good version stays in force") >= 1


def test_every_call_under_load_has_all_of_one_version(outcome_of: Outcomes):
    versions = outcome_of(under_load)

    assert len(versions) == CALLS_UNDER_LOAD
    assert all(instructions == tool for instructions, tool in versions)
    assert len(set(versions)) > 1


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []
