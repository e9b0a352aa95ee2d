"""A voice by Amazon Polly, which speaks G.711 itself: nothing is resampled, numpy is not needed.

To import this file loads boto3; `service.wiring` does so when the first cascade starts. boto3
blocks, so each sentence has a thread.
Source: the service model that comes with botocore (`SynthesizeSpeech`: `mulaw`, 8000 Hz).
"""

import contextlib
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from service.speech.in_thread import Put, pieces_of

DEADLINE_S = 20.0
"""For one sentence."""
CONNECT_S = 3
SILENCE_S = 5
"""Between two pieces, and before the first one."""
MAX_THREADS = 64
"""Sentences at once: each call has at most one, and only while it is made."""
PIECE_BYTES = 1_600
MAX_SENTENCE_BYTES = 8_000 * 60


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

    def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yield the sentence as PCMU while it is made; see `Synthesizer`."""
        del voice

        def read(put: Put[bytes], is_left: threading.Event) -> None:
            self._read(text, put, is_left)

        return pieces_of(self._threads, read, part="tts", deadline_s=DEADLINE_S)

    async def aclose(self) -> None:
        """Let the threads end and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _read(self, text: str, put: Put[bytes], is_left: threading.Event) -> None:
        """Read a sentence in a thread until it is over or nobody wants it any more."""
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
