"""Requests to Genesys Cloud's Platform API as an OAuth client of its own.

Source: Platform API, "Client Credentials Grant" and "Rate limits"; the endpoints as the vendor's
`platform-client-sdk-python` calls them.
"""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from service.tools.http_client import DEFAULT_MAX_BYTES, Answer, HttpClient, Request
from service.tools.json_values import decoded
from service.tools.port import ToolError
from service.tools.urls import Place

RENEW_BEFORE_S = 60.0
"""A token is not used in its last minute: it must outlive the request."""
MAX_TOKEN_CHARS = 8_192
_UNAUTHORIZED = 401
_TOKEN = re.compile(r"[\x21-\x7e]+")
_REGION = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CloudPlaces:
    """Where a region of Genesys Cloud answers; `allow_private` is for stand-ins on this machine."""

    login: Place
    api: Place
    allow_private: bool = False

    @classmethod
    def of_region(cls, region: str) -> "CloudPlaces":
        """Return the places of a region such as `mypurecloud.de` or `usw2.pure.cloud`."""
        return cls(Place("https", f"login.{region}", 443), Place("https", f"api.{region}", 443))


def is_region(text: str) -> bool:
    """True for a text that can be the domain of a region."""
    return _REGION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The client credentials; the role of the client decides what it may do."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float  # seconds, monotonic


class GenesysCloud:
    """Sends requests with a token that is kept, renewed in time, and asked for once at a time."""

    def __init__(
        self,
        places: CloudPlaces,
        oauth: OAuthClient,
        *,
        client: HttpClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = places
        self._oauth = oauth
        self._client = client
        self._clock = clock
        self._token: _Token | None = None
        self._renewing = asyncio.Lock()

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> Answer:
        """Return the answer. A refused token is replaced and the request sent again, once.

        The whole needs a deadline of the caller.

        Args:
            method: of the request.
            path: below the API's host, encoded; with the query.
            body: JSON.
            max_bytes: of the answer.

        Raises:
            ToolError: there is no token, or no usable answer.
        """
        request = Request(
            method=method,
            place=self._places.api,
            target=path,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            max_bytes=max_bytes,
            allow_private=self._places.allow_private,
        )
        token = await self._current_token()
        answer = await self._client.send(_authorized(request, token))
        if answer.status != _UNAUTHORIZED:
            return answer
        if self._token is token:
            self._token = None
        return await self._client.send(_authorized(request, await self._current_token()))

    async def _current_token(self) -> _Token:
        # Whoever waits here looks again: the one before may have been cancelled.
        async with self._renewing:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = await self._new_token()
            return self._token

    async def _new_token(self) -> _Token:
        answer = await self._client.send(self._token_request())
        if not answer.is_ok:
            _log.warning(
                "Genesys Cloud gave no token to the OAuth client", extra={"status": answer.status}
            )
            raise ToolError("failed", "The service does not allow this.")
        return _token_of(decoded(answer.body), self._clock())

    def _token_request(self) -> Request:
        pair = f"{self._oauth.client_id}:{self._oauth.client_secret}"
        return Request(
            method="POST",
            place=self._places.login,
            target="/oauth/token",
            headers={
                "Accept": "application/json",
                "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=b"grant_type=client_credentials",
            allow_private=self._places.allow_private,
        )


def _authorized(request: Request, token: _Token) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token.text}"})


def _token_of(document: object, now: float) -> _Token:
    match document:
        case {"access_token": str(text), "expires_in": int(lifetime_s)} if len(
            text
        ) <= MAX_TOKEN_CHARS and _TOKEN.fullmatch(text):
            return _Token(text, now + lifetime_s - RENEW_BEFORE_S)
    raise ToolError("bad_answer", "The service gave an answer that is not valid.")
