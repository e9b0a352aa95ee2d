"""What the modules that play whole calls side by side have in common."""

import pytest

from tests.e2e.side_by_side import Outcomes, play_side_by_side


@pytest.fixture(scope="module")
def outcome_of(request: pytest.FixtureRequest) -> Outcomes:
    """The scenarios that the test module calls `SCENARIOS`, played once.

    A module that wants other deadlines than the service has defines a fixture of its own.
    """
    return play_side_by_side(*request.module.SCENARIOS)
