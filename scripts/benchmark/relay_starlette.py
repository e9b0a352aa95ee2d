"""The same few lines on the libraries of the service: Starlette, uvicorn, websockets, uvloop.

    python -m scripts.benchmark.relay_starlette PORT MODEL_URL

No pacing, no authentication, no deadlines, nobody told when something breaks: a yardstick.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scripts.benchmark.relay import append, audio_of, make_answering


def _relay_to(model_url: str) -> Callable[[WebSocket], Awaitable[None]]:
    async def relay(caller: WebSocket) -> None:
        await caller.accept()
        try:
            async with (
                connect(model_url, compression=None, proxy=None) as model,
                asyncio.TaskGroup() as ways,
            ):
                ways.create_task(_up(caller, model))
                ways.create_task(_down(model, caller))
        except* (WebSocketDisconnect, ConnectionClosed):
            pass

    return relay


async def _up(caller: WebSocket, model: ClientConnection) -> None:
    answer_to = make_answering()
    while True:
        message = await caller.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        text = message.get("text")
        if text is None:
            await model.send(append(message["bytes"]), text=True)
        elif (answer := answer_to(text)) is not None:
            await caller.send_text(answer.decode())


async def _down(model: ClientConnection, caller: WebSocket) -> None:
    while True:
        pcmu = audio_of(await model.recv(decode=False))
        if pcmu is not None:
            await caller.send_bytes(pcmu)


def _serve(port: int, model_url: str) -> None:
    routes = [WebSocketRoute("/{path:path}", _relay_to(model_url))]
    uvicorn.run(
        Starlette(routes=routes),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])
