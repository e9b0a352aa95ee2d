"""What to write next, and when: the text messages that wait for the writer.

The client closes a session that sends more than 5 text messages a second on average or 25 at
once (section 6.2). We stay below with a token bucket of 20, refilled at 4.5 a second, in which
every message costs one token, and which never drops: who finds too few tokens waits.

Who must be prompt is told apart from who can wait:

- `Lane.PROMPT` (`opened`, `disconnect`, `closed`) never waits. A session has at most three of
  them, which fit between our 20 and the client's 25.
- `Lane.PONG` needs one token. Pings come every 5 s, so only a flood of them empties the bucket.
- `Lane.PATIENT` (all others) leaves the last five tokens to pongs, so however much we say
  ourselves, a pong leaves at once.

Prompt messages overtake pongs and these the others; each lane keeps its order.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

import msgspec

from service.audiohook.encoding import encode_parameters
from service.audiohook.messages import ServerMessage

CAPACITY = 20
REFILL_PER_S = 4.5
RESERVED_FOR_PONGS = 5

MAX_WAITING_PONGS = 20
"""More unanswered pings than this are a flood (row 39)."""

MAX_WAITING_MESSAGES = 64
"""Patient ones: 14 s of them at the rate limit."""

_INTERVAL_S = 1 / REFILL_PER_S
_ROUNDING_S = 1e-6  # a sum of intervals that is off by a bit must not cost a token


class Lane(Enum):
    """How urgent a message is; the value is how many tokens must be there."""

    PROMPT = -math.inf
    PONG = 1
    PATIENT = 1 + RESERVED_FOR_PONGS


_MAX_WAITING = {
    Lane.PROMPT: 3,
    Lane.PONG: MAX_WAITING_PONGS,
    Lane.PATIENT: MAX_WAITING_MESSAGES,
}


@dataclass(slots=True, frozen=True)
class Waiting:
    """A message without its number.

    Attributes:
        message_type: its `type` on the wire.
        parameters: its `parameters` as JSON.
        clientseq: the ping that it answers, or None for whatever was received last.
    """

    message_type: str
    parameters: msgspec.Raw
    clientseq: int | None = None


class SendQueue:
    """Three lanes and one token bucket. Its owner asks `is_full` before `put`."""

    def __init__(self) -> None:
        """Empty, with a full bucket."""
        self._lanes: dict[Lane, deque[Waiting]] = {lane: deque() for lane in Lane}
        # The bucket as one number: when it is full again. It holds n tokens n intervals after
        # it was empty, so waiting times are exact and cannot disagree with `take`.
        self._full_at_s = -math.inf

    def put(self, lane: Lane, message: ServerMessage, *, clientseq: int | None = None) -> None:
        """Append to a lane. `clientseq`: the ping that this answers."""
        waiting = Waiting(message.TYPE, encode_parameters(message), clientseq)
        self._lanes[lane].append(waiting)

    def is_full(self, lane: Lane) -> bool:
        """True when nothing more may be put there."""
        return len(self._lanes[lane]) >= _MAX_WAITING[lane]

    def clear(self, *lanes: Lane) -> None:
        """Forget what waits there; no number was taken for it yet."""
        for lane in lanes:
            self._lanes[lane].clear()

    def take(self, *, now: float) -> Waiting | None:
        """The next message, to be written at once; None when none may leave now."""
        for lane, messages in self._lanes.items():
            if messages and self._open_at_s(lane) <= now:
                self._full_at_s = max(self._full_at_s, now) + _INTERVAL_S
                return messages.popleft()
        return None

    def ready_at_s(self) -> float:
        """When `take` will give something: infinity for never, minus infinity for any time."""
        return min((self._open_at_s(lane) for lane in Lane if self._lanes[lane]), default=math.inf)

    def _open_at_s(self, lane: Lane) -> float:
        """When the bucket holds enough tokens for the lane."""
        return self._full_at_s - (CAPACITY - float(lane.value)) * _INTERVAL_S - _ROUNDING_S
