"""HTTP to speech services: one request, and its answer while it comes.

Addresses are those of the deployment's settings, never of a bot or a caller. Every failure leaves
here as a `SpeechError` with a word of ours; what a server says of it may quote the caller and stays
here. No redirects, no proxies of the environment, no compression.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping

import httpcore2

from service.speech.cascade_parts import Address
from service.speech.port import SpeechError

MAX_CONNECTIONS = 200
"""A part of each of 100 calls at work, and as many in the act of stopping."""
KEPT_S = 30.0
CONNECT_S = 3.0
"""A caller waits in silence."""
SILENCE_S = 5.0
"""Between two pieces of an answer, and before the first one."""
_TIMEOUTS = {"connect": CONNECT_S, "read": SILENCE_S, "write": SILENCE_S, "pool": CONNECT_S}
_FATAL_STATUS = frozenset({400, 401, 403, 404, 405, 422})


class Web:
    """One pool of connections. `name` begins the codes of its errors: `asr`, `llm`, `tts`."""

    def __init__(self, name: str, address: Address) -> None:
        """Open nothing; to read the system's CAs takes 50 ms all the same."""
        # At DEBUG the library logs addresses and headers, and with them keys and callers' words.
        logging.getLogger("httpcore2").setLevel(logging.WARNING)
        self._name = name
        self._base_url = address.base_url.rstrip("/")
        key = address.api_key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEPT_S,
        )

    @contextlib.asynccontextmanager
    async def post(
        self, path: str, body: bytes, content_type: str, *, deadline_s: float, max_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send a body; the context gives the pieces of the answer, and closes it.

        Args:
            path: below the base address.
            body: what to send.
            content_type: of the body.
            deadline_s: for the whole answer.
            max_bytes: a longer answer is given up.

        Raises:
            SpeechError: refused, unreachable, too slow or too long; `NAME_http_503` and the like.
        """
        headers = self._headers | {"Content-Type": content_type, "Accept-Encoding": "identity"}
        # Around each wait, not the whole: what happens between two pieces is not ours to stop.
        deadline = asyncio.get_running_loop().time() + deadline_s
        with self._errors():
            async with contextlib.AsyncExitStack() as opened:
                async with asyncio.timeout_at(deadline):
                    stream = self._stream(path, headers, body)
                    response = await opened.enter_async_context(stream)
                if not 200 <= response.status < 300:
                    raise self._error(
                        f"http_{response.status}", retryable=response.status not in _FATAL_STATUS
                    )
                yield self._pieces(response, max_bytes, deadline)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    def _stream(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> contextlib.AbstractAsyncContextManager[httpcore2.Response]:
        return self._pool.stream(
            "POST",
            self._base_url + path,
            headers=list(headers.items()),
            content=body,
            extensions={"timeout": _TIMEOUTS},
        )

    async def _pieces(
        self, response: httpcore2.Response, max_bytes: int, deadline: float
    ) -> AsyncIterator[bytes]:
        left, stream = max_bytes, response.aiter_stream()
        while True:
            async with asyncio.timeout_at(deadline):
                piece = await anext(stream, None)
            if piece is None:
                return
            left -= len(piece)
            if left < 0:
                raise self._error("too_large", retryable=True)
            yield piece

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the connection raises into our error, without anybody's words."""
        try:
            yield
        except (TimeoutError, httpcore2.TimeoutException):
            raise self._error("timeout", retryable=True) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError):
            raise self._error("unreachable", retryable=True) from None

    def _error(self, code: str, *, retryable: bool) -> SpeechError:
        return SpeechError(f"{self._name}_{code}", retryable=retryable)
