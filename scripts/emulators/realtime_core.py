"""What the parts of one emulated session share: settings, conversation, voice, and the way out."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeVarTuple

from scripts.emulators.brains import Brain
from scripts.emulators.ears import Ears
from scripts.emulators.realtime_clips import ClipStore
from scripts.emulators.realtime_conversation import Conversation
from scripts.emulators.realtime_faults import Closing, Faults, Frame, Outgoing
from scripts.emulators.realtime_mcp import McpAccess, McpServers
from scripts.emulators.realtime_scenario import Scenario
from scripts.emulators.realtime_settings import Settings
from scripts.emulators.realtime_usage import PromptCache
from scripts.emulators.realtime_wire import ApiError, new_id

Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True)
class Persona:
    """Who answers: shared by all sessions of an emulator. Without ears, words are scripted."""

    brain: Brain
    ears: Ears | None
    clips: ClipStore
    mcp_servers: McpServers = field(default_factory=dict)


class SessionCore:
    """The state of one socket that more than one part needs."""

    def __init__(
        self, *, scenario: Scenario, settings: Settings, faults: Faults, persona: Persona
    ) -> None:
        self.scenario = scenario
        self.settings = settings
        self.faults = faults
        self.persona = persona
        self.conversation = Conversation(accepts_duplicate_ids=scenario.accepts_duplicate_ids)
        self.mcp = McpAccess(persona.mcp_servers)
        self.prompt_cache = PromptCache()
        self.outbox: asyncio.Queue[Outgoing] = asyncio.Queue()
        self.tasks = asyncio.TaskGroup()
        self._timers: list[asyncio.TimerHandle] = []

    def emit(self, kind: str, **fields: object) -> None:
        """Puts a server event on its way; its JSON is made now, so later changes do not show."""
        event = {"type": kind, "event_id": new_id("event_"), **fields}
        for outgoing in self.faults.outgoing(event):
            if isinstance(outgoing, Frame) and outgoing.delay_s:
                self.later(outgoing.delay_s, self.outbox.put_nowait, outgoing)
            else:
                self.outbox.put_nowait(outgoing)

    def emit_error(self, error: ApiError, event_id: str | None = None) -> None:
        """Sends an `error` event."""
        self.emit("error", error=error.body(event_id))

    def close(self, code: int, reason: str = "") -> None:
        """Closes the socket after everything that is on its way."""
        self.outbox.put_nowait(Closing(code, reason))

    def spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Runs work that ends with the session."""
        return self.tasks.create_task(work)

    def later(
        self, delay_s: float, call: Callable[[*Args], object], *args: *Args
    ) -> asyncio.TimerHandle:
        """Calls after a delay, unless the session ends before."""
        loop = asyncio.get_running_loop()
        self._timers = [timer for timer in self._timers if timer.when() >= loop.time()]
        self._timers.append(loop.call_later(delay_s, call, *args))
        return self._timers[-1]

    def stop_timers(self) -> None:
        """Forgets everything that was to be done later; the session is over."""
        for timer in self._timers:
            timer.cancel()
