"""The memory of used nonces: no signed request is accepted twice.

Source: AudioHook specification 10.4 step 7.
"""

import hashlib

from service.audiohook.claim import Cause, SignatureError

NONCE_MEMORY_S = 75  # the clock rules refuse a replay after 40 s (MAX_SKEW_S + MAX_AGE_S) at most
NONCE_CAPACITY = 16_384  # 218 upgrades a second for the whole memory; about 2 MB


class NonceMemory:
    """Remembers the (keyid, nonce) of verified requests for a while.

    Each process has its own: a request that is replayed to another instance within its 40 seconds
    is not noticed. TLS keeps requests from being read, so this is a second lock, not the first.
    """

    def __init__(self, *, memory_s: float = NONCE_MEMORY_S, capacity: int = NONCE_CAPACITY) -> None:
        """Remember at most `capacity` nonces, each for `memory_s` seconds."""
        self._memory_s = memory_s
        self._capacity = capacity
        self._seen_at_s: dict[bytes, float] = {}  # oldest first

    def remember(self, keyid: str, nonce: str, *, now_s: float) -> None:
        """Note a nonce as used; call only after its signature was verified.

        When the memory is full of nonces that could still be replayed, the request is refused:
        to forget one would reopen it. Only the holder of a client secret can fill the memory.

        Args:
            keyid: the API key that signed.
            nonce: what it signed.
            now_s: Unix time, of the same clock that judged `created` and `expires`.

        Raises:
            SignatureError: the nonce was used within `memory_s`, or the memory is full.
        """
        self._forget_expired(now_s)
        # A digest, because a nonce may be as long as the header: 32 bytes bound the memory.
        entry = hashlib.sha256(f"{keyid} {nonce}".encode()).digest()
        if entry in self._seen_at_s:
            raise SignatureError(Cause.NONCE_REPLAYED)
        if len(self._seen_at_s) >= self._capacity:
            raise SignatureError(Cause.NONCE_MEMORY_FULL)
        self._seen_at_s[entry] = now_s

    def _forget_expired(self, now_s: float) -> None:
        while self._seen_at_s:
            oldest = next(iter(self._seen_at_s))
            if now_s - self._seen_at_s[oldest] <= self._memory_s:
                return
            del self._seen_at_s[oldest]
