"""The client events of a Realtime conversation, numbered and in order.

Source: Realtime specification, 5 (events and items), 7.5 (approvals), 8.1 (truncation).
"""

from typing import Any

from service.audio.playout import HeardItem
from service.speech.port import Remembered, TextSpeaker, Used
from service.speech.realtime_wire import encode

_ROLES: dict[TextSpeaker, str] = {"caller": "user", "agent": "assistant", "system": "system"}


class Outgoing:
    """Frames to send; whoever sends them takes them out.

    Attributes:
        frames: in order.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._sent = 0

    def next_id(self, name: str) -> str:
        """Return an id for an event or item that no other one has."""
        self._sent += 1
        return f"{name}_{self._sent}"

    def send(self, event: dict[str, Any]) -> None:
        """Append an event under an id of its own."""
        self.frames.append(encode(event | {"event_id": self.next_id("c")}))

    def create_response(self, options: dict[str, Any]) -> dict[str, Any]:
        """Ask for a response and return the event; its id is also in the response's metadata."""
        event_id = self.next_id("ask")
        asked = options | {"metadata": {"ask": event_id}}
        event = {"type": "response.create", "event_id": event_id, "response": asked}
        self.frames.append(encode(event))
        return event

    def add_item(self, item: dict[str, Any]) -> None:
        """Append an item to the conversation."""
        self.send({"type": "conversation.item.create", "item": item})

    def add_text(self, speaker: TextSpeaker, text: str) -> None:
        """Append a text; what an assistant has said is `output_text` (5.1)."""
        content = {"type": "output_text" if speaker == "agent" else "input_text", "text": text}
        self.add_item({"type": "message", "role": _ROLES[speaker], "content": [content]})

    def add_memory(self, memory: Remembered) -> None:
        """Append something of an earlier conversation; a function call and its result (11.3)."""
        if isinstance(memory, Used):
            call = {"call_id": memory.call_id, "name": memory.name, "arguments": memory.arguments}
            self.add_item({"type": "function_call", **call})
            self.add_result(memory.call_id, memory.output)
        else:
            self.add_text(memory.speaker, memory.text)

    def add_result(self, call_id: str, output: str) -> None:
        """Append what a function call has given."""
        self.add_item({"type": "function_call_output", "call_id": call_id, "output": output})

    def add_approval(self, request_id: str, *, is_granted: bool) -> None:
        """Answer a request to use a remote tool (7.5); the answer is an item of its own."""
        answer = {"type": "mcp_approval_response", "approval_request_id": request_id}
        self.add_item({"id": self.next_id("ok"), **answer, "approve": is_granted})

    def truncate(self, item: HeardItem) -> None:
        """Cut an item to what was heard; never beyond the audio that came."""
        self.send(
            {
                "type": "conversation.item.truncate",
                "item_id": item.item_id,
                "content_index": 0,
                "audio_end_ms": min(item.heard_ms, item.received_ms),
            }
        )

    def delete(self, item_id: str) -> None:
        """Remove an item from the conversation."""
        self.send({"type": "conversation.item.delete", "item_id": item_id})
