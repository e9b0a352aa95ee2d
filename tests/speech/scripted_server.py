"""A Realtime server that follows a script of a few lines, for what no real server would do.

The script gets a `Peer`. Every client event that arrives is checked against OpenAI's types, also
those that the script never asks for; what goes wrong fails the test at the end of the `async with`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from service.speech.endpoints import Endpoint, openai_endpoint
from tests.openai_schema import assert_client_event

KEY = "sk-very-secret"
_WAIT_S = 60.0  # virtual where the loop is
PCMU = {"format": {"type": "audio/pcmu"}}
PCM = {"format": {"type": "audio/pcm", "rate": 24000}}


class Peer:
    """The server's end of one socket."""

    def __init__(self, connection: ServerConnection) -> None:
        self.socket = connection
        self.received: list[dict[str, Any]] = []

    @property
    def headers(self) -> Headers:
        assert self.socket.request
        return self.socket.request.headers

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "event_id": "event_1", **fields}))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(_WAIT_S):
            frame = await self.socket.recv()
        assert isinstance(frame, str), "a binary frame"
        event: dict[str, Any] = json.loads(frame)
        assert_client_event(event)
        self.received.append(event)
        return event

    async def one(self, kind: str) -> dict[str, Any]:
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def updated(self, audio_in: Any = PCMU, audio_out: Any = PCMU) -> None:
        session = {"type": "realtime", "audio": {"input": audio_in, "output": audio_out}}
        await self.send("session.updated", session=session)

    async def refuse(self, event: dict[str, Any], code: str = "unknown_parameter") -> None:
        error = {"type": "invalid_request_error", "code": code, "event_id": event["event_id"]}
        await self.send("error", error=error)

    async def accept(self) -> None:
        """Go through a configuration that succeeds at once."""
        await self.send("session.created", session={"type": "realtime", "audio": {}})
        await self.one("session.update")
        await self.updated()

    async def stop_reading(self) -> None:
        """Take nothing off the network any more, until the end of the test."""
        self.socket.transport.pause_reading()
        await self.socket.wait_closed()


Script = Callable[[Peer], Awaitable[object]]


class ScriptedServer:
    """Plays the script on every socket; `peers` are in order of arrival.

    `answer` replaces the upgrade by an HTTP answer.
    """

    def __init__(self, script: Script, answer: tuple[int, dict[str, str]] | None = None) -> None:
        self.peers: list[Peer] = []
        self._script = script
        self._answer = answer
        self._errors: list[BaseException] = []
        self._server: Server | None = None

    async def __aenter__(self) -> "ScriptedServer":
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server
        for peer in self.peers:
            peer.socket.transport.abort()
        self._server.close()
        await self._server.wait_closed()
        if self._errors:
            raise self._errors[0]

    @property
    def url(self) -> str:
        assert self._server
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def endpoint(self) -> Endpoint:
        return openai_endpoint(f"{self.url}/v1", KEY, "gpt-realtime-2.1")

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._answer is None:
            return None
        status, headers = self._answer
        return Response(status, "Scripted", Headers({"Content-Length": "0", **headers}), b"")

    async def _serve(self, connection: ServerConnection) -> None:
        peer = Peer(connection)
        self.peers.append(peer)
        try:
            await self._script(peer)
            while True:
                await peer.next()
        except (ConnectionClosed, TimeoutError):
            pass
        except AssertionError as error:
            self._errors.append(error)
