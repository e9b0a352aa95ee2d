"""What the modules that play whole calls side by side have in common."""

import gc
from collections.abc import Iterator

import pytest

from tests.e2e import overheard
from tests.e2e.side_by_side import Outcomes, play_side_by_side

LAST = "test_log_secrecy.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look through the logs when all other tests of this folder have been run."""
    places = [place for place, item in enumerate(items) if "e2e" in item.path.parts]
    ours = sorted((items[place] for place in places), key=lambda item: item.path.name == LAST)
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="module", autouse=True)
def listening() -> Iterator[None]:
    """Keep what is said and logged while the tests of this folder run.

    What earlier tests left in memory (moto alone loads hundreds of megabytes) is kept from the
    garbage collector, which would stop the clock of live calls for a second to look through it.
    """
    gc.collect()
    gc.freeze()
    with overheard.listening():
        yield


@pytest.fixture(scope="module")
def outcome_of(request: pytest.FixtureRequest) -> Outcomes:
    """The scenarios that the test module calls `SCENARIOS`, played once.

    A module that wants other deadlines than the service has defines a fixture of its own.
    """
    return play_side_by_side(*request.module.SCENARIOS)
