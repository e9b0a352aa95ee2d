"""A conversation with scripted server frames, for the tests of the Realtime rules."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.audio.playout import HeardItem
from service.bots.port import Bot, McpServer
from service.speech.port import SpeechEvent
from service.speech.realtime_rules import RealtimeRules
from tests.openai_schema import assert_client_event
from tests.plain_bot import PLAIN_BOT

BUSY = "conversation_already_has_active_response"
RATE_LIMITED = {
    "type": "invalid_request_error",
    "code": "rate_limit_exceeded",
    "message": "Limit 40000, Used 39980, Requested 4100. Please try again in 6.1s.",
}
PCMU = b"\xff\x7f\x00" * 40
FORMAT = {"format": {"type": "audio/pcmu"}}


class Talk:
    """A conversation with scripted server frames. Whatever it sends is a valid client event."""

    def __init__(self, servers: Sequence[McpServer] = (), *, bot: Bot = PLAIN_BOT) -> None:
        self.rules = RealtimeRules(replace(bot, mcp_servers=tuple(servers)))
        self.now = 1_000.0

    def gets(self, kind: str, **fields: Any) -> list[SpeechEvent]:
        return self.gets_frame(json.dumps({"type": kind, "event_id": "event_1", **fields}))

    def gets_frame(self, frame: str | bytes) -> list[SpeechEvent]:
        raw = frame.encode() if isinstance(frame, str) else frame
        return self.rules.receive(raw, self.now)

    def sends(self) -> list[dict[str, Any]]:
        """What has been sent since the last look; fails on anything a server would refuse."""
        events = [json.loads(frame) for frame in self.rules.outgoing]
        self.rules.outgoing.clear()
        for event in events:
            assert_client_event(event)
            assert event["event_id"]
        return events

    def sends_kinds(self) -> list[str]:
        return [event["type"] for event in self.sends()]

    def created(self, response_id: str, ask: dict[str, Any] | None = None) -> list[SpeechEvent]:
        metadata = ask["response"]["metadata"] if ask else None
        response = {"id": response_id, "status": "in_progress", "metadata": metadata}
        return self.gets("response.created", response=response)

    def done(self, response_id: str, status: str = "completed", **fields: Any) -> list[SpeechEvent]:
        return self.gets("response.done", response={"id": response_id, "status": status, **fields})

    def failed(self, response_id: str, error: dict[str, Any] | None) -> list[SpeechEvent]:
        details = {"type": "failed", "error": error}
        return self.done(response_id, "failed", status_details=details)

    def cancelled(self, response_id: str) -> list[SpeechEvent]:
        details = {"type": "cancelled", "reason": "turn_detected"}
        return self.done(response_id, "cancelled", status_details=details)

    def audio(self, response_id: str, item_id: str, pcmu: bytes = PCMU) -> list[SpeechEvent]:
        delta = base64.b64encode(pcmu).decode()
        kind = "response.output_audio.delta"
        return self.gets(kind, response_id=response_id, item_id=item_id, delta=delta)

    def audio_done(self, response_id: str, item_id: str) -> list[SpeechEvent]:
        return self.gets("response.output_audio.done", response_id=response_id, item_id=item_id)

    def words(self, response_id: str, item_id: str, delta: str) -> list[SpeechEvent]:
        kind = "response.output_audio_transcript.delta"
        return self.gets(kind, response_id=response_id, item_id=item_id, delta=delta)

    def words_done(self, response_id: str, item_id: str, words: str) -> list[SpeechEvent]:
        kind = "response.output_audio_transcript.done"
        return self.gets(kind, response_id=response_id, item_id=item_id, transcript=words)

    def item_done(self, response_id: str, **item: Any) -> list[SpeechEvent]:
        return self.gets("response.output_item.done", response_id=response_id, item=item)

    def call(self, response_id: str, call_id: str, **item: Any) -> list[SpeechEvent]:
        fields = {"status": "completed", "name": "look_up", "arguments": '{"id":"42"}', **item}
        return self.item_done(response_id, type="function_call", call_id=call_id, **fields)

    def answers(self, call_id: str, output: str = "{}", then_say: str = "") -> None:
        self.rules.add_tool_result(call_id, output, then_say, self.now)

    def caller_speaks(self, item_id: str = "U1") -> list[SpeechEvent]:
        return self.gets("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=2148)

    def caller_stops(self, item_id: str = "U1") -> list[SpeechEvent]:
        return self.gets("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=3904)

    def error(self, code: str | None, event_id: str | None = None, **fields: Any) -> None:
        error = {"type": "invalid_request_error", "code": code, "event_id": event_id, **fields}
        assert self.gets("error", error=error) == []

    def refuses(self, event: dict[str, Any], code: str = "unknown_parameter") -> list[SpeechEvent]:
        error = {"type": "invalid_request_error", "code": code, "event_id": event["event_id"]}
        return self.gets("error", error=error)

    def updated(self, heard_as: Any = FORMAT, spoken_as: Any = FORMAT) -> list[SpeechEvent]:
        session = {"type": "realtime", "audio": {"input": heard_as, "output": spoken_as}}
        return self.gets("session.updated", session=session)

    def says(self, instruction: str = "Greet the caller.") -> dict[str, Any]:
        """Ask for speech; returns the `response.create` that went out."""
        self.rules.say(instruction, self.now)
        return self.sends()[-1]

    def waits_s(self) -> float:
        return min(self.rules.retry_at, self.rules._patience.until) - self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.rules.poll(self.now)


def heard(
    item_id: str, heard_ms: int, received_ms: int = 5_000, *, is_complete: bool = True
) -> HeardItem:
    return HeardItem(item_id, heard_ms, received_ms, is_complete, None, None)
