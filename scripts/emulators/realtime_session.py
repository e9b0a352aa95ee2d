"""One emulated Realtime session: takes client events, keeps the socket, remembers what happened.

The parts decide (`realtime_turns`, `realtime_replies`, `realtime_conversation`); this one reads,
dispatches, writes and ends. Source: openai_realtime spec 5, 11.2, 17.2 and 17.9.
"""

import asyncio
from typing import NoReturn

import websockets
from websockets.asyncio.server import ServerConnection

from scripts.emulators import realtime_intake
from scripts.emulators.realtime_conversation import Item, client_item
from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_faults import Closing, Frame
from scripts.emulators.realtime_replies import Replies
from scripts.emulators.realtime_turns import CallerTurns, DetectorFactory
from scripts.emulators.realtime_wire import ApiError, Json, new_id

EXPIRED = "Your session hit the maximum duration of 60 minutes."


class _SocketGoneError(Exception):
    """The reader found the end; the session's other tasks may stop."""


class EmulatedSession:
    """A session, live or past.

    Attributes:
        received: Client events in order, refused ones included; frames that are no event are not.
        sent: Server events in order of sending, as the client should have understood them.
        close_code: How the socket ended, None while it is open.
    """

    def __init__(
        self,
        core: SessionCore,
        socket: ServerConnection,
        detector_factory: DetectorFactory,
        *,
        keeps_history: bool = True,
    ) -> None:
        """Owns nothing yet; `run` does.

        Args:
            core: The shared state, made for this session alone.
            socket: Accepted, nothing sent.
            detector_factory: Makes voice detectors.
            keeps_history: Keep `received`, `sent` and `audio_in`; off in long benchmarks.
        """
        self._core = core
        self._socket = socket
        self._keeps_history = keeps_history
        self._replies = Replies(core)
        self._turns = CallerTurns(core, self._replies, detector_factory)
        self._turns.keeps_audio = keeps_history
        self.received: list[Json] = []
        self.sent: list[Json] = []
        self.close_code: int | None = None
        self._takers = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "output_audio_buffer.clear": self._clear_output,
        }

    @property
    def id(self) -> str:
        """The session's id."""
        found: str = self._core.settings["id"]
        return found

    @property
    def items(self) -> list[Item]:
        """The conversation as it is now."""
        return self._core.conversation.items

    @property
    def audio_in(self) -> bytes:
        """All caller audio so far, as 8 kHz mu-law whatever the input format."""
        return bytes(self._turns.audio_in)

    @property
    def settings(self) -> Json:
        """The effective session object."""
        return self._core.settings.view()

    async def run(self) -> None:
        """Serves the socket until it ends."""
        try:
            async with self._core.tasks as tasks:
                tasks.create_task(self._write())
                await asyncio.sleep(self._core.scenario.hello_delay_ms / 1000)
                self._core.emit("session.created", session=self._core.settings.view())
                self._schedule_end()
                await self._read()
        except* _SocketGoneError:
            pass
        finally:
            self._core.stop_timers()
            self.close_code = self._socket.close_code

    def _schedule_end(self) -> None:
        self._core.later(self._core.scenario.expires_after_s, self._expire)
        for fault in self._core.faults.closings():
            self._core.later(fault.after_s, self._core.close, fault.code, fault.reason)

    def _expire(self) -> None:
        self._core.emit_error(ApiError(EXPIRED, code="session_expired"))
        self._core.close(1001, EXPIRED)

    async def _write(self) -> None:
        while True:
            outgoing = await self._core.outbox.get()
            try:
                match outgoing:
                    case Frame(payload=payload, event=event):
                        await self._socket.send(payload, text=True)
                        if self._keeps_history:
                            self.sent.append(event)
                    case Closing(code=1006):
                        self._socket.transport.abort()
                        return
                    case Closing(code=code, reason=reason):
                        await self._socket.close(code, reason)
                        return
            except websockets.ConnectionClosed:
                return

    async def _read(self) -> NoReturn:
        try:
            async for frame in self._socket:
                self._take(frame)
        except websockets.ConnectionClosed:
            pass
        raise _SocketGoneError

    def _take(self, frame: str | bytes) -> None:
        """Takes one client event; a bad one is answered with one error and changes nothing."""
        event_id = None
        try:
            event = realtime_intake.decode(frame)
            event_id = realtime_intake.event_id_of(event)
            if self._keeps_history:
                self.received.append(event)
            realtime_intake.check(event)
            self._takers[event["type"]](event)
        except ApiError as error:
            self._core.emit_error(error, event_id)

    def _update(self, event: Json) -> None:
        refusal = self._core.faults.refusal_of_update()
        if refusal is not None:
            raise refusal
        self._core.settings.update(
            event["session"],
            has_assistant_audio=self._replies.has_spoken,
            is_responding=self._replies.is_responding,
        )
        self._turns.follow_settings()
        self._core.emit("session.updated", session=self._core.settings.view())
        for tool in event["session"].get("tools", ()):
            if tool["type"] == "mcp" and self._core.mcp.declare(tool):
                self._begin_to_list(tool)

    def _begin_to_list(self, declaration: Json) -> None:
        """Until the listing has completed none of its tools can be called (spec 7.5)."""
        body = {"type": "mcp_list_tools", "server_label": declaration["server_label"], "tools": []}
        item = Item({"id": new_id("mcpl_"), **body})
        previous_id = self._core.conversation.append(item)
        view = item.view()
        self._core.emit("conversation.item.added", previous_item_id=previous_id, item=view)
        self._core.emit("mcp_list_tools.in_progress", item_id=item.id)
        delay_s = self._core.scenario.mcp_list_delay_ms / 1000
        self._core.later(delay_s, self._finish_listing, declaration, item)

    def _finish_listing(self, declaration: Json, item: Item) -> None:
        tools = self._core.mcp.list_tools(declaration)
        if tools is None:
            self._core.emit("mcp_list_tools.failed", item_id=item.id)
            return
        item.body["tools"] = tools
        self._core.emit("mcp_list_tools.completed", item_id=item.id)
        previous_id = self._core.conversation.previous_id(item)
        view = item.view()
        self._core.emit("conversation.item.done", previous_item_id=previous_id, item=view)

    def _append(self, event: Json) -> None:
        self._turns.append(event["audio"])

    def _commit(self, event: Json) -> None:
        self._turns.commit()

    def _clear(self, event: Json) -> None:
        self._turns.clear()

    def _create_item(self, event: Json) -> None:
        item = client_item(event["item"], self._core.settings.input["format"]["type"])
        previous_id = self._core.conversation.insert(item, event.get("previous_item_id"))
        for stage in ("added", "done"):
            kind = f"conversation.item.{stage}"
            self._core.emit(kind, previous_item_id=previous_id, item=item.view())

    def _retrieve_item(self, event: Json) -> None:
        item = self._core.conversation.retrieve(event["item_id"])
        self._core.emit("conversation.item.retrieved", item=item.view_with_audio())

    def _truncate_item(self, event: Json) -> None:
        cut = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._core.conversation.truncate(**cut)
        self._core.emit("conversation.item.truncated", **cut)

    def _delete_item(self, event: Json) -> None:
        self._core.conversation.delete(event["item_id"])
        self._core.emit("conversation.item.deleted", item_id=event["item_id"])

    def _create_response(self, event: Json) -> None:
        self._replies.create(event.get("response") or {})

    def _cancel_response(self, event: Json) -> None:
        self._replies.cancel(event.get("response_id"))

    def _clear_output(self, event: Json) -> None:
        raise ApiError(
            "output_audio_buffer.clear is only supported for WebRTC and SIP sessions.",
            code="invalid_event",
        )
