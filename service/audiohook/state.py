"""The states of a session and how long each may last.

Source: specification sections 7 and 16.
"""

from enum import Enum


class State(Enum):
    """Where the session is. `GONE`, the closed socket, is the driver's."""

    AWAIT_OPEN = "await_open"
    OPEN = "open"
    DRAINING = "draining"
    """The farewell plays; we are about to disconnect."""
    DISCONNECTING = "disconnecting"
    """`disconnect` was queued; the client's `close` is due."""
    CLOSING = "closing"
    """`close` came; the call finalises, then calls `finish`."""
    CLOSED = "closed"
    """`closed` was queued, or the socket is to be closed."""


OPEN_STATES = (State.OPEN, State.DRAINING)
ENDING_STATES = (State.DISCONNECTING, State.CLOSING, State.CLOSED)

TIMEOUT_S = {
    State.AWAIT_OPEN: 10.0,
    State.DISCONNECTING: 10.0,
    State.CLOSING: 1.0,
    State.CLOSED: 5.0,
}

LIVENESS_TIMEOUT_S = 20.0
"""In the open states, since the last frame; pings come every 5 s even while paused."""

TIMEOUT_CLOSE_CODE = {
    State.AWAIT_OPEN: 1008,
    State.OPEN: 1001,
    State.DRAINING: 1001,
    State.DISCONNECTING: 1000,
    State.CLOSED: 1000,
}
"""What the socket is closed with when the time is over; `CLOSING` still says `closed` first."""
