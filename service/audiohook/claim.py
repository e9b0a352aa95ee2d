"""What the `Signature` and `Signature-Input` headers of an upgrade request claim, read and checked.

Here: the two structured fields, the covered components, the parameters, the clock rules. A claim
that passes is well formed and current, but not believed before `signature.py` computed its HMAC.

Source: AudioHook specification sections 10.2 and 10.4 (draft-ietf-httpbis-message-signatures-11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, cast

import http_sf

REQUIRED_COMPONENTS = frozenset(
    {
        "@request-target",
        "@authority",
        "audiohook-organization-id",
        "audiohook-session-id",
        "audiohook-correlation-id",
        "x-api-key",
    }
)
PARAMETERS = frozenset({"keyid", "nonce", "alg", "created", "expires"})

MAX_SKEW_S = 5  # how far `created` may lie ahead of us, and how late after `expires` we accept
MAX_AGE_S = 35  # a machine that boots while the request waits still verifies it (section 10.4)
MIN_NONCE_CHARS = 22  # 128 bits in base64, the reference's minimum
MAC_BYTES = 32
MAX_FIELD_BYTES = 4096  # Genesys sends about 350; bounds the work of the parser
MAX_COMPONENTS = 16  # Genesys covers six; each one is looked up among all headers


class Cause(Enum):
    """Why a request is not authenticated. For metrics and logs only: never sent to the peer."""

    API_KEY_MISSING = "api_key_missing"
    API_KEY_REPEATED = "api_key_repeated"
    API_KEY_MALFORMED = "api_key_malformed"
    API_KEY_UNKNOWN = "api_key_unknown"
    API_KEY_WITHOUT_SECRET = "api_key_without_secret"  # noqa: S105 (a word for the log)
    NOT_SIGNED = "not_signed"
    HALF_SIGNED = "half_signed"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    NO_COMMON_LABEL = "no_common_label"
    SIGNATURE_LENGTH = "signature_length"
    COMPONENT_MISSING = "component_missing"
    COMPONENT_REPEATED = "component_repeated"
    COMPONENT_UNSUPPORTED = "component_unsupported"
    COMPONENT_WITHOUT_VALUE = "component_without_value"
    PARAMETER_UNKNOWN = "parameter_unknown"
    KEYID_MISMATCH = "keyid_mismatch"
    NONCE_TOO_SHORT = "nonce_too_short"
    ALGORITHM_UNSUPPORTED = "algorithm_unsupported"
    TIMES_MISSING = "times_missing"
    CREATED_AHEAD = "created_ahead"
    EXPIRED = "expired"
    SIGNATURE_MISMATCH = "signature_mismatch"
    NONCE_REPLAYED = "nonce_replayed"
    NONCE_MEMORY_FULL = "nonce_memory_full"


class SignatureError(Exception):
    """The request is not authenticated. Answer 401 with one body for every cause."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Claim:
    """One signature as the peer wrote it: well formed, but neither checked nor believed."""

    label: str
    components: tuple[str, ...]
    """Names in the signer's order."""
    parameters: Mapping[str, object]
    """In the signer's order."""
    mac: bytes
    """32 bytes."""

    def check(self, *, api_key: str, now_s: float) -> str:
        """Return the nonce of a claim that may be accepted if its HMAC is right.

        Args:
            api_key: the key that the request names.
            now_s: Unix time.

        Raises:
            SignatureError: a rule of 10.2 or 10.4 is broken.
        """
        _check_components(self.components)
        nonce = _check_parameters(self.parameters, api_key)
        _check_times(self.parameters, now_s)
        return nonce

    def serialised(self) -> bytes:
        """The value of `@signature-params`. Call after `check`, which leaves known types only.

        Serialised anew from what was parsed, as the reference does: what is signed is what was
        understood.
        """
        member = {self.label: (list(self.components), self.parameters)}
        text = http_sf.ser(cast("http_sf.DictionaryType", member))
        return text.removeprefix(f"{self.label}=").encode("ascii")


def read_claim(signature: bytes, signature_input: bytes) -> Claim:
    """Read the first signature, in the order of `Signature-Input`, that both headers have.

    Raises:
        SignatureError: there is none, or it is not of the agreed form.
    """
    macs, inputs = _parse_dictionary(signature), _parse_dictionary(signature_input)
    label = next((label for label in inputs if label in macs), None)
    if label is None:
        raise SignatureError(Cause.NO_COMMON_LABEL)
    match macs[label], inputs[label]:
        case (bytes(mac), _), (list(components), dict(parameters)):
            if len(mac) != MAC_BYTES:  # before any comparison (trap 2)
                raise SignatureError(Cause.SIGNATURE_LENGTH)
            names = tuple(_component_name(component) for component in components)
            return Claim(label, names, parameters, mac)
        case _:
            raise SignatureError(Cause.MALFORMED)


def _parse_dictionary(text: bytes) -> dict[str, object]:
    if len(text) > MAX_FIELD_BYTES:
        raise SignatureError(Cause.TOO_LONG)
    try:
        parsed = http_sf.parse(text, tltype="dictionary", on_duplicate_key=_refuse_duplicate)
    except http_sf.StructuredFieldError as error:
        raise SignatureError(Cause.MALFORMED) from error
    return cast("dict[str, object]", parsed)


def _refuse_duplicate(_key: str, _where: str) -> NoReturn:
    # RFC 8941 lets the last one win; two readings of one signature are one too many.
    raise SignatureError(Cause.MALFORMED)


def _component_name(component: object) -> str:
    match component:
        case (str(name), dict(parameters)) if not parameters:
            return name
        case _:  # parameters such as ;sf, or a token in place of a string
            raise SignatureError(Cause.COMPONENT_UNSUPPORTED)


def _check_components(names: tuple[str, ...]) -> None:
    if len(names) > MAX_COMPONENTS:
        raise SignatureError(Cause.TOO_LONG)
    covered = frozenset(names)
    if len(covered) != len(names):
        raise SignatureError(Cause.COMPONENT_REPEATED)
    if not covered >= REQUIRED_COMPONENTS:
        raise SignatureError(Cause.COMPONENT_MISSING)
    if any(name.startswith("@") for name in covered - REQUIRED_COMPONENTS):
        raise SignatureError(Cause.COMPONENT_UNSUPPORTED)


def _check_parameters(parameters: Mapping[str, object], api_key: str) -> str:
    """Return the nonce."""
    if not parameters.keys() <= PARAMETERS:
        raise SignatureError(Cause.PARAMETER_UNKNOWN)
    if _text(parameters.get("keyid")) != api_key:
        raise SignatureError(Cause.KEYID_MISMATCH)
    if _text(parameters.get("alg", "hmac-sha256")) != "hmac-sha256":
        raise SignatureError(Cause.ALGORITHM_UNSUPPORTED)
    nonce = _text(parameters.get("nonce"))
    if len(nonce) < MIN_NONCE_CHARS:
        raise SignatureError(Cause.NONCE_TOO_SHORT)
    return nonce


def _text(value: object) -> str:
    """The value if it is a string, else ""; http_sf's tokens compare equal to strings."""
    return value if isinstance(value, str) else ""


def _check_times(parameters: Mapping[str, object], now_s: float) -> None:
    """Source: section 10.4, "Policy (ours)"."""
    created_s = _unix_time_s(parameters.get("created"))
    expires_s = _unix_time_s(parameters.get("expires"))
    if created_s > now_s + MAX_SKEW_S:
        raise SignatureError(Cause.CREATED_AHEAD)
    if now_s > min(expires_s + MAX_SKEW_S, created_s + MAX_AGE_S):
        raise SignatureError(Cause.EXPIRED)


def _unix_time_s(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise SignatureError(Cause.TIMES_MISSING)
