"""The upgrade request of a call: which path it asks for, which host it names, who it says it is.

Pure: bytes of one HTTP request in, values or `BadUpgrade` out. Whether the request is authentic is
`signature.py`; the order of these steps, waiting and answering is `service.gate`.

Source: AudioHook specification sections 1, 1.1 and 17 rows 3 to 18.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Self

from service.audiohook.fields import is_uuid
from service.audiohook.signature import Headers, SignedRequest, field_value

ROOT = "/audiohook"
MAX_BOT_ID_CHARS = 512  # section 17 row 5

_DEFAULT_PORT = re.compile(rb":(?:443|80)\Z")
_PORT = re.compile(rb":[0-9]+\Z")


class Defect(Enum):
    """What is wrong with a request apart from its authentication. For logs, never sent."""

    PATH_UNKNOWN = "path_unknown"
    BOT_ID_TOO_LONG = "bot_id_too_long"
    BOT_UNKNOWN = "bot_unknown"
    SESSION_ID_UNUSABLE = "session_id_unusable"
    ORGANIZATION_ID_UNUSABLE = "organization_id_unusable"


class BadUpgrade(Exception):
    """The request cannot become a call. `status` is the HTTP status to answer: 400 or 404."""

    def __init__(self, status: int, defect: Defect) -> None:
        super().__init__(defect.value)
        self.status = status
        self.defect = defect


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """One HTTP upgrade request, as received."""

    raw_target: str
    """Path and query exactly as on the request line, one character per byte (Latin-1)."""
    headers: Headers

    @classmethod
    def from_asgi(cls, raw_path: bytes, query_string: bytes, headers: Headers) -> Self:
        """Take a request from an ASGI scope's values of these names.

        Never from its `path`, which is decoded. ASGI does not tell `/x?` from `/x`; a signer that
        keeps an empty query cannot be verified.
        """
        target = raw_path + b"?" + query_string if query_string else raw_path
        return cls(target.decode("latin-1"), tuple(headers))


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """What the headers and the path of an admitted upgrade say about the call."""

    session_id: str | None
    """UUID as sent; None only without authentication: adopt the id of the first message."""
    organization_id: str | None
    """UUID as sent; None only without authentication. `open` must name the same one."""
    correlation_id: str | None
    """UUID for tracing; None if it was absent or unusable."""
    api_key_masked: str | None
    """For logs; None without authentication."""
    bot_id: str
    """The Connector ID exactly as it stands in the path, still percent-encoded; "" if bare."""


def bot_id_of(raw_target: str) -> str:
    """The Connector ID in the path: what follows the root and at most one slash.

    `/audiohook`, `/audiohook/`, `/audiohook/bank` and `/audiohookbank` (an id that was appended to
    a base URI without a slash) are all valid; so is any query.

    Raises:
        BadUpgrade: 404, the path is not below the root or the id is longer than 512 characters.

    Source: section 1 "separator", section 17 rows 4 and 5.
    """
    path = raw_target.partition("?")[0]
    if not path.startswith(ROOT):
        raise BadUpgrade(404, Defect.PATH_UNKNOWN)
    bot_id = path.removeprefix(ROOT).removeprefix("/")
    if len(bot_id) > MAX_BOT_ID_CHARS:
        raise BadUpgrade(404, Defect.BOT_ID_TOO_LONG)
    return bot_id


def signed_request(
    request: UpgradeRequest, api_key: str, *, public_host: str | None
) -> SignedRequest:
    """The parts of a request that a signature may cover.

    Args:
        request: the upgrade request.
        api_key: what `read_api_key` returned for it.
        public_host: the authority that callers use, when a proxy changes `Host`; then the `Host`
            header counts for nothing.
    """
    host = field_value(request.headers, b"host") if public_host is None else public_host.encode()
    return SignedRequest(
        api_key=api_key,
        target=request.raw_target.encode("latin-1", "backslashreplace"),
        authorities=accepted_authorities(host or b""),
        headers=request.headers,
    )


def accepted_authorities(host: bytes) -> tuple[bytes, ...]:
    """Every spelling of one host that a client may have signed, without repetition.

    As given, in lower case, without its default port, and with one if it has no port at all. The
    signer's rule is lower case without default port; its verifier takes `Host` as it stands.

    Source: sections 10.2 and 10.5.
    """
    lower = host.lower()
    bare = _DEFAULT_PORT.sub(b"", lower)
    with_port = () if _PORT.search(bare) else (bare + b":443", bare + b":80")
    return tuple(dict.fromkeys((host, lower, bare, *with_port)))


def identify(request: UpgradeRequest, *, api_key: str | None) -> CallIdentity:
    """Read who calls which bot, after the request was authenticated.

    Args:
        request: the upgrade request.
        api_key: the authenticated key; None where no authentication is configured, and then the
            ids may be absent.

    Raises:
        BadUpgrade: 404 as `bot_id_of`; 400, the session or organization id is missing (or is not
            a UUID, whether authenticated or not).

    Source: section 17 rows 17 and 18.
    """
    return CallIdentity(
        bot_id=bot_id_of(request.raw_target),
        session_id=_required_uuid(
            request, b"audiohook-session-id", api_key, Defect.SESSION_ID_UNUSABLE
        ),
        organization_id=_required_uuid(
            request, b"audiohook-organization-id", api_key, Defect.ORGANIZATION_ID_UNUSABLE
        ),
        correlation_id=_uuid(field_value(request.headers, b"audiohook-correlation-id")),
        api_key_masked=None if api_key is None else masked_api_key(api_key),
    )


def masked_api_key(api_key: str) -> str:
    """The first four characters: enough to recognise one's own key in a log, not to use it.

    Of a key of up to eight characters nothing is shown.
    """
    return f"{api_key[:4] if len(api_key) > 8 else ''}…"


def _required_uuid(
    request: UpgradeRequest, name: bytes, api_key: str | None, defect: Defect
) -> str | None:
    value = field_value(request.headers, name)
    if value is None and api_key is None:
        return None
    uuid = _uuid(value)
    if uuid is None:
        raise BadUpgrade(400, defect)
    return uuid


def _uuid(value: bytes | None) -> str | None:
    text = "" if value is None else value.decode("latin-1")
    return text if is_uuid(text) else None
