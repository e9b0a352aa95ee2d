"""The socket of an emulated Genesys call: the signed upgrade, and the one writer.

Source: AudioHook specification sections 1 (upgrade), 2 and 3.1 (envelope, counters).
"""

import asyncio
import socket as sockets
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scripts.emulators.genesys_setup import CallSetup
from scripts.emulators.genesys_signing import (
    DEFAULT_PORTS,
    LIFETIME_S,
    SignatureParameters,
    authority_of,
    choose_order,
    new_nonce,
    request_target,
    signature_headers,
)

USER_AGENT = "GenesysCloud-AudioHook-Client"


class _Upgrade(connect):
    """Follows no redirect, as the reference client does not."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def upgrade_headers(setup: CallSetup, *, random: Random, unix_s: int) -> list[tuple[str, str]]:
    """Return the headers of section 1.1; signed when there is a client secret."""
    headers = {
        "Audiohook-Organization-Id": setup.organization_id,
        "Audiohook-Correlation-Id": setup.correlation_id,
        "Audiohook-Session-Id": setup.session_id,
        "X-API-KEY": setup.api_key,
    }
    if setup.client_secret is not None:
        values = {name.lower(): value for name, value in headers.items()}
        values["@request-target"] = request_target(setup.url)
        values["@authority"] = setup.authority or authority_of(setup.url)
        parameters = SignatureParameters(
            key_id=setup.api_key,
            nonce=new_nonce(random),
            created=unix_s,
            expires=unix_s + LIFETIME_S,
        )
        headers |= signature_headers(
            values, choose_order(random), parameters, client_secret=setup.client_secret
        )
    omitted = setup.habits.omitted_headers
    kept = [(name, value) for name, value in headers.items() if name.lower() not in omitted]
    return [*kept, *setup.habits.extra_headers]


async def open_socket(setup: CallSetup, headers: list[tuple[str, str]]) -> ClientConnection:
    """Return the connected socket after the 101; the caller closes it.

    Raises:
        OSError: The server could not be reached in time.
        websockets.exceptions.InvalidHandshake: It refused the upgrade.
    """
    return await _Upgrade(
        setup.url,
        additional_headers=headers,
        user_agent_header=USER_AGENT,
        compression=None,
        proxy=None,
        open_timeout=setup.timers.connect_s,
        # AudioHook has its own pings; RFC 6455 ones are not used.
        ping_interval=None,
        close_timeout=setup.timers.socket_close_s,
        sock=await _narrow_socket(setup),
    )


async def _narrow_socket(setup: CallSetup) -> sockets.socket | None:
    """Return a connected socket with a small receive buffer, when the setup wants one."""
    size = setup.habits.receive_buffer_bytes
    if size is None:
        return None
    parts = urlsplit(setup.url)
    loop = asyncio.get_running_loop()
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    (family, kind, proto, _, address), *_ = await loop.getaddrinfo(
        parts.hostname, port, type=sockets.SOCK_STREAM
    )
    narrow = sockets.socket(family, kind, proto)
    try:
        narrow.setblocking(False)
        narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, size)
        async with asyncio.timeout(setup.timers.connect_s):
            await loop.sock_connect(narrow, address)
    except BaseException:
        narrow.close()
        raise
    return narrow


class Wire:
    """Numbers text messages and sends everything in the order in which it was given.

    Args:
        socket: Open; `run` closes it after `close`.
        session_id: The `id` of every message.
        send_s: Deadline of one write.
        on_stuck: Called when a write missed it; nothing is sent afterwards.
    """

    def __init__(
        self,
        socket: ClientConnection,
        session_id: str,
        *,
        send_s: float,
        on_stuck: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._session_id = session_id
        self._send_s = send_s
        self._on_stuck = on_stuck
        self._queue: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.seq = 0  # of the last text message

    def text(
        self,
        message_type: str,
        parameters: Mapping[str, object],
        *,
        serverseq: int,
        position: str,
        overrides: Mapping[str, object] | None = None,
    ) -> int:
        """Queue one message; return its seq. *overrides* replace members of the envelope.

        A message with a seq of its own takes no number from the counter.
        """
        overrides = overrides or {}
        if "seq" not in overrides:
            self.seq += 1
        envelope: dict[str, object] = {
            "version": "2",
            "id": self._session_id,
            "type": message_type,
            "seq": self.seq,
            "serverseq": serverseq,
            "position": position,
            "parameters": parameters,
        }
        self._queue.put_nowait(msgspec.json.encode(envelope | dict(overrides)).decode())
        return self.seq

    def raw(self, message: str | bytes) -> None:
        """Queue a message as it is: text or binary, right or wrong."""
        self._queue.put_nowait(message)

    def close(self) -> None:
        """Close the socket with 1000 after everything queued so far; nothing follows."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Send until the socket is closed, by whomever."""
        try:
            while (message := await self._queue.get()) is not None:
                async with asyncio.timeout(self._send_s):
                    await self._socket.send(message)
            await self._socket.close(1000)
        except ConnectionClosed:
            return
        except TimeoutError:
            self._on_stuck()
