"""The seams between the analytics functions and where they keep things: AWS, or local files."""

from typing import Literal, Protocol

import msgspec

CallState = Literal["open", "ended", "published"]


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is found by: its day (UTC, `YYYY-MM-DD`) and its conversation."""

    day: str
    started_at: str
    conversation_id: str
    state: CallState


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of calls.

    Attributes:
        session_id: the call; all rows of one are read together.
        part: which row of the call; rows are in the order of this text.
        precedence: a row replaces one of the same part only when its own is higher.
        body: an event as JSON, or empty.
        expires_at: seconds since 1970, when the store may forget the row.
        index: on the one row by which a call is found.
    """

    session_id: str
    part: str
    precedence: int = 0
    body: str = ""
    expires_at: int
    index: IndexEntry | None = None


class CallTable(Protocol):
    """Rows of calls. Reads see every write that was done before them, but for `calls_*`."""

    def add(self, row: Row) -> bool:
        """Keep the row, unless one of the same part and no lower precedence is there.

        One atomic step. Returns whether the row was kept.
        """
        ...

    def has(self, session_id: str, part: str) -> bool:
        """Return whether the row is there."""
        ...

    def rows(self, session_id: str) -> list[Row]:
        """Return all rows of a call in the order of their parts."""
        ...

    def calls_of_day(self, day: str) -> list[Row]:
        """Return the indexed rows of a day; may lag some seconds behind."""
        ...

    def calls_of_conversation(self, conversation_id: str) -> list[Row]:
        """Return the indexed rows of a conversation; may lag some seconds behind."""
        ...

    def erase(self, session_id: str) -> int:
        """Remove all rows of a call and return how many there were."""
        ...


class Lake(Protocol):
    """Documents by key, such as `turns/dt=2026-11-22/<session>.ndjson.gz`."""

    def put(self, key: str, body: bytes) -> None:
        """Write a document in one step; one that is there is replaced."""
        ...

    def erase(self, key: str) -> bool:
        """Remove a document for good and return whether there was one."""
        ...


class Claims(Protocol):
    """The data of events that were too large for the queue."""

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return them."""
        ...


class Bus(Protocol):
    """Tells whoever wants to know that a call can be looked at."""

    def call_completed(self, detail: bytes) -> None:
        """Publish `CallCompleted` with this JSON. Receivers may see the same one twice."""
        ...
