"""What the tests of this folder are given."""

from collections.abc import Iterator

import pytest

from tests.speech.talk import Talk


@pytest.fixture
def talk() -> Iterator[Talk]:
    conversation = Talk()
    yield conversation
    conversation.sends()  # what the test did not look at is checked all the same
