"""The seam through which call events leave a call."""

from datetime import datetime
from typing import NamedTuple, Protocol

from service.call_events import CallEvent


class OutboxState(NamedTuple):
    """What has not been delivered.

    Attributes:
        depth: events that wait.
        oldest_at: the `time` of the oldest of them; None when there is none.
        given_up: events that were lost or set aside since the start, each of which was logged.
    """

    depth: int = 0
    oldest_at: datetime | None = None
    given_up: int = 0


class EventSink(Protocol):
    """Takes events for delivery. The call never waits for it and never hears of its failures."""

    def emit(self, event: CallEvent) -> None:
        """Take an event. Returns at once, never raises."""
        ...

    def waiting(self) -> OutboxState:
        """Return what has not been delivered. Returns at once."""
        ...

    async def start(self) -> None:
        """Begin delivering; call once, before the first `emit`."""
        ...

    async def aclose(self) -> None:
        """Deliver what is waiting, within the sink's own deadline, and stop."""
        ...
