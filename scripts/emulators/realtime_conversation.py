"""The default conversation: ordered items, and what a client may do to them.

Source: openai_realtime spec 5.1, 8.1, 8.2, 10 and 17.6.
"""

import asyncio
import base64
import copy
from dataclasses import dataclass, field

from scripts.emulators import realtime_audio
from scripts.emulators.realtime_wire import ApiError, Json, invalid_value, new_id


@dataclass(slots=True, eq=False)
class Item:
    """One conversation item: its JSON, and the audio behind it."""

    body: Json
    pcmu: bytearray = field(default_factory=bytearray)  # caller's or assistant's, 8 kHz mu-law
    audio_format: str = "audio/pcmu"  # the format in which a retrieve returns it
    words: "asyncio.Future[str] | None" = None  # what the ears heard, once they have
    is_truncated: bool = False

    @property
    def id(self) -> str:
        """The item's id."""
        found: str = self.body["id"]
        return found

    @property
    def kind(self) -> str:
        """`message`, `function_call` and so on."""
        found: str = self.body["type"]
        return found

    @property
    def is_assistant_audio(self) -> bool:
        """Whether truncation applies to it."""
        parts = self.body.get("content", ())
        is_assistant = self.body.get("role") == "assistant"
        return is_assistant and any(part["type"] == "output_audio" for part in parts)

    def view(self) -> Json:
        """The item as events carry it: everything but the audio."""
        return copy.deepcopy(self.body)

    def view_with_audio(self) -> Json:
        """The item as `conversation.item.retrieved` carries it."""
        view = self.view()
        for part in view.get("content", ()):
            if part["type"] in ("input_audio", "output_audio"):
                audio = realtime_audio.encode(bytes(self.pcmu), self.audio_format)
                part["audio"] = base64.b64encode(audio).decode()
        return view


def caller_item(item_id: str, pcmu: bytes, audio_format: str) -> Item:
    """A user message made of committed caller audio."""
    content = [{"type": "input_audio", "transcript": None}]
    body = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }
    return Item(body, bytearray(pcmu), audio_format)


def client_item(request: Json, input_format: str) -> Item:
    """An item from a checked `item` of the client; audio in it becomes mu-law."""
    body = {"id": new_id("item_"), "object": "realtime.item", **copy.deepcopy(request)}
    body["status"] = "completed"
    item = Item(body, audio_format=input_format)
    if body["type"] == "function_call":
        body.setdefault("call_id", new_id("call_"))
    if body["type"] == "mcp_approval_response":
        del body["status"], body["object"]
    for part in body.get("content", ()):
        if part["type"] == "input_audio":
            audio = base64.b64decode(part.pop("audio"))
            item.pcmu += realtime_audio.InputDecoder(input_format).decode(audio)
            part.setdefault("transcript", None)
    return item


class Conversation:
    """The items in order; refuses what the server refuses."""

    def __init__(self, *, accepts_duplicate_ids: bool = False) -> None:
        """Starts empty.

        Args:
            accepts_duplicate_ids: What gpt-realtime-1.5 was seen to do instead of an error.
        """
        self.id = new_id("conv_")
        self.items: list[Item] = []
        self._accepts_duplicate_ids = accepts_duplicate_ids

    def find(self, item_id: str) -> Item | None:
        """The item with that id, the newest if there are several."""
        return next((item for item in reversed(self.items) if item.id == item_id), None)

    def append(self, item: Item) -> str | None:
        """Puts an item at the end and returns the id before it."""
        self.items.append(item)
        return self.previous_id(item)

    def previous_id(self, item: Item) -> str | None:
        """The id before an item, None at the front or when it is gone."""
        position = next((at for at, other in enumerate(self.items) if other is item), 0)
        return self.items[position - 1].id if position else None

    def insert(self, item: Item, previous_item_id: str | None) -> str | None:
        """Puts a client's item where it asks (null or empty: the end, `root`: the front).

        Raises:
            ApiError: Unknown predecessor, duplicate id, or an output without its call.
        """
        position = self._position_after(previous_item_id)
        if not self._accepts_duplicate_ids and self.find(item.id) is not None:
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise ApiError(message, code="item_create_duplicate_item_id", param="item.id")
        if item.kind == "function_call_output":
            self._refuse_unknown_call(item.body["call_id"])
        if item.kind == "mcp_approval_response":
            self._refuse_unknown_request(item.body["approval_request_id"])
        self.items.insert(position, item)
        return self.previous_id(item)

    def _position_after(self, previous_item_id: str | None) -> int:
        if not previous_item_id:
            return len(self.items)
        if previous_item_id == "root":
            return 0
        previous = self.find(previous_item_id)
        if previous is None:
            message = f"Error adding item: the previous item '{previous_item_id}' does not exist."
            code = "item_create_invalid_previous_item_id"
            raise ApiError(message, code=code, param="previous_item_id")
        return self.items.index(previous) + 1

    def _refuse_unknown_call(self, call_id: str) -> None:
        calls = (item.body for item in self.items if item.kind == "function_call")
        if all(call["call_id"] != call_id for call in calls):
            message = f"Tool call ID '{call_id}' not found in conversation."
            raise ApiError(message, code="invalid_tool_call_id")

    def _refuse_unknown_request(self, request_id: str) -> None:
        """The text is unconfirmed."""
        request = self.find(request_id)
        if request is None or request.kind != "mcp_approval_request":
            message = f"Approval request ID '{request_id}' not found in conversation."
            raise invalid_value(message, "item.approval_request_id")

    def granted_calls(self) -> list[Json]:
        """The approval requests that were granted and whose calls were not made yet."""
        bodies = [item.body for item in self.items]
        made = {body["approval_request_id"] for body in bodies if body["type"] == "mcp_call"}
        granted = {
            body["approval_request_id"]
            for body in bodies
            if body["type"] == "mcp_approval_response" and body["approve"]
        }
        return [body for body in bodies if body["id"] in granted - made]

    def delete(self, item_id: str) -> None:
        """Removes an item.

        Raises:
            ApiError: No such item.
        """
        self.items.remove(self._existing(item_id, "delete", "deleting"))

    def retrieve(self, item_id: str) -> Item:
        """Returns an item.

        Raises:
            ApiError: No such item.
        """
        return self._existing(item_id, "retrieve", "retrieving")

    def _existing(self, item_id: str, verb: str, doing: str) -> Item:
        item = self.find(item_id)
        if item is None:
            message = f"Error {doing} item: the item with id '{item_id}' does not exist."
            raise ApiError(message, code=f"item_{verb}_invalid_item_id")
        return item

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Keeps the first milliseconds of an assistant's audio and forgets its transcript.

        Raises:
            ApiError: No such item, not assistant audio, or the audio is shorter than that.
        """
        item = self.find(item_id)
        if item is None:
            raise ApiError(
                f"Item with item_id not found: {item_id}",
                code="item_truncate_invalid_item_id",
                param="item_id",
            )
        if not item.is_assistant_audio:
            raise ApiError(
                "Only model output audio messages can be truncated",
                code="unsupported_content_type",
            )
        if content_index >= len(item.body["content"]):
            raise invalid_value(f"Content part {content_index} not found.", "content_index")
        has_ms = int(realtime_audio.duration_ms(item.pcmu))
        if audio_end_ms > has_ms:
            message = f"Audio content of {has_ms}ms is already shorter than {audio_end_ms}ms"
            raise invalid_value(message, "audio_end_ms")
        del item.pcmu[audio_end_ms * realtime_audio.PCMU_BYTES_PER_MS :]
        item.body["content"][content_index]["transcript"] = None
        item.is_truncated = True
