"""Plays the scenarios of a test module side by side: calls pass in real time and mostly wait."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from tests.e2e.bridge import LogTrap, trapped_logs

T = TypeVar("T")
Scenario = Callable[[], Coroutine[Any, Any, T]]

AT_ONCE = 12
"""Few enough for two busy cores: a starved loop would miss the callers' deadlines."""
DEADLINE_S = 40.0


class Outcomes:
    """What each scenario returned, or raised, and what all of them left behind.

    Attributes:
        tasks_left: those that still ran in the end.
        log: all that was logged meanwhile.
    """

    def __init__(self, outcomes: dict[str, object], tasks_left: list[str], log: LogTrap) -> None:
        self._outcomes = outcomes
        self.tasks_left = tasks_left
        self.log = log

    @property
    def leftovers(self) -> list[str]:
        """Tasks that still ran in the end, and errors that were logged; none when all is well."""
        return [*self.tasks_left, *self.log.troubles()]

    def __call__(self, scenario: Scenario[T]) -> T:
        """The value of a scenario; its exception is raised here, in the test that asks."""
        outcome = self._outcomes[scenario.__name__]
        if isinstance(outcome, BaseException):
            raise AssertionError("".join(traceback.format_exception(outcome)))
        return cast("T", outcome)


def play_side_by_side(*scenarios: Scenario[Any]) -> Outcomes:
    """Run all scenarios in one loop of their own."""
    with trapped_logs() as log:
        return asyncio.run(_play(scenarios, log), debug=False)


async def _play(scenarios: tuple[Scenario[Any], ...], log: LogTrap) -> Outcomes:
    places = asyncio.Semaphore(AT_ONCE)

    async def play(scenario: Scenario[Any]) -> object:
        async with places, asyncio.timeout(DEADLINE_S):
            return await scenario()

    found = await asyncio.gather(*map(play, scenarios), return_exceptions=True)
    names = [scenario.__name__ for scenario in scenarios]
    left = asyncio.all_tasks() - {asyncio.current_task()}
    return Outcomes(dict(zip(names, found, strict=True)), [repr(task) for task in left], log)
