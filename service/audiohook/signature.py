"""HTTP message signatures: proof that an upgrade request comes from the holder of a client secret.

Here: the API key, the signature base, the HMAC and the order of the checks. Nothing awaits or reads
a clock: the caller passes `now_s`. How the signature headers are read is `claim.py`; what else the
request says is `upgrade.py`; waiting and answering is `service.gate`.

Source: AudioHook specification section 10.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.audiohook.claim import MAC_BYTES, Cause, Claim, SignatureError, read_claim
from service.audiohook.nonces import NonceMemory

API_KEY = re.compile(r"[a-zA-Z0-9+/_-]{1,512}={0,2}")  # section 1.1; the upper bound is ours
MAX_BASE_BYTES = 8192  # Genesys' bases have about 700; bounds the work of the HMACs

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""(name in lower case, value) in the order received, repetitions kept."""
HmacSha256: TypeAlias = Callable[[bytes, bytes], bytes]
"""(key, message) to 32 bytes."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers of an upgrade request."""

    api_key: str
    """From `read_api_key`."""
    target: bytes
    """Path and query exactly as on the request line."""
    authorities: tuple[bytes, ...]
    """Every spelling of our host that the client may have signed; each is tried."""
    headers: Headers


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


class SignatureVerifier:
    """Decides whether an upgrade request is authentic.

    Every well-formed signature costs the same number of HMACs, whether its key is unknown, has no
    secret, one or several: the real secrets are followed by random ones that no peer knows.
    """

    def __init__(
        self,
        *,
        max_secrets: int,
        nonces: NonceMemory | None = None,
        hmac_sha256: HmacSha256 = _hmac_sha256,
    ) -> None:
        """Make a verifier that tries the newest `max_secrets` secrets of a key."""
        self._max_secrets = max_secrets
        self._nonces = NonceMemory() if nonces is None else nonces
        self._hmac_sha256 = hmac_sha256
        self._decoys = (secrets.token_bytes(MAC_BYTES),) * max_secrets

    def verify(
        self, request: SignedRequest, client_secrets: tuple[bytes, ...], *, now_s: float
    ) -> None:
        """Return if the request is authentic; its nonce is then used up.

        Args:
            request: the parts of the upgrade request that a signature may cover.
            client_secrets: newest first; empty for an unknown key; `(b"",)` for a known key that
                is configured to be used without signature. An empty secret never verifies.
            now_s: Unix time.

        Raises:
            SignatureError: it is not authentic. No request makes it raise anything else.
        """
        signature = field_value(request.headers, b"signature")
        signature_input = field_value(request.headers, b"signature-input")
        if signature is None and signature_input is None:
            _check_unsigned_is_allowed(client_secrets)
        elif signature is None or signature_input is None:
            raise SignatureError(Cause.HALF_SIGNED)
        else:
            claim = read_claim(signature, signature_input)
            nonce = claim.check(api_key=request.api_key, now_s=now_s)
            self._check_mac(claim, request, client_secrets)
            self._nonces.remember(request.api_key, nonce, now_s=now_s)

    def _check_mac(
        self, claim: Claim, request: SignedRequest, client_secrets: tuple[bytes, ...]
    ) -> None:
        usable = tuple(secret for secret in client_secrets if secret)
        keys = (*usable, *self._decoys)[: self._max_secrets]
        is_match = False
        for authority in request.authorities:
            base = signature_base(claim, request, authority)
            for position, key in enumerate(keys):  # no early exit: constant work
                is_equal = hmac.compare_digest(self._hmac_sha256(key, base), claim.mac)
                is_match |= is_equal and position < len(usable)
        if not is_match:
            raise SignatureError(_mismatch_cause(client_secrets, usable))


def read_api_key(headers: Headers) -> str:
    """The one API key that the request names.

    Raises:
        SignatureError: there is none, more than one, or it is not of the form of section 1.1.
    """
    values = [value for name, value in headers if name == b"x-api-key"]
    if not values:
        raise SignatureError(Cause.API_KEY_MISSING)
    if len(values) > 1:
        raise SignatureError(Cause.API_KEY_REPEATED)
    api_key = values[0].strip(b" \t").decode("latin-1")
    if API_KEY.fullmatch(api_key) is None:
        raise SignatureError(Cause.API_KEY_MALFORMED)
    return api_key


def field_value(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header as it is signed: trimmed, unfolded, repetitions joined by ", ".

    A value with a line break that is no fold counts as absent: it could forge lines of the
    signature base. (HTTP servers refuse it earlier.)

    Source: section 10.3.
    """
    values = [_unfolded(value) for header, value in headers if header == name]
    joined = b", ".join(values)
    if not values or b"\n" in joined or b"\r" in joined:
        return None
    return joined


def signature_base(claim: Claim, request: SignedRequest, authority: bytes) -> bytes:
    """The text that is signed, for one spelling of our host. Call after `claim.check`.

    Raises:
        SignatureError: a component has no value in this request, or the text is too long.

    Source: section 10.3.
    """
    derived = {b"@request-target": request.target, b"@authority": authority}
    lines = []
    for name in (component.encode("ascii") for component in claim.components):
        value = derived[name] if name in derived else field_value(request.headers, name)
        if value is None:
            raise SignatureError(Cause.COMPONENT_WITHOUT_VALUE)
        lines.append(b'"%b": %b' % (name, value))
    lines.append(b'"@signature-params": ' + claim.serialised())
    base = b"\n".join(lines)
    if len(base) > MAX_BASE_BYTES:
        raise SignatureError(Cause.TOO_LONG)
    return base


def _unfolded(value: bytes) -> bytes:
    return b" ".join(line.strip(b" \t") for line in re.split(rb"\r?\n[ \t]+", value))


def _check_unsigned_is_allowed(client_secrets: tuple[bytes, ...]) -> None:
    """Source: section 10.4 step 2."""
    if not client_secrets:
        raise SignatureError(Cause.API_KEY_UNKNOWN)
    if client_secrets != (b"",):
        raise SignatureError(Cause.NOT_SIGNED)


def _mismatch_cause(client_secrets: tuple[bytes, ...], usable: tuple[bytes, ...]) -> Cause:
    if not client_secrets:
        return Cause.API_KEY_UNKNOWN
    return Cause.SIGNATURE_MISMATCH if usable else Cause.API_KEY_WITHOUT_SECRET
