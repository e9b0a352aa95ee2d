"""The least that a relay can cost in Python: both sockets in picows, and a few lines between.

    python -m scripts.benchmark.relay_picows PORT MODEL_URL

No pacing, no authentication, no deadlines, nobody told when something breaks: a yardstick.
"""

import asyncio
import sys

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
    ws_create_server,
)

from scripts.benchmark.relay import append, audio_of, make_answering


class _Caller(WSListener):
    def __init__(self, model_url: str, dials: asyncio.TaskGroup) -> None:
        self._model_url = model_url
        self._dials = dials
        self._answer = make_answering()
        self._model: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._dials.create_task(self._dial(transport))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            if self._model is not None:
                self._model.send(WSMsgType.TEXT, append(frame.get_payload_as_memoryview()))
        elif frame.msg_type == WSMsgType.TEXT:
            answer = self._answer(frame.get_payload_as_bytes())
            if answer is not None:
                transport.send(WSMsgType.TEXT, answer)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        del transport
        if self._model is not None:
            self._model.disconnect()

    async def _dial(self, caller: WSTransport) -> None:
        self._model, _ = await ws_connect(lambda: _Model(caller), self._model_url)


class _Model(WSListener):
    def __init__(self, caller: WSTransport) -> None:
        self._caller = caller

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            pcmu = audio_of(frame.get_payload_as_bytes())
            if pcmu is not None:
                self._caller.send(WSMsgType.BINARY, pcmu)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def _serve(port: int, model_url: str) -> None:
    async with asyncio.TaskGroup() as dials:
        server = await ws_create_server(lambda _: _Caller(model_url, dials), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
