"""Applies a scenario's faults to one connection: which event is hurt, how, and how often.

`outgoing` turns one server event into what really goes out. No clock and no socket here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from scripts.emulators.realtime_scenario import (
    AddUnknownFields,
    CloseAfter,
    CloseAtEvent,
    CutFrame,
    DelayEvent,
    DropEvent,
    FailResponse,
    FailTranscription,
    Fault,
    HangHandshake,
    HugeDelta,
    InsertUnknownEvent,
    ItemDoneInProgress,
    RefuseHandshake,
    RefuseUpdate,
    Scenario,
)
from scripts.emulators.realtime_wire import ApiError, Json, new_id

AnyFault = TypeVar("AnyFault", bound=Fault)


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame; `event` is what the client should make of it."""

    payload: bytes
    event: Json
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of the socket; code 1006 means without a close frame."""

    code: int
    reason: str = ""


Outgoing = Frame | Closing


class Faults:
    """Counts the occasions of one connection."""

    def __init__(self, scenario: Scenario, connection: int) -> None:
        """Picks the faults that concern this connection, counted from 0."""
        self._faults = [
            fault
            for fault in scenario.faults
            if fault.connections is None or connection in fault.connections
        ]
        self._occasions = [0] * len(self._faults)

    def _struck(self, kind: type[AnyFault], event_type: str | None = None) -> AnyFault | None:
        """Counts an occasion for all faults of a kind; returns the first that strikes."""
        struck: AnyFault | None = None
        for at, fault in enumerate(self._faults):
            if not isinstance(fault, kind) or not _concerns(fault, event_type):
                continue
            self._occasions[at] += 1
            position = self._occasions[at] - 1 - fault.skip
            if position >= 0 and (fault.times is None or position < fault.times):
                struck = struck or fault
        return struck

    def handshake(self) -> RefuseHandshake | HangHandshake | None:
        """What happens to the upgrade, None when it succeeds."""
        return self._struck(RefuseHandshake) or self._struck(HangHandshake)

    def refusal_of_update(self) -> ApiError | None:
        """The error for a `session.update`, None when it is taken."""
        fault = self._struck(RefuseUpdate)
        if fault is None:
            return None
        message = f"Unknown parameter: '{fault.param}'."
        return ApiError(message, code="unknown_parameter", param=fault.param)

    def failure_of_response(self) -> Json | None:
        """The error inside a failed response, None when it succeeds."""
        fault = self._struck(FailResponse)
        if fault is None:
            return None
        return {"type": fault.kind, "code": fault.code, "message": fault.message}

    def failure_of_transcription(self) -> Json | None:
        """The error inside a failed transcription, None when it succeeds."""
        fault = self._struck(FailTranscription)
        if fault is None:
            return None
        return {
            "type": "transcription_error",
            "code": fault.code,
            "message": fault.message,
            "param": None,
        }

    def closings(self) -> Iterator[CloseAfter]:
        """The closings by time."""
        return (fault for fault in self._faults if isinstance(fault, CloseAfter))

    def outgoing(self, event: Json) -> list[Outgoing]:
        """What goes out for an event, in order; empty when it is swallowed."""
        kind: str = event["type"]
        closing = self._struck(CloseAtEvent, kind)
        if closing is not None:
            return [Closing(closing.code, closing.reason)]
        if self._struck(DropEvent, kind) is not None:
            return []
        self._bend(event, kind)
        late = self._struck(DelayEvent, kind)
        payload = msgspec.json.encode(event)
        if self._struck(CutFrame, kind) is not None:
            payload = payload[: len(payload) // 2]
        frame = Frame(payload, event, late.delay_s if late else 0.0)
        if self._struck(InsertUnknownEvent, kind) is None:
            return [frame]
        stranger = {"type": "emulator.unknown_event", "event_id": new_id("event_"), "news": [1]}
        return [Frame(msgspec.json.encode(stranger), stranger), frame]

    def _bend(self, event: Json, kind: str) -> None:
        if self._struck(AddUnknownFields, kind) is not None:
            event["emulator_unknown_field"] = {"nested": [None, 1.5]}
        if kind == "response.output_audio.delta":
            huge = self._struck(HugeDelta)
            if huge is not None:
                event["obfuscation"] = "x" * huge.pad_bytes
        if kind == "response.output_item.done" and self._struck(ItemDoneInProgress) is not None:
            event["item"] = {**event["item"], "status": "in_progress"}


def _concerns(fault: Fault, event_type: str | None) -> bool:
    match fault:
        case CloseAtEvent(type=wanted) | AddUnknownFields(type=wanted):
            return wanted is None or wanted == event_type
        case DropEvent(type=name) | DelayEvent(type=name) | CutFrame(type=name):
            return name == event_type
        case InsertUnknownEvent(before=name):
            return name == event_type
        case _:
            return True
