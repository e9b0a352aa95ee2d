"""One response from `response.created` to `response.done`: thinking, speaking, being cut.

A response runs as a task; a cancel stops its audio at once and, a moment later, sends the chain
of `done` events from outside of the task. Source: openai_realtime spec 5.2, 7, 9, 14 and 17.7.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Literal

import msgspec

from scripts.emulators import realtime_usage
from scripts.emulators.brains import CallTool, Part, Reply, Speak
from scripts.emulators.realtime_clips import Chunk, Clip
from scripts.emulators.realtime_conversation import Item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_mcp import McpFailure
from scripts.emulators.realtime_mcp_output import ApprovalOutput, McpCallOutput
from scripts.emulators.realtime_output import (
    CallOutput,
    ItemStatus,
    MessageOutput,
    OutputItem,
    pieces_of,
)
from scripts.emulators.realtime_request import ResponseRequest
from scripts.emulators.realtime_usage import PromptCache, Tokens
from scripts.emulators.realtime_wire import Json, new_id
from scripts.emulators.voice import VoiceError

CancelReason = Literal["turn_detected", "client_cancelled"]
_TRANSCRIPT_LEAD_MS = 600  # the transcript runs that far ahead of its audio
_TEXT_DELTA_MS = 40  # of real time per written word or piece of arguments
_SERVER_ERROR: Json = {
    "type": "server_error",
    "code": "server_error",
    "message": "The server had an error while processing your request.",
}
_PREAMBLE = Speak("Let me see.")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD_AND_SPACE = re.compile(r"\S+\s*")


class _OutOfTokensError(Exception):
    """The response may not grow any more."""


class ResponseRun:
    """A response in progress."""

    def __init__(
        self, core: SessionCore, request: ResponseRequest, on_done: Callable[["ResponseRun"], None]
    ) -> None:
        """Sends `response.created`; the rest happens in a task of the session.

        Args:
            core: The session.
            request: What to produce.
            on_done: Called once, right after `response.done`.
        """
        self.id = new_id("resp_")
        self.audio_ms = 0.0
        self.is_done = False
        self._core = core
        self._request = request
        self._on_done = on_done
        self._output: list[Json] = []
        self._open: OutputItem | None = None
        self._unsent: Chunk | None = None
        self._cancel_reason: CancelReason | None = None
        self._written = ""  # everything that counts as text tokens
        cache = PromptCache() if request.is_out_of_band else core.prompt_cache
        self._tokens_in, self._cached = cache.price(
            request.instructions, request.tools, request.context
        )
        self._next_at = self._now() + core.scenario.first_audio_delay_ms / 1000
        core.emit("response.created", response=self._view("in_progress", None))
        self._task = core.spawn(self._run())

    @property
    def is_out_of_band(self) -> bool:
        """Whether it leaves the default conversation alone."""
        return self._request.is_out_of_band

    @property
    def is_cancelling(self) -> bool:
        """Whether it makes nothing more and only its end is owed."""
        return self._cancel_reason is not None

    def cancel(self, reason: CancelReason) -> None:
        """Stops the audio now; the `done` chain follows after the scenario's delay."""
        if self._cancel_reason is None:
            self._cancel_reason = reason
            delay_s = self._core.scenario.cancel_delay_ms / 1000
            self._core.later(delay_s, self.finish_cancel)

    def finish_cancel(self) -> None:
        """Sends the `done` chain of a cancelled response, unless it was sent already."""
        if self.is_done:
            return
        if self._core.scenario.late_audio_after_cancel and self._unsent is not None:
            with contextlib.suppress(_OutOfTokensError):
                self._play(self._unsent)
        self._task.cancel()
        self._finish("cancelled", {"type": "cancelled", "reason": self._cancel_reason})

    async def _run(self) -> None:
        failure = self._core.faults.failure_of_response()
        if failure is not None:
            self._tokens_in = self._cached = Tokens()
            self._finish("failed", {"type": "failed", "error": failure})
            return
        try:
            # After a granted approval the response is the call; another one speaks (spec 7.5).
            granted = [] if self.is_out_of_band else self._core.conversation.granted_calls()
            for request in granted:
                await self._call_mcp(request, request["id"])
            parts = [] if granted else await self._think()
            for at, part in enumerate(parts):
                await self._produce(part, is_last=at == len(parts) - 1)
        except _OutOfTokensError:
            self._finish("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
        except VoiceError:
            self._finish("failed", {"type": "failed", "error": _SERVER_ERROR})
        else:
            self._finish("completed", None)

    async def _think(self) -> Reply:
        """Waits for the ears, then asks the brain."""
        conversation = [await _as_heard(item) for item in self._request.context]
        if self._request.own_instructions is not None:
            part = {"type": "input_text", "text": self._request.own_instructions}
            conversation.append({"type": "message", "role": "system", "content": [part]})
        tools = self._request.offered_tools
        brain = self._core.persona.brain
        reply = brain.reply(conversation, tools, self._request.instructions)
        names = [tool["name"] for tool in tools]
        if not self._core.scenario.invents_tools:
            reply = [part for part in reply if isinstance(part, Speak) or part.name in names]
        if self._request.must_call and names and not any(isinstance(p, CallTool) for p in reply):
            reply.append(CallTool(names[0]))
        is_spoken_only = len(reply) == 1 and isinstance(reply[0], Speak)
        if self._core.scenario.multi_item and is_spoken_only:
            reply.insert(0, _PREAMBLE)
        return reply

    async def _produce(self, part: Part, *, is_last: bool) -> None:
        await self._until(self._now())
        match part:
            case Speak(text=text):
                await self._message(text, is_last=is_last)
            case CallTool(name=name, arguments=arguments):
                await self._call(name, msgspec.json.encode(arguments).decode())
        self._close_open("completed")

    async def _call(self, name: str, arguments: str) -> None:
        tools = [tool for tool in self._request.offered_tools if tool["name"] == name]
        if not tools or any(tool["type"] == "function" for tool in tools):
            await self._call_function(name, arguments)
            return
        label = tools[0]["server_label"]
        call = {"server_label": label, "name": name, "arguments": arguments}
        if not self._core.mcp.needs_approval(label, name):
            await self._call_mcp(call, None)
            return
        self._spend(text=arguments)
        wish = ApprovalOutput(
            self._core, self.id, len(self._output), label=label, name=name, arguments=arguments
        )
        self._open = wish
        wish.announce(is_out_of_band=self.is_out_of_band)

    async def _message(self, text: str, *, is_last: bool) -> None:
        request = self._request
        phase = "final_answer" if is_last else "commentary"
        output = MessageOutput(
            self._core,
            self.id,
            len(self._output),
            modality=request.modality,
            audio_format=request.audio_format["type"],
            phase=phase if self._core.scenario.is_azure else None,
        )
        self._open = output
        output.open(is_out_of_band=request.is_out_of_band)
        if request.modality == "text":
            for word in _WORD_AND_SPACE.findall(text):
                await self._pace(_TEXT_DELTA_MS)
                self._say(output, word)
            return
        for sentence in _SENTENCE_END.split(text):
            clip = await self._core.persona.clips.clip(sentence, request.audio_format["type"])
            await self._speak(output, clip)

    async def _speak(self, output: MessageOutput, clip: Clip) -> None:
        """Sends a sentence, its words a little ahead of its sound."""
        words = [*_WORD_AND_SPACE.findall(clip.text)]
        if output.text and words:
            words[0] = " " + words[0]
        ms_per_char = clip.duration_ms / max(1, len(clip.text))
        said_ms = played_ms = 0.0
        for chunk in clip.chunks:
            self._unsent = chunk
            await self._until(self._next_at)
            played_ms += chunk.duration_ms
            while words and said_ms <= played_ms + _TRANSCRIPT_LEAD_MS:
                said_ms += len(words[0]) * ms_per_char
                self._say(output, words.pop(0))
            self._play(chunk)
            pause_s = self._core.scenario.pause_s(chunk.duration_ms)
            self._next_at = max(self._next_at, self._now()) + pause_s
        for word in words:
            self._say(output, word)

    def _say(self, output: MessageOutput, words: str) -> None:
        self._spend(text=words)
        output.say(words)

    def _play(self, chunk: Chunk) -> None:
        if isinstance(self._open, MessageOutput):
            self._spend(audio_ms=chunk.duration_ms)
            self._open.play(chunk)
            self._unsent = None

    async def _call_function(self, name: str, arguments: str) -> None:
        output = CallOutput(self._core, self.id, len(self._output), name)
        await self._feed(output, arguments)

    async def _call_mcp(self, call: Json, approval_request_id: str | None) -> None:
        """Makes a call at an MCP server: `call` has its label, name and arguments."""
        label, name = call["server_label"], call["name"]
        output = McpCallOutput(
            self._core,
            self.id,
            len(self._output),
            label=label,
            name=name,
            approval_request_id=approval_request_id,
        )
        await self._feed(output, call["arguments"])
        output.begin()
        tool = self._core.mcp.tool(label, name)
        await self._until(self._now() + tool.delay_s)
        try:
            output.settle(output=tool.run(msgspec.json.decode(call["arguments"])))
        except McpFailure as failure:
            output.settle(error=failure.body())
        self._close_open("completed")

    async def _feed(self, output: CallOutput | McpCallOutput, arguments: str) -> None:
        self._open = output
        output.announce(is_out_of_band=self.is_out_of_band)
        for piece in pieces_of(arguments):
            await self._pace(_TEXT_DELTA_MS)
            self._spend(text=piece)
            output.feed(piece)

    def _spend(self, *, text: str = "", audio_ms: float = 0.0) -> None:
        """Counts output that is about to be sent.

        Raises:
            _OutOfTokensError: It would exceed `max_output_tokens`.
        """
        limit = self._request.max_output_tokens
        tokens = _tokens_out(self._written + text, self.audio_ms + audio_ms)
        if limit != "inf" and tokens.total > limit:
            raise _OutOfTokensError
        self._written += text
        self.audio_ms += audio_ms

    async def _pace(self, real_ms: float) -> None:
        await self._until(self._next_at)
        self._next_at = max(self._next_at, self._now()) + self._core.scenario.pause_s(real_ms)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._now()))
        if self._cancel_reason is not None:
            await asyncio.Event().wait()  # nothing more is made; `finish_cancel` ends this task

    def _close_open(self, status: ItemStatus) -> None:
        if self._open is not None:
            closing, self._open, self._unsent = self._open, None, None
            self._output.append(closing.close(status))

    def _finish(self, status: str, details: Json | None) -> None:
        self._close_open("incomplete")
        self.is_done = True
        view = self._view(status, details)
        tokens_out = _tokens_out(self._written, self.audio_ms)
        view["usage"] = realtime_usage.response_usage(self._tokens_in, self._cached, tokens_out)
        self._core.emit("response.done", response=view)
        left = max(0, 40_000 - self._tokens_in.total - tokens_out.total)
        limits = {"name": "tokens", "limit": 40_000, "remaining": left, "reset_seconds": 1.5}
        self._core.emit("rate_limits.updated", rate_limits=[limits])
        self._on_done(self)

    def _view(self, status: str, details: Json | None) -> Json:
        request = self._request
        conversation_id = None if request.is_out_of_band else self._core.conversation.id
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": list(self._output),
            "conversation_id": conversation_id,
            "output_modalities": [request.modality],
            "max_output_tokens": request.max_output_tokens,
            "audio": {"output": {"format": request.audio_format, "voice": request.voice}},
            "usage": None,
            "metadata": request.metadata,
        }

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _tokens_out(text: str, audio_ms: float) -> Tokens:
    return Tokens(realtime_usage.text_tokens(text), realtime_usage.assistant_audio_tokens(audio_ms))


async def _as_heard(item: Item) -> Json:
    """The item as the model perceives it: caller audio with the words in it."""
    view = item.view()
    if item.words is not None:
        words = await asyncio.shield(item.words)
        for part in view["content"]:
            part["transcript"] = words
    return view
