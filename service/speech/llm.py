"""A mind over HTTP: an OpenAI-compatible `chat/completions` endpoint, streamed.

Source: OpenAI API reference, "Create chat completion" and its streaming; HTML standard, 9.2
(server-sent events).
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from service.speech.cascade_parts import ChatPiece, ChatUsage, FunctionCall, Message, schema_of
from service.speech.port import SpeechError
from service.speech.web import Web
from service.tools.port import Tool

DEADLINE_S = 60.0
"""For a whole answer, which is spoken while it comes."""
MAX_ANSWER_BYTES = 4 << 20
MAX_LINE_BYTES = 262_144
MAX_CALLS = 16
"""Of functions in one answer."""
MAX_ARGUMENTS_CHARS = 65_536


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


class HttpChatModel:
    """Asks for one streamed completion an answer."""

    def __init__(self, web: Web, model: str) -> None:
        self.model = model
        self._web = web

    async def answer(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> AsyncGenerator[ChatPiece, None]:
        """Yield the answer while it is made; see `ChatModel`."""
        body = msgspec.json.encode(request(self.model, messages, tools))
        stream = AnswerStream()
        async with self._web.post(
            "/chat/completions",
            body,
            "application/json",
            deadline_s=DEADLINE_S,
            max_bytes=MAX_ANSWER_BYTES,
        ) as pieces:
            async for piece in pieces:
                for words in stream.read(piece):
                    yield words
        for rest in stream.finish():
            yield rest

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.aclose()


class AnswerStream:
    """The server-sent events of one completion, without a socket."""

    def __init__(self) -> None:
        self._rest = b""
        self._calls: dict[int, FunctionCall] = {}
        self._usage: ChatUsage | None = None
        self._has_ended = False

    def read(self, piece: bytes) -> list[str]:
        """Return the words in the next bytes.

        Raises:
            SpeechError: the server reports an error, or writes something else.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise _bad_answer()
        words = [self._read_line(line.strip()) for line in lines]
        return [word for word in words if word]

    def finish(self) -> list[FunctionCall | ChatUsage]:
        """Return the calls and the usage, once all bytes were read.

        Raises:
            SpeechError: the answer was cut short: its last call may be half a call.
        """
        if not self._has_ended:
            raise _bad_answer()
        calls = [call for call in self._calls.values() if call.name]
        return [*calls, self._usage] if self._usage else [*calls]

    def _read_line(self, line: bytes) -> str:
        if not line.startswith(b"data:"):
            return ""  # a comment that keeps the line alive, or the end of an event
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            self._has_ended = True
            return ""
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _bad_answer() from None
        return self._read_chunk(chunk)

    def _read_chunk(self, chunk: _Chunk) -> str:
        if bytes(chunk.error) not in (b"", b"null"):
            raise SpeechError("llm_failed", retryable=True)
        if chunk.usage:
            details = chunk.usage.prompt_tokens_details
            self._usage = ChatUsage(
                chunk.usage.prompt_tokens,
                (details and details.cached_tokens) or 0,
                chunk.usage.completion_tokens,
            )
        delta = chunk.choices[0].delta if chunk.choices else None
        for call in (delta and delta.tool_calls) or ():
            self._add_call(call)
        return (delta and delta.content) or ""

    def _add_call(self, piece: _Call) -> None:
        known = self._calls.get(piece.index, FunctionCall(f"call_{piece.index}", "", ""))
        function = piece.function or _Function()
        arguments = known.arguments + (function.arguments or "")
        if len(arguments) > MAX_ARGUMENTS_CHARS or len(self._calls) > MAX_CALLS:
            raise _bad_answer()
        name = known.name or function.name or ""
        self._calls[piece.index] = FunctionCall(piece.id or known.call_id, name, arguments)


def request(model: str, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the body of a request."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [wire for message in messages for wire in _wire(message)],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if tools:
        body["tools"] = [{"type": "function", "function": schema_of(tool)} for tool in tools]
    return body


def _wire(message: Message) -> list[dict[str, Any]]:
    """Return a message, and the results of its calls, which have to follow it at once."""
    first: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.calls:
        first["content"] = message.text or None
        first["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    results = (
        {"role": "tool", "tool_call_id": result.call_id, "content": result.output}
        for result in message.results
    )
    return [first, *results]


def _bad_answer() -> SpeechError:
    return SpeechError("llm_bad_answer", retryable=True)
