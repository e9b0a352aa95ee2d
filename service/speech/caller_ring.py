"""What the caller has said lately, kept in case the provider is lost before it has answered.

Pure. Positions count the caller's audio in bytes (8 a millisecond) from its beginning.
"""

from collections import deque

BYTES_PER_MS = 8
KEPT_MS = 5_000
"""Of the latest audio: a provider that died may not have heard it."""
KEPT_OF_TURN_MS = 20_000
"""Of a turn that waits for its answer."""


class CallerRing:
    """The latest audio of the caller.

    Attributes:
        end: position behind the latest audio.
    """

    def __init__(self) -> None:
        self.end = 0
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._needed_from: int | None = None
        self._settled_to = 0

    def add(self, pcmu: bytes) -> None:
        """Append audio, and forget what is too old."""
        self.end += len(pcmu)
        self._size += len(pcmu)
        self._chunks.append(pcmu)
        kept_ms = KEPT_MS if self._needed_from is None else KEPT_OF_TURN_MS
        while self._size - len(self._chunks[0]) >= kept_ms * BYTES_PER_MS:
            self._size -= len(self._chunks.popleft())

    def need_from(self, position: int) -> None:
        """Keep what was said from there on: the caller's turn waits for its answer."""
        if self._needed_from is None:
            self._needed_from = position

    def settle(self, position: int) -> None:
        """Reckon everything before the position as understood."""
        self._needed_from = None
        self._settled_to = max(self._settled_to, position)

    def clear(self) -> None:
        """Forget it all: it was meant for nobody."""
        self._chunks.clear()
        self._size = 0
        self.settle(self.end)

    @property
    def unheard_from(self) -> int:
        """Position from which a new conversation has to hear the caller."""
        oldest = self.end - self._size
        if self._needed_from is not None:
            return max(oldest, self._needed_from)
        return max(oldest, self._settled_to, self.end - KEPT_MS * BYTES_PER_MS)

    def read(self, position: int, most: int) -> bytes:
        """Return audio from a position on that is still kept, `most` bytes of it."""
        begin = position - (self.end - self._size)
        return b"".join(self._chunks)[begin : begin + most]
