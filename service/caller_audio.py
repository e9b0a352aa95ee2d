"""Caller audio on its way to the provider: what waits, what is dropped, whose clock says what.

Pure: PCMU bytes and `now` (monotonic seconds) in, PCMU bytes out.
"""

from service.audio.playout import BYTES_PER_MS, BYTES_PER_S

MAX_WAITING_BYTES = 10 * BYTES_PER_S
"""Kept while the model is being connected; longer ago than that nobody remembers (design, 4)."""
MAX_AHEAD_S = 10.0
"""Audio that comes faster than real time is taken so far ahead (bad input 63)."""
LEAST_BYTES = 160
"""20 ms. Smaller frames are gathered, or a hostile client would choose our load (bad input 64)."""


class CallerAudio:
    """Holds audio until `start_flowing`, then passes it on.

    Attributes:
        dropped_bytes: audio that the provider never got: flood, or overflow while connecting.
    """

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self._waiting = bytearray()
        self._is_flowing = False
        self._first_at = 0.0
        self._received = 0
        self._forwarded = 0
        self._origin_ms = 0

    def receive(self, pcmu: bytes, *, now: float, call_ms: int) -> bytes:
        """Take audio as it arrives and return what is to be sent now, possibly nothing.

        Args:
            pcmu: at least one sample.
            now: monotonic seconds.
            call_ms: the same moment on the call's clock.
        """
        if not self._received:
            self._first_at = now
        self._received += len(pcmu)
        if self._received > (now - self._first_at + MAX_AHEAD_S) * BYTES_PER_S:
            self._received -= len(pcmu)
            self.dropped_bytes += len(pcmu)
            return b""
        if self._is_flowing and not self._waiting and len(pcmu) >= LEAST_BYTES:
            return self._forward(pcmu, call_ms)
        self._waiting += pcmu
        if self._is_flowing and len(self._waiting) >= LEAST_BYTES:
            return self._take_waiting(call_ms)
        self._trim()
        return b""

    def start_flowing(self, call_ms: int) -> bytes:
        """Return what has waited; from now on audio passes through."""
        self._is_flowing = True
        return self._take_waiting(call_ms)

    def to_call_ms(self, provider_ms: int) -> int:
        """Translate the provider's audio clock (ms of audio sent to it) into the call's clock."""
        return max(0, self._origin_ms + provider_ms)

    def _take_waiting(self, call_ms: int) -> bytes:
        pcmu = bytes(self._waiting)
        self._waiting.clear()
        return self._forward(pcmu, call_ms)

    def _forward(self, pcmu: bytes, call_ms: int) -> bytes:
        self._forwarded += len(pcmu)
        # The end of what was just received is now: pauses and drops correct themselves.
        self._origin_ms = call_ms - self._forwarded // BYTES_PER_MS
        return pcmu

    def _trim(self) -> None:
        excess = len(self._waiting) - MAX_WAITING_BYTES
        if excess > 0:
            del self._waiting[:excess]
            self.dropped_bytes += excess
