"""Tools that run Data Actions of Genesys Cloud. See README.md beside this file.

Only actions that a bot's file names can run; the model chooses the arguments, never the action.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from service.tools.genesys_cloud import CloudPlaces, GenesysCloud, OAuthClient, is_region
from service.tools.genesys_schemas import InputSchemas
from service.tools.http_client import (
    DEFAULT_MAX_BYTES,
    MOST_MAX_BYTES,
    Answer,
    HttpClient,
)
from service.tools.json_values import decoded, encoded
from service.tools.port import (
    Arguments,
    DeclarationError,
    Surroundings,
    Tool,
    ToolContext,
    ToolDeclaration,
    ToolError,
)
from service.tools.redaction import PATH, redacted

_TOO_MANY = 429


class DataActionDeclaration(ToolDeclaration, kw_only=True):
    """A `[[tools]]` table of the kind `genesys_data_action`."""

    action_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,100}\Z")]
    redact: list[str] = msgspec.field(default_factory=list)
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=MOST_MAX_BYTES)] = DEFAULT_MAX_BYTES


class DataActionKind:
    """Makes tools of Data Actions; they share one token, one client and the schemas."""

    declaration = DataActionDeclaration

    def __init__(
        self,
        *,
        region: str,
        client_id: str,
        client_secret: str,
        places: CloudPlaces | None = None,
        client: HttpClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened. Without its settings the kind makes no tools.

        Args:
            region: domain of the organisation's region, such as `mypurecloud.de`.
            client_id: of an OAuth client with the grant "Client Credentials".
            client_secret: of that client.
            places: other hosts than the region's.
            client: sends the requests; `aclose` closes it.
            clock: monotonic seconds.
            pause: waits so many seconds before a request that was too early is sent again.
        """
        self._client = client or HttpClient()
        self._problems = _problems(region, client_id, client_secret, has_places=places is not None)
        self._actions: _Actions | None = None
        if not self._problems:
            cloud = GenesysCloud(
                places or CloudPlaces.of_region(region),
                OAuthClient(client_id, client_secret),
                client=self._client,
                clock=clock,
            )
            schemas = InputSchemas(cloud, clock=clock)
            self._actions = _Actions(cloud=cloud, schemas=schemas, clock=clock, pause=pause)

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        """Return the tool; see `ToolKind`."""
        del surroundings
        problems = list(self._problems)
        if not all(PATH.fullmatch(path) for path in declared.redact):
            problems.append(("redact", "dotted names such as customer.ssn or items.*.price"))
        if problems or self._actions is None:
            raise DeclarationError(problems)
        work = _DataActionWork(self._actions, declared)
        return Tool(
            name=declared.name,
            description=declared.description,
            parameters=declared.parameters,
            run=work.run,
            timeout_s=declared.timeout_s,
            announce_after_s=declared.announce_after_s,
            max_calls=declared.max_calls,
            fill=declared.fill,
            fetch_parameters=None if declared.parameters else work.fetch_parameters,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _DataActionWork:
    """What one tool does when it is called."""

    def __init__(self, actions: "_Actions", declared: DataActionDeclaration) -> None:
        self._actions = actions
        self._declared = declared

    async def run(self, arguments: Arguments, call: ToolContext) -> object:
        """See `Run`."""
        del call
        declared = self._declared
        answer = await self._actions.execute(
            declared.action_id,
            encoded(arguments),
            within_s=declared.timeout_s,
            max_bytes=declared.max_bytes,
        )
        answer.raise_for_status()
        return redacted(decoded(answer.body), declared.redact)

    async def fetch_parameters(self) -> dict[str, Any]:
        """See `Tool`; what the caller keys in is left out."""
        schema = await self._actions.schemas.get(self._declared.action_id)
        filled = self._declared.fill.keys()
        known = schema.get("properties", {}).items()
        properties = {name: one for name, one in known if name not in filled}
        required = [name for name in schema.get("required", []) if name not in filled]
        return {**schema, "properties": properties, "required": required}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Actions:
    """The Data Actions of one organisation."""

    cloud: GenesysCloud
    schemas: InputSchemas
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[object]]

    async def execute(
        self, action_id: str, body: bytes, *, within_s: float, max_bytes: int
    ) -> Answer:
        """Run an action. One that came too early runs again when `within_s` leaves the time."""
        began = self.clock()
        path = f"/api/v2/integrations/actions/{quote(action_id, safe='')}/execute"
        answer = await self.cloud.send("POST", path, body=body, max_bytes=max_bytes)
        if answer.status == _TOO_MANY:
            wait_s = float(answer.retry_after) if answer.retry_after.isdecimal() else math.inf
            if wait_s < within_s - (self.clock() - began):
                await self.pause(wait_s)
                answer = await self.cloud.send("POST", path, body=body, max_bytes=max_bytes)
        if answer.status == _TOO_MANY:
            raise ToolError("rate_limited", "The service is too busy now. Try again later.")
        return answer


def _problems(
    region: str, client_id: str, client_secret: str, *, has_places: bool
) -> list[tuple[str, str]]:
    """Return what a declaration of this kind lacks in the settings."""
    settings = {
        "GENESYS_REGION": region or has_places,
        "GENESYS_CLIENT_ID": client_id,
        "GENESYS_CLIENT_SECRET": client_secret,
    }
    missing = [name for name, value in settings.items() if not value]
    if missing:
        return [("kind", f"a deployment with the settings {', '.join(missing)}")]
    if not has_places and not is_region(region):
        return [("kind", "a deployment whose GENESYS_REGION is a domain such as mypurecloud.de")]
    return []
