"""Three speech services over HTTP on loopback: ears, a mind and a voice.

Written from OpenAI's API reference: `audio/transcriptions` (multipart, a WAV file),
`chat/completions` (streamed, with calls of functions and usage) and `audio/speech` (24 kHz PCM);
and from that of Amazon Polly (`SynthesizeSpeech`, `mulaw`). The ears hear words from a script, the
mind is a `Brain`, the voices speak in tones. Each can be told to fail.
"""

import asyncio
import contextlib
import json
import re
from array import array
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scripts.emulators.brains import Brain, CallTool, Speak

ASR, LLM, TTS = "/v1/audio/transcriptions", "/v1/chat/completions", "/v1/audio/speech"
POLLY = "/v1/speech"
TTS_RATE_HZ = 24_000
MS_PER_CHAR = 65
"""Of each character in tones."""
MAX_BODY_BYTES = 32 << 20

Fault = int | Literal["cut", "hang", "nonsense"]
"""A status; an answer that breaks off; none at all; one of another form."""


@dataclass(slots=True)
class Heard:
    """One request; `json` is empty for a multipart one, whose sound is in `pcm16`."""

    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def pcm16(self) -> bytes:
        """The samples of the WAV file in a form."""
        _, _, rest = self.body.partition(b"RIFF")
        _, _, sound = rest.partition(b"data")
        return sound[4 : 4 + int.from_bytes(sound[:4], "little")]

    @property
    def fields(self) -> dict[str, str]:
        """The texts of a form."""
        pairs = re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', self.body, re.DOTALL)
        return {name.decode(): value.decode() for name, value in pairs}


class SpeechServices:
    """A server with all three; use it as a context.

    Attributes:
        requests: everything that was asked, in order.
        faults: by path, what the next requests get instead of an answer.
        words: what the ears hear next.
        speed: of the voice, as a multiple of real time; 0 gives all at once.
    """

    def __init__(
        self, brain: Brain, *words: str, ms_per_char: int = MS_PER_CHAR, speed: float = 0.0
    ) -> None:
        self.requests: list[Heard] = []
        self.faults: dict[str, deque[Fault]] = {path: deque() for path in (ASR, LLM, TTS, POLLY)}
        self.words = deque(words)
        self.speed = speed
        self.base_url = ""
        self._brain = brain
        self._ms_per_char = ms_per_char
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "SpeechServices":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def asked(self, path: str) -> list[Heard]:
        """What one of the services was asked."""
        return [request for request in self.requests if request.path == path]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        # Cancelled when the server is closed: the streams of asyncio would log that as an error.
        ends = (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            try:
                while True:
                    await self._answer(await _read(reader), writer)
            finally:
                writer.transport.abort()

    async def _answer(self, request: Heard, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        faults = self.faults.get(request.path)
        fault = faults.popleft() if faults else 200 if faults is not None else 404
        if fault == "hang":
            await asyncio.Event().wait()
        if isinstance(fault, int) and fault != 200:
            body = b'{"error":{"message":"you asked for the secret 4711"}}'
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (fault, len(body), body)
            )
            return
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        pieces = _nonsense() if fault == "nonsense" else self._pieces(request)
        async for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            if fault == "cut":
                writer.close()
                return
        writer.write(b"0\r\n\r\n")

    def _pieces(self, request: Heard) -> AsyncIterator[bytes]:
        if request.path == ASR:
            return self._hear()
        if request.path == POLLY:
            return self._speak_pcmu(request.json)
        return self._think(request.json) if request.path == LLM else self._speak(request.json)

    async def _hear(self) -> AsyncIterator[bytes]:
        text = self.words.popleft() if self.words else ""
        yield json.dumps({"text": text}).encode()

    async def _think(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        instructions, items = items_of(asked["messages"])
        tools = [tool["function"] for tool in asked.get("tools", ())]
        number = 0
        for part in self._brain.reply(items, tools, instructions):
            if isinstance(part, Speak):
                for word in part.text.split():
                    yield _chunk({"content": f"{word} "})
            elif isinstance(part, CallTool):
                for delta in _call_deltas(number, part):
                    yield _chunk({"tool_calls": [delta]})
                number += 1
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 60},
        }
        yield b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    async def _speak(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        samples = TTS_RATE_HZ * self._ms_per_char * len(asked["input"]) // 1_000
        period = [9_000] * 30 + [-9_000] * 30  # 400 Hz
        sound = array("h", (period * (samples // 60 + 1))[:samples]).tobytes()
        step = 2 * TTS_RATE_HZ // 10 + 1  # samples are cut in two
        for begin in range(0, len(sound), step):
            yield sound[begin : begin + step]
            await asyncio.sleep(0.1 / self.speed if self.speed else 0)

    async def _speak_pcmu(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        if (asked["OutputFormat"], asked["SampleRate"]) != ("mulaw", "8000"):
            raise ValueError("only mulaw of 8000 Hz")
        yield b"\x20\xa0" * (4 * self._ms_per_char * len(asked["Text"]))


def items_of(messages: Sequence[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Return the standing orders, and the other messages as the items that a brain reads.

    Raises:
        ValueError: a call of a function is not followed by its result, which the API refuses.
    """
    items: list[dict[str, Any]] = []
    waiting: set[str] = set()
    for message in messages[1:]:
        if waiting and message["role"] != "tool":
            raise ValueError("calls without results")
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            call_id, output = message["tool_call_id"], message["content"]
            items.append({"type": "function_call_output", "call_id": call_id, "output": output})
        elif message.get("content"):
            content = [{"text": message["content"]}]
            items.append({"type": "message", "role": message["role"], "content": content})
        for call in message.get("tool_calls", ()):
            waiting.add(call["id"])
            name = call["function"]["name"]
            items.append({"type": "function_call", "call_id": call["id"], "name": name})
    if waiting:
        raise ValueError("calls without results")
    return messages[0]["content"], items


async def _nonsense() -> AsyncIterator[bytes]:
    yield b"data: <html>\n\n"


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    path = head[0].split(" ")[1]
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, value in pairs}
    size = min(int(headers.get("content-length", 0)), MAX_BODY_BYTES)
    return Heard(path, headers, await reader.readexactly(size))


def _chunk(delta: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def _call_deltas(number: int, call: CallTool) -> list[dict[str, Any]]:
    """Return a call as it is streamed: its name first, then its arguments in two pieces."""
    arguments = json.dumps(dict(call.arguments))
    half = len(arguments) // 2
    first = {"index": number, "id": f"call_{number}", "type": "function"}
    return [
        first | {"function": {"name": call.name, "arguments": ""}},
        {"index": number, "function": {"arguments": arguments[:half]}},
        {"index": number, "function": {"arguments": arguments[half:]}},
    ]
