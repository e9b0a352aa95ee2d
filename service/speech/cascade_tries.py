"""Asking a part of a cascade again, while the caller has noticed nothing yet."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from service.speech.port import SpeechError

TRIES = 2
"""More would be silence to the caller."""
Piece = TypeVar("Piece")


async def with_tries(
    begin: Callable[[], AsyncGenerator[Piece, None]],
) -> AsyncGenerator[Piece, None]:
    """Yield what `begin()` yields; begin again when it fails before its first piece.

    Raises:
        SpeechError: it failed later than that, for good, or too often.
    """
    for tries_left in range(TRIES - 1, -1, -1):
        has_begun = False
        try:
            async with aclosing(begin()) as pieces:
                async for piece in pieces:
                    has_begun = True
                    yield piece
        except SpeechError as failure:
            if has_begun or not (failure.retryable and tries_left):
                raise
        else:
            return
