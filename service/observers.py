"""Lets others see the events of all calls on their way to where they are kept."""

import logging
from collections.abc import Callable

from service.call_events import CallEvent
from service.outbox.port import EventSink, OutboxState

_log = logging.getLogger(__name__)

Observer = Callable[[CallEvent], None]
"""Looks at an event at once, without waiting for anything."""


class ObservedSink:
    """A sink that shows each event to the observers first; what fails in one hurts nobody."""

    def __init__(self, sink: EventSink, *observers: Observer) -> None:
        self._sink = sink
        self._observers = observers

    def emit(self, event: CallEvent) -> None:
        """Show the event and pass it on."""
        for observe in self._observers:
            try:
                observe(event)
            except Exception:  # a bug of ours, which must not cost the call its events
                _log.exception("an observer of events failed", extra={"type": event.type})
        self._sink.emit(event)

    def waiting(self) -> OutboxState:
        """Return what the sink has not delivered."""
        return self._sink.waiting()

    async def start(self) -> None:
        """Start the sink."""
        await self._sink.start()

    async def aclose(self) -> None:
        """Close the sink."""
        await self._sink.aclose()
