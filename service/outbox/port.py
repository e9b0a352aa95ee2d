"""The seams of the outbox: how call events leave a call, and how they reach a queue.

Two, because they promise different things: a sink never fails and never waits, a publisher may do
both.
"""

from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from service.call_events import CallEvent
from service.outbox.letter import Letter


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


class Answer(NamedTuple):
    """What a queue says of one letter: it has it, send it again, or it will never take it.

    `code`: the queue's word for why not.
    """

    fate: Literal["taken", "again", "refused"]
    code: str = ""


class PublishError(Exception):
    """A queue took nothing of a batch.

    Attributes:
        code: the queue's word for it, or ours.
        is_about_content: the batch itself is to blame, not the way to the queue or its state.
    """

    def __init__(self, code: str, *, is_about_content: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_about_content = is_about_content


class EventPublisher(Protocol):
    """A queue. Used by one thread, which may wait for it."""

    def size_of(self, letter: Letter) -> int:
        """Return the bytes that a letter takes of a batch."""
        ...

    def publish(self, letters: list[Letter]) -> list[Answer]:
        """Send a batch and return an answer for each letter, in their order.

        Raises:
            PublishError: nothing of it was taken.
        """
        ...
