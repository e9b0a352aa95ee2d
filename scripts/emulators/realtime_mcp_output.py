"""The output items of a response that concern MCP servers: a call, and the wish to make one.

Source: openai_realtime spec 6.4 and 7.5.
"""

from scripts.emulators.realtime_conversation import Item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_output import ItemStatus, OutputItem, obfuscation
from scripts.emulators.realtime_wire import Json, new_id

_CANCELLED: Json = {"type": "tool_execution_error", "message": "The call was cancelled."}


class McpCallOutput(OutputItem):
    """A call that the server makes by itself: arguments, then the work, then its result."""

    def __init__(
        self,
        core: SessionCore,
        response_id: str,
        index: int,
        *,
        label: str,
        name: str,
        approval_request_id: str | None = None,
    ) -> None:
        body: Json = {
            "id": new_id("mcp_"),
            "type": "mcp_call",
            "server_label": label,
            "name": name,
            "arguments": "",
            "approval_request_id": approval_request_id,
            "output": None,
            "error": None,
        }
        super().__init__(core, response_id, index, Item(body))
        self._is_running = False

    def feed(self, piece: str) -> None:
        """Sends the next piece of the arguments."""
        self.text += piece
        self._emit_in("response.mcp_call_arguments.delta", delta=piece, obfuscation=obfuscation())

    def begin(self) -> None:
        """Sends the whole arguments, and that the work has begun."""
        self._finish_arguments()
        self._is_running = True
        self._emit_work("in_progress")

    def settle(self, *, output: str | None = None, error: Json | None = None) -> None:
        """Takes the result, for `close` to send."""
        self.item.body.update(output=output, error=error)

    def close(self, status: ItemStatus) -> Json:
        """See `OutputItem.close`; a call that was cut has an error."""
        body = self.item.body
        if not self._is_running:
            self._finish_arguments()
        if status == "incomplete":
            self.settle(error=_CANCELLED)
        self._emit_work("failed" if body["error"] else "completed")
        return self._finish(self.item.view())

    def _finish_arguments(self) -> None:
        self.item.body["arguments"] = self.text
        self._emit_in("response.mcp_call_arguments.done", arguments=self.text)

    def _emit_work(self, stage: str) -> None:
        """These events have no `response_id` (spec 6.4)."""
        kind = f"response.mcp_call.{stage}"
        self._core.emit(kind, item_id=self.item.id, output_index=self._index)


class ApprovalOutput(OutputItem):
    """Asks the client whether a call may be made; nothing happens until it has answered."""

    def __init__(
        self,
        core: SessionCore,
        response_id: str,
        index: int,
        *,
        label: str,
        name: str,
        arguments: str,
    ) -> None:
        body: Json = {
            "id": new_id("mcpr_"),
            "type": "mcp_approval_request",
            "server_label": label,
            "name": name,
            "arguments": arguments,
        }
        super().__init__(core, response_id, index, Item(body))

    def close(self, status: ItemStatus) -> Json:
        """See `OutputItem.close`."""
        return self._finish(self.item.view())
