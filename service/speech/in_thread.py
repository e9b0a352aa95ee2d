"""Pieces that a blocking library makes, handed to a coroutine one by one.

boto3 blocks: whoever reads from it does so in a thread, which is told when nobody listens any more.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from service.speech.port import SpeechError

Piece = TypeVar("Piece")
Put = Callable[[Piece], None]
_END: Final = object()
_BUSY = frozenset({429, 500, 502, 503, 504})
_BUSY_CODES = frozenset({
    "ThrottlingException", "ModelNotReadyException", "InternalServerException",
    "ServiceUnavailableException", "ModelStreamErrorException", "ModelTimeoutException",
})  # fmt: skip


async def pieces_of(
    threads: ThreadPoolExecutor,
    read: Callable[[Put[Piece], threading.Event], None],
    *,
    part: str,
    deadline_s: float,
) -> AsyncGenerator[Piece, None]:
    """Yield what `read` puts, until it returns.

    Args:
        threads: `read` runs in one of them.
        read: is given what takes a piece, and an event that is set when nobody listens any more.
        part: of the cascade, such as `tts`: what the codes of errors begin with.
        deadline_s: for all pieces.

    Raises:
        SpeechError: `read` raised something, or was too slow. Its words are kept out.
    """
    deadline = asyncio.get_running_loop().time() + deadline_s
    queue: asyncio.Queue[Piece | SpeechError | object] = asyncio.Queue()
    is_left = threading.Event()
    threads.submit(_work, read, _into(queue), is_left, part)
    try:
        while True:
            async with asyncio.timeout_at(deadline):
                piece = await queue.get()
            if isinstance(piece, SpeechError):
                raise piece
            if piece is _END:
                return
            yield piece  # type: ignore[misc] # what is left is a piece
    except TimeoutError:
        raise SpeechError(f"{part}_timeout", retryable=True) from None
    finally:
        is_left.set()


def _into(queue: asyncio.Queue[Any]) -> Callable[[object], None]:
    """Return what puts things into a queue of this event loop from any thread."""
    loop = asyncio.get_running_loop()

    def put(piece: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(queue.put_nowait, piece)

    return put


def _work(
    read: Callable[[Put[Any], threading.Event], None],
    put: Callable[[object], None],
    is_left: threading.Event,
    part: str,
) -> None:
    try:
        read(put, is_left)
    except Exception as error:  # whatever it is, the waiting task has to know
        put(_error(part, error))
    else:
        put(_END)


def _error(part: str, error: Exception) -> SpeechError:
    """Return our error, without the service's words, which may quote the text."""
    if isinstance(error, SpeechError):
        return error
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", ""))
        return SpeechError(f"{part}_http_{status}", retryable=status in _BUSY or _is_busy(code))
    is_connection = isinstance(error, BotoCoreError | OSError)
    return SpeechError(f"{part}_unreachable" if is_connection else f"{part}_failed", retryable=True)


def _is_busy(code: str) -> bool:
    # Within a stream the code has a small first letter.
    return code[:1].upper() + code[1:] in _BUSY_CODES
