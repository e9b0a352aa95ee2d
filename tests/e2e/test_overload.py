"""A process that is too late for more calls: it was stopped for a while, with one live call."""

import asyncio
import signal

from scripts.emulators.genesys import CallReport, GenesysCall, play_call
from scripts.service_process import ServiceProcess
from tests.e2e.raw_http import Answer
from tests.e2e.test_serving import get, ring, run, serving, setup_for

STOPPED_S = 0.7
FORGOTTEN_S = 1.5
"""The lag of the last second counts (`service/loop_lag.py`)."""


async def answers_of(service: ServiceProcess) -> list[int]:
    """The answers to an upgrade, `/readyz` and `/livez`."""
    asked: list[Answer] = [
        await ring(service),
        await get(service, "/readyz"),
        await get(service, "/livez"),
    ]
    return [answer.status for answer in asked]


async def late(**settings: str) -> tuple[list[int], list[int], CallReport]:
    """The answers right after the process was stopped, later, and how the live call went."""
    found: list[list[int]] = []
    async with serving(**settings) as service:

        async def talk(call: GenesysCall) -> None:
            await call.opened()
            service.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            service.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.15)
            found.append(await answers_of(service))
            await asyncio.sleep(FORGOTTEN_S)
            found.append(await answers_of(service))

        report = await play_call(setup_for(service), talk)
    return found[0], found[1], report


def test_who_is_too_late_takes_no_more_calls_for_a_second_and_keeps_the_one_it_has():
    at_once, later, report = run(late(MAX_LOOP_LAG_MS="250"))

    assert at_once == [503, 503, 200]
    assert later == [101, 200, 200]
    assert report.violations == []


def test_where_lag_is_allowed_calls_are_taken_all_the_same():
    at_once, _, _ = run(late(MAX_LOOP_LAG_MS="0"))

    assert at_once == [101, 200, 200]
