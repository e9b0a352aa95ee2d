"""A voice by Amazon Polly, which speaks G.711 itself: nothing is resampled, numpy is not needed.

To import this file loads boto3; `service.wiring` does so when the first cascade starts. boto3
blocks, so each sentence has a thread.
Source: the service model that comes with botocore (`SynthesizeSpeech`: `mulaw`, 8000 Hz).
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.speech.port import SpeechError

DEADLINE_S = 20.0
"""For one sentence."""
CONNECT_S = 3
SILENCE_S = 5
"""Between two pieces, and before the first one."""
MAX_THREADS = 64
"""Sentences at once: each call has at most one, and only while it is made."""
PIECE_BYTES = 1_600
MAX_SENTENCE_BYTES = 8_000 * 60
_END: Final = b""
_BUSY = frozenset({429, 500, 502, 503, 504})
_Queue = asyncio.Queue[bytes | SpeechError]


class PollySynthesizer:
    """One voice of Polly; the bot's voice is of another service, and means nothing here."""

    def __init__(self, session: boto3.session.Session, model: str) -> None:
        """Make the client, which takes about as long as the import.

        Args:
            session: of boto3, with its region (`service.aws_session`).
            model: engine and voice, such as `neural/Joanna`.
        """
        self._engine, _, self._voice = model.partition("/")
        self._client: Any = session.client(
            "polly",
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=SILENCE_S,
                max_pool_connections=MAX_THREADS,
                retries={"total_max_attempts": 1},  # the cascade tries again by itself
            ),
        )
        self._threads = ThreadPoolExecutor(MAX_THREADS, "polly")

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sentence as PCMU while it is made; see `Synthesizer`."""
        del voice
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_S
        pieces, is_left = _Queue(), threading.Event()

        def put(piece: bytes | SpeechError) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        self._threads.submit(self._read, text, put, is_left)
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    piece = await pieces.get()
                if isinstance(piece, SpeechError):
                    raise piece
                if piece == _END:
                    return
                yield piece
        except TimeoutError:
            raise SpeechError("tts_timeout", retryable=True) from None
        finally:
            is_left.set()

    async def aclose(self) -> None:
        """Let the threads end and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _read(self, text: str, put: Any, is_left: threading.Event) -> None:
        """Read a sentence in a thread until it is over or nobody wants it any more."""
        try:
            answer = self._client.synthesize_speech(
                Text=text,
                VoiceId=self._voice,
                Engine=self._engine,
                OutputFormat="mulaw",
                SampleRate="8000",
            )
            with contextlib.closing(answer["AudioStream"]) as sound:
                left = MAX_SENTENCE_BYTES
                while left > 0 and not is_left.is_set() and (piece := sound.read(PIECE_BYTES)):
                    left -= len(piece)
                    put(piece)
            put(_END)
        except Exception as error:  # whatever it is, the waiting task has to know
            put(_error(error))


def _error(error: Exception) -> SpeechError:
    """Return our error, without the service's words, which may quote the text."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return SpeechError(f"tts_http_{status}", retryable=status in _BUSY)
    is_connection = isinstance(error, BotoCoreError | OSError)
    return SpeechError("tts_unreachable" if is_connection else "tts_failed", retryable=True)
