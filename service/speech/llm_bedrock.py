"""A mind by Amazon Bedrock: any chat model that its Converse API streams.

To import this file loads boto3; `service.wiring` does so when the first cascade starts.
Source: the service model that comes with botocore (`ConverseStream`); Amazon Bedrock user guide,
"Carry out a conversation with the Converse API operations".
"""

import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import msgspec
from botocore.config import Config

from service.speech.cascade_parts import ChatPiece, ChatUsage, FunctionCall, Message
from service.speech.in_thread import Put, pieces_of
from service.speech.port import SpeechError
from service.tools.port import Tool

DEADLINE_S = 60.0
"""For a whole answer, which is spoken while it comes."""
CONNECT_S = 3
SILENCE_S = 5
MAX_THREADS = 64
MAX_CALLS = 16
"""Of functions in one answer."""
MAX_ARGUMENTS_CHARS = 65_536
_BEGINNING = "(The call begins.)"
"""A conversation has to begin with the user."""


class BedrockChatModel:
    """Asks for one streamed answer after the other."""

    def __init__(self, session: boto3.session.Session, model: str) -> None:
        """Make the client, which takes about as long as the import.

        Args:
            session: of boto3, with its region (`service.aws_session`).
            model: id of a model or of an inference profile.
        """
        self.model = model
        self._client: Any = session.client(
            "bedrock-runtime",
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=SILENCE_S,
                max_pool_connections=MAX_THREADS,
                retries={"total_max_attempts": 1},  # the cascade tries again by itself
            ),
        )
        self._threads = ThreadPoolExecutor(MAX_THREADS, "bedrock")

    def answer(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> AsyncGenerator[ChatPiece, None]:
        """Yield the answer while it is made; see `ChatModel`."""
        asked = request(self.model, messages, tools)

        def read(put: Put[ChatPiece], is_left: threading.Event) -> None:
            stream = AnswerEvents()
            events = self._client.converse_stream(**asked)["stream"]
            try:
                for event in events:
                    if is_left.is_set():
                        return
                    if words := stream.take(event):
                        put(words)
            finally:
                events.close()
            for rest in stream.finish():
                put(rest)

        return pieces_of(self._threads, read, part="llm", deadline_s=DEADLINE_S)

    async def aclose(self) -> None:
        """Let the threads end and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


class AnswerEvents:
    """The events of one answer, without a connection."""

    def __init__(self) -> None:
        self._calls: dict[int, FunctionCall] = {}
        self._usage: ChatUsage | None = None
        self._has_ended = False

    def take(self, event: dict[str, Any]) -> str:
        """Return the words in an event.

        Raises:
            SpeechError: the answer is out of all bounds.
        """
        if "contentBlockDelta" in event:
            return self._take_delta(event["contentBlockDelta"])
        if "contentBlockStart" in event:
            begun = event["contentBlockStart"]
            if use := begun.get("start", {}).get("toolUse"):
                call = FunctionCall(use["toolUseId"], use["name"], "")
                self._calls[begun.get("contentBlockIndex", 0)] = call
        elif "messageStop" in event:
            self._has_ended = True
        elif "metadata" in event:
            used = event["metadata"].get("usage", {})
            cached = used.get("cacheReadInputTokens", 0)
            self._usage = ChatUsage(
                used.get("inputTokens", 0) + cached, cached, used.get("outputTokens", 0)
            )
        return ""

    def finish(self) -> list[FunctionCall | ChatUsage]:
        """Return the calls and the usage, once all events were taken.

        Raises:
            SpeechError: the answer was cut short: its last call may be half a call.
        """
        if not self._has_ended:
            raise SpeechError("llm_bad_answer", retryable=True)
        return [*self._calls.values(), *([self._usage] if self._usage else [])]

    def _take_delta(self, delta: dict[str, Any]) -> str:
        piece = delta.get("delta", {})
        if "toolUse" in piece:
            self._add_arguments(delta.get("contentBlockIndex", 0), piece["toolUse"]["input"])
        text: str = piece.get("text", "")
        return text

    def _add_arguments(self, index: int, piece: str) -> None:
        call = self._calls.get(index)
        if call is None:
            return
        arguments = call.arguments + piece
        if len(arguments) > MAX_ARGUMENTS_CHARS or len(self._calls) > MAX_CALLS:
            raise SpeechError("llm_bad_answer", retryable=True)
        self._calls[index] = FunctionCall(call.call_id, call.name, arguments)


def request(model: str, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, Any]:
    """Return the arguments of `converse_stream`.

    Turns alternate there and begin with the user, orders stand apart, and calls may be named only
    where functions are offered: without them they are told in words.
    """
    orders = list(_leading_orders(messages))
    turns: list[dict[str, Any]] = []
    for message in messages[len(orders) :]:
        for role, content in _turns_of(message, has_tools=bool(tools)):
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += content
            else:
                turns.append({"role": role, "content": content})
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [{"text": _BEGINNING}]})
    asked: dict[str, Any] = {"modelId": model, "messages": turns}
    if orders:
        asked["system"] = [{"text": order} for order in orders]
    if tools:
        asked["toolConfig"] = {"tools": [{"toolSpec": _spec_of(tool)} for tool in tools]}
    return asked


def _leading_orders(messages: Iterable[Message]) -> Iterable[str]:
    for message in messages:
        if message.role != "system":
            return
        yield message.text


def _turns_of(message: Message, *, has_tools: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    if message.role == "system":  # an order in the middle: there is no other place for it
        return [("user", [{"text": f"(Instruction of the service: {message.text})"}])]
    texts: list[dict[str, Any]] = [{"text": message.text}] if message.text.strip() else []
    if not message.calls:
        return [(message.role, texts)] if texts else []
    if not has_tools:
        told = [
            {"text": f"(The function {call.name} was called and gave: {result.output})"}
            for call, result in zip(message.calls, message.results, strict=True)
        ]
        return [(message.role, texts), ("user", told)] if texts else [("user", told)]
    calls = [
        {
            "toolUse": {
                "toolUseId": call.call_id,
                "name": call.name,
                "input": _object_of(call.arguments),
            }
        }
        for call in message.calls
    ]
    results = [
        {"toolResult": {"toolUseId": it.call_id, "content": [{"text": it.output or "null"}]}}
        for it in message.results
    ]
    return [(message.role, [*texts, *calls]), ("user", results)]


def _spec_of(tool: Tool) -> dict[str, Any]:
    schema = tool.parameters or {"type": "object", "properties": {}}
    spec: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": schema}}
    return spec | ({"description": tool.description} if tool.description else {})


def _object_of(arguments: str) -> dict[str, Any]:
    """Return arguments as Bedrock wants them; what the model wrote wrongly becomes nothing."""
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}
