"""Signs the upgrade request as Genesys does: draft-ietf-httpbis-message-signatures-11, HMAC-SHA256.

Pure: randomness and time come in as arguments. Source: AudioHook specification section 10.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

# The order of the documentation, and the one which production seems to use (section 10.2).
DOCUMENTED_ORDER = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
OBSERVED_ORDER = (
    "@request-target",
    "audiohook-session-id",
    "audiohook-organization-id",
    "audiohook-correlation-id",
    "x-api-key",
    "@authority",
)
LIFETIME_S = 30  # expires - created of the reference signer
NONCE_BYTES = 18
DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


@dataclass(frozen=True, slots=True)
class SignatureParameters:
    """The parameters behind the component list of Signature-Input."""

    key_id: str
    nonce: str
    created: int  # Unix seconds
    expires: int  # Unix seconds
    algorithm: str | None = "hmac-sha256"  # None: left out, which means the same

    def serialize(self, components: Sequence[str]) -> str:
        """Return the inner list with parameters, as it stands in both header and base."""
        names = " ".join(f'"{name}"' for name in components)
        algorithm = f';alg="{self.algorithm}"' if self.algorithm is not None else ""
        return (
            f'({names});keyid="{self.key_id}";nonce="{self.nonce}"{algorithm}'
            f";created={self.created};expires={self.expires}"
        )


def request_target(url: str) -> str:
    """Return path and query exactly as on the request line, without a method."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def authority_of(url: str) -> str:
    """Return the host in lower case, with its port unless that is the scheme's default."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.port is None or parts.port == DEFAULT_PORTS.get(parts.scheme):
        return host
    return f"{host}:{parts.port}"


def choose_order(random: Random) -> tuple[str, ...]:
    """Return one of the two component orders, by chance."""
    return random.choice((DOCUMENTED_ORDER, OBSERVED_ORDER))


def new_nonce(random: Random) -> str:
    """Return 18 random bytes in base64: 24 characters."""
    return base64.b64encode(random.randbytes(NONCE_BYTES)).decode()


def signature_base(
    values: Mapping[str, str], components: Sequence[str], parameters: SignatureParameters
) -> bytes:
    """Return what is signed: one line per component, LF between, none at the end.

    Raises:
        KeyError: *values* lacks one of the *components*.
    """
    lines = [f'"{name}": {values[name].strip()}' for name in components]
    lines.append(f'"@signature-params": {parameters.serialize(components)}')
    return "\n".join(lines).encode()


def signature_headers(
    values: Mapping[str, str],
    components: Sequence[str],
    parameters: SignatureParameters,
    *,
    client_secret: str,
) -> dict[str, str]:
    """Return the headers `Signature` and `Signature-Input`, under the usual label `sig1`.

    Args:
        values: Component name, lower case, to its value.
        components: Names in the order in which they are signed.
        parameters: Key id, nonce, times.
        client_secret: Base64 text; the key of the HMAC is what it decodes to.
    """
    base = signature_base(values, components, parameters)
    digest = hmac.digest(base64.b64decode(client_secret), base, hashlib.sha256)
    return {
        "Signature-Input": f"sig1={parameters.serialize(components)}",
        "Signature": f"sig1=:{base64.b64encode(digest).decode()}:",
    }
