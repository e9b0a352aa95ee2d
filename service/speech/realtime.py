"""Speech by a Realtime API over a WebSocket: the socket around `realtime_rules`.

Source: Realtime specification, 2 (connecting), 4.3 (configuring), 11.1 (close codes).
"""

import asyncio
import logging
import math
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHeader,
    InvalidStatus,
    WebSocketException,
)

from service.audio.playout import HeardItem
from service.bots.port import Bot
from service.secrets.port import KeySource, SecretsError
from service.speech import realtime_wire as wire
from service.speech.endpoints import Endpoint
from service.speech.port import (
    MODEL_SILENT,
    Remembered,
    SpeechError,
    SpeechEvent,
    TextSpeaker,
)
from service.speech.realtime_config import session_update, without_extras
from service.speech.realtime_rules import RealtimeRules

CONNECT_DEADLINE_S = 10.0
"""For the whole way to a configured session; callers wait in silence meanwhile."""
CONFIGURE_DEADLINE_S = 3.0
"""For one `session.update` to be answered."""
CLOSE_DEADLINE_S = 1.0
SLOW_SEND_S = 0.05
"""A send that waits longer leaves its bytes to the socket's buffer: the reader must go on."""
SMALL_FRAME_BYTES = 16_384
"""Half of what the library's socket buffer takes without waiting; caller audio is 2 kB."""
WATCH_S = 0.5
"""How late a silent model is noticed; it has ten seconds and more."""
STALL_DEADLINE_S = 2.0
"""A server that takes nothing for so long is lost."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Some server frames carry whole items with their audio; 1 MiB, the library's limit, is less."""
_log = logging.getLogger(__name__)
_FATAL_STATUS = frozenset({400, 401, 403, 404})
_KEY_REFUSED = frozenset({"http_401", "closed_3000", "invalid_api_key"})
_FATAL_CLOSE = frozenset({1009, 3000, 4000})


class RealtimeProvider:
    """Opens Realtime conversations at one endpoint."""

    def __init__(self, endpoint: Endpoint, key: KeySource | None = None) -> None:
        """With a `key`, each conversation takes the key of that moment, not the endpoint's."""
        self._endpoint = endpoint
        self._key = key
        self._tls: ssl.SSLContext | None = None

    async def connect(self, bot: Bot) -> "RealtimeSession":
        """Return a session that was configured for the bot and speaks PCMU both ways.

        Raises:
            SpeechError: refused, unreachable, too slow, or not able to speak PCMU; or there is no
                key now.
        """
        endpoint = self._endpoint.of_model(bot.model)
        with _speech_errors():
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                if self._key is None:
                    return await self._open(endpoint, bot)
                return await self._open_with(self._key, endpoint, bot)

    async def _open_with(self, key: KeySource, endpoint: Endpoint, bot: Bot) -> "RealtimeSession":
        """Open with the key in force; with the newer one, if that is refused and there is one."""
        known = endpoint.with_key(await key.get())
        try:
            with _speech_errors():
                return await self._open(known, bot)
        except SpeechError as refusal:
            if refusal.code not in _KEY_REFUSED:
                raise
            newer = endpoint.with_key(await key.get_newer())
            if newer == known:
                raise
        return await self._open(newer, bot)

    async def _open(self, endpoint: Endpoint, bot: Bot) -> "RealtimeSession":
        socket = await _Dial(
            endpoint.url,
            ssl=await self._tls_context(),
            additional_headers=endpoint.headers,
            compression=None,  # base64 audio does not shrink and costs 0.4 ms a message
            max_size=MAX_FRAME_BYTES,
            close_timeout=CLOSE_DEADLINE_S,
            proxy=None,
        )
        try:
            is_reduced = await _configure(socket, bot)
        except BaseException:
            socket.transport.abort()
            raise
        return RealtimeSession(socket, endpoint.model, bot, is_reduced=is_reduced)

    async def aclose(self) -> None:
        """Do nothing: conversations share no connection."""

    async def _tls_context(self) -> ssl.SSLContext | None:
        """Return the one context of all connections: to read the system's CAs takes 50 ms."""
        if self._tls is None and self._endpoint.url.startswith("wss:"):
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


class RealtimeSession:
    """One configured conversation. Sending never raises: failures come from the iteration."""

    def __init__(
        self, socket: ClientConnection, model: str, bot: Bot, *, is_reduced: bool = False
    ) -> None:
        self.model = model
        self.is_reduced = is_reduced
        self._socket = socket
        self._rules = RealtimeRules(without_extras(bot) if is_reduced else bot)
        self._events: deque[SpeechEvent] = deque()
        self._failure: SpeechError | None = None
        self._stalled_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._watch = self._loop.call_later(WATCH_S, self._look_whether_alive)

    async def send_audio(self, pcmu: bytes) -> None:
        """Pass caller audio on; waits at most `SLOW_SEND_S`."""
        await self._send(wire.append_audio(pcmu))

    async def send_text(
        self, text: str, *, speaker: TextSpeaker = "caller", wants_reply: bool = True
    ) -> None:
        """Add a text to the conversation, and let the model react if a reply is wanted."""
        self._rules.add_text(text, speaker, self._clock(), wants_reply=wants_reply)
        await self._flush()

    async def restore(self, memories: Sequence[Remembered]) -> None:
        """Put what happened before into the new conversation."""
        self._rules.restore(memories)
        await self._flush()

    async def send_tool_result(self, call_id: str, output: str, *, then_say: str = "") -> None:
        """Answer a function call; unknown ids are ignored."""
        self._rules.add_tool_result(call_id, output, then_say, self._clock())
        await self._flush()

    async def abandon_calls(self, *, but: str = "") -> None:
        """Close the function calls that are open, without going on from them."""
        self._rules.abandon_calls(but)
        await self._flush()

    async def say(self, instruction: str, *, may_use_tools: bool = True) -> None:
        """Let the model speak now, or after the response that is alive."""
        self._rules.say(instruction, self._clock(), may_use_tools=may_use_tools)
        await self._flush()

    async def change_bot(self, bot: Bot) -> None:
        """Go on as another bot; `BotChanged` answers."""
        self._rules.change_bot(bot)
        await self._flush()

    async def use_model(self, model: str) -> None:
        """Do nothing: a conversation keeps its model. A chain makes another conversation."""

    async def forget_caller(self) -> None:
        """Clear what the server has of the caller's unfinished turn."""
        self._rules.forget_caller(self._clock())
        await self._flush()

    async def revive(self, *, elsewhere: bool) -> None:
        """Ask for a response that seems to be forgotten, or drop the connection."""
        if elsewhere:
            self._fail(SpeechError(MODEL_SILENT, retryable=True))
            return
        self._rules.ask_again(self._clock())
        await self._flush()

    async def interrupt(self, heard: Sequence[HeardItem]) -> None:
        """Truncate or delete what the caller did not hear."""
        self._rules.interrupt(heard)
        await self._flush()

    async def aclose(self) -> None:
        """Close the socket, politely within `CLOSE_DEADLINE_S`."""
        self._watch.cancel()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._socket.close()
        except TimeoutError:
            pass  # a server that does not read does not see our farewell either
        finally:
            self._socket.transport.abort()

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """Return the session itself: iterating again goes on where it was left."""
        return self

    async def __anext__(self) -> SpeechEvent:
        """Return the next event; safe to cancel.

        Raises:
            SpeechError: the conversation is over.
        """
        while not self._events:
            frame = await self._receive()
            if frame is None:
                self._rules.poll(self._clock())
            else:
                self._events.extend(self._rules.receive(frame, self._clock()))
            if self._rules.outgoing:
                await self._flush()
        return self._events.popleft()

    async def _receive(self) -> bytes | None:
        """Return the next frame, or None when it is time to ask again for a refused response."""
        try:
            if self._rules.retry_at == math.inf:
                return await self._socket.recv(decode=False)
            async with asyncio.timeout_at(self._rules.retry_at):
                return await self._socket.recv(decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise self._failure or _closed(error) from error

    def _look_whether_alive(self) -> None:
        """Drop a model that was silent for too long, which ends the iteration.

        One timer twice a second costs less than a deadline for every frame.
        """
        try:
            self._rules.check_alive(self._clock())
        except SpeechError as failure:
            self._fail(failure)
        else:
            self._watch = self._loop.call_later(WATCH_S, self._look_whether_alive)

    def _fail(self, failure: SpeechError) -> None:
        self._failure = self._failure or failure
        self._socket.transport.abort()

    async def _flush(self) -> None:
        # One by one: a cancellation, or another task that sends too, must not lose or swap frames.
        while self._rules.outgoing:
            await self._send(self._rules.outgoing.pop(0))

    async def _send(self, frame: bytes) -> None:
        """Write a frame. A server that does not read is dropped, which ends the iteration."""
        try:
            if self._socket.transport.get_write_buffer_size() or len(frame) > SMALL_FRAME_BYTES:
                await self._send_slowly(frame)
            else:  # there is room: nothing to wait for
                await self._socket.send(frame, text=True)
                self._stalled_since = None
        except ConnectionClosed:
            pass

    async def _send_slowly(self, frame: bytes) -> None:
        try:
            # Once for all frames: small ones come so often that waiting for each stops the reader.
            async with asyncio.timeout(0 if self._stalled_since else SLOW_SEND_S):
                await self._socket.send(frame, text=True)
            self._stalled_since = None
        except TimeoutError:
            # The frame is in the socket's buffer already; only the wait for room was cut short.
            now = self._clock()
            self._stalled_since = self._stalled_since or now
            if now - self._stalled_since > STALL_DEADLINE_S:
                self._socket.transport.abort()


class _Dial(connect):
    """Follows no redirect: that could carry the caller, or Azure's key, to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the error itself, which is no address to go on to."""
        return exc


async def _configure(socket: ClientConnection, bot: Bot) -> bool:
    """Bring the session to PCMU: with everything the bot asks for, else with the least (4.3).

    Returns:
        True when it became the least.
    """
    was_answered = False
    for event_id, reduced in (("cfg_1", False), ("cfg_2", True)):
        await socket.send(session_update(bot, event_id, reduced=reduced), text=True)
        try:
            async with asyncio.timeout(CONFIGURE_DEADLINE_S):
                if await _is_accepted(socket, event_id, bot):
                    if reduced:
                        _log.warning("the model refused the full session; extras are off")
                    return reduced
            was_answered = True
        except TimeoutError:
            continue
    # A refusal will be repeated; a server that is silent now may speak to the next attempt.
    code = "session_refused" if was_answered else "session_unanswered"
    raise SpeechError(code, retryable=not was_answered)


async def _is_accepted(socket: ClientConnection, event_id: str, bot: Bot) -> bool:
    rules = RealtimeRules(bot)
    while True:
        frame = await socket.recv(decode=False)
        event = wire.decode(frame)
        if isinstance(event, wire.SessionUpdated):
            return event.session.speaks_pcmu
        if (
            isinstance(event, wire.ServerError)
            and wire.read_error(event.error).event_id == event_id
        ):
            return False
        rules.receive(frame, 0.0)  # raises on an error that ends the session


def _closed(error: ConnectionClosed) -> SpeechError:
    code = error.rcvd.code if error.rcvd else 1006
    return SpeechError(f"closed_{code}", retryable=code not in _FATAL_CLOSE)


@contextmanager
def _speech_errors() -> Iterator[None]:
    """Turn what the socket raises into our error, without the server's own words."""
    try:
        yield
    except InvalidStatus as error:
        status = error.response.status_code
        raise SpeechError(f"http_{status}", retryable=status not in _FATAL_STATUS) from error
    except ConnectionClosed as error:
        raise _closed(error) from error
    except TimeoutError as error:
        raise SpeechError("connect_timeout", retryable=True) from error
    except SecretsError as error:
        raise SpeechError("key_unavailable", retryable=True) from error
    except InvalidHeader:
        # The header may be ours, then the error quotes the key: it must not be chained.
        raise SpeechError("unreachable", retryable=True) from None
    except (OSError, WebSocketException) as error:
        raise SpeechError("unreachable", retryable=True) from error
