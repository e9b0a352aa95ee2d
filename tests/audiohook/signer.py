"""A signer for upgrade requests, written from the specification (10.2, 10.3) with string joins.

It knows nothing of the verifier or of structured-field parsers, so that the two check each other.
Every part can be replaced by an odd one and is then still signed correctly.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
SECRET = b"the client secret, 32 bytes long"
NOW_S = 1_700_000_000
HOST = "bridge.example.com"
TARGET = "/audiohook/bank?lang=en"
SESSION_ID = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
ORGANIZATION_ID = "d7934305-0972-4844-938e-9060eef73d05"
CORRELATION_ID = "e160e428-53e2-487c-977d-96989bf5c99d"

FIELDS = {
    "host": HOST,
    "audiohook-organization-id": ORGANIZATION_ID,
    "audiohook-session-id": SESSION_ID,
    "audiohook-correlation-id": CORRELATION_ID,
    "x-api-key": API_KEY,
}
COMPONENTS = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
PARAMETERS = {
    "keyid": f'"{API_KEY}"',
    "nonce": '"AAECAwQFBgcICQoLDA0ODxAR"',
    "alg": '"hmac-sha256"',
    "created": str(NOW_S),
    "expires": str(NOW_S + 30),
}

Headers = tuple[tuple[bytes, bytes], ...]


def plain(fields: dict[str, str]) -> Headers:
    """An unsigned request."""
    return tuple((name.encode(), value.encode("latin-1")) for name, value in fields.items())


@dataclass(frozen=True)
class Signer:
    """One signed request; parameters and items are structured-field text, written as given."""

    secret: bytes = SECRET
    target: str = TARGET
    authority: str = HOST
    fields: dict[str, str] = field(default_factory=lambda: dict(FIELDS))
    components: tuple[str, ...] = COMPONENTS
    items: str = ""
    parameters: dict[str, str] = field(default_factory=lambda: dict(PARAMETERS))
    label: str = "sig1"

    def signature_params(self) -> str:
        items = self.items or " ".join(f'"{name}"' for name in self.components)
        return f"({items})" + "".join(f";{name}={text}" for name, text in self.parameters.items())

    def base(self) -> bytes:
        values = {**self.fields, "@request-target": self.target, "@authority": self.authority}
        lines = [f'"{name}": {values.get(name, "")}' for name in self.components]
        lines.append(f'"@signature-params": {self.signature_params()}')
        return "\n".join(lines).encode("latin-1")

    def mac(self) -> bytes:
        return hmac.new(self.secret, self.base(), hashlib.sha256).digest()

    def signature_input(self) -> str:
        return f"{self.label}={self.signature_params()}"

    def signature(self) -> str:
        return f"{self.label}=:{base64.b64encode(self.mac()).decode()}:"

    def headers(self, **replaced: str) -> Headers:
        """The headers as sent; `replaced` (signature, signature_input) is sent in their place."""
        signature = replaced.get("signature", self.signature())
        signature_input = replaced.get("signature_input", self.signature_input())
        return plain(
            {**self.fields, "signature": signature, "signature-input": signature_input},
        )
