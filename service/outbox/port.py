"""The seam through which call events leave a call."""

from typing import Protocol

from service.call_events import CallEvent


class EventSink(Protocol):
    """Takes events for delivery. The call never waits for it and never hears of its failures."""

    def emit(self, event: CallEvent) -> None:
        """Take an event. Returns at once, never raises."""
        ...

    async def start(self) -> None:
        """Begin delivering; call once, before the first `emit`."""
        ...

    async def aclose(self) -> None:
        """Deliver what is waiting, within the sink's own deadline, and stop."""
        ...
