import asyncio
from collections.abc import AsyncGenerator

import pytest

from service.speech.cascade_tries import with_tries
from service.speech.port import SpeechError

SOON = SpeechError("busy", retryable=True)
NEVER = SpeechError("refused", retryable=False)


def run(*attempts: tuple[str | SpeechError, ...]) -> tuple[list[str], int, SpeechError | None]:
    """What came, how often it was begun, and what went wrong."""
    begun = 0

    async def pieces() -> AsyncGenerator[str, None]:
        nonlocal begun
        begun += 1
        for piece in attempts[begun - 1]:
            if isinstance(piece, SpeechError):
                raise piece
            yield piece

    async def all_of() -> tuple[list[str], SpeechError | None]:
        found: list[str] = []
        try:
            async for piece in with_tries(pieces):
                found.append(piece)
        except SpeechError as failure:
            return found, failure
        return found, None

    found, failure = asyncio.run(all_of())
    return found, begun, failure


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([("a", "b")], (["a", "b"], 1, None)),
        ([()], ([], 1, None)),
        ([(SOON,), ("a",)], (["a"], 2, None)),
        ([(SOON,), (SOON,)], ([], 2, SOON)),
        ([(SOON,), (NEVER,)], ([], 2, NEVER)),
        ([(NEVER,)], ([], 1, NEVER)),
        ([("a", SOON)], (["a"], 1, SOON)),  # what was used cannot be taken back
    ],
)
def test_a_part_is_asked_again_only_while_nothing_was_used(attempts, expected):
    assert run(*attempts) == expected
