"""What Data Actions want to be told: their input schemas, fetched from Genesys Cloud and kept.

Source: `GET /api/v2/integrations/actions/{actionId}?expand=contract` answers with an `Action`,
whose `contract.input.inputSchema` is the JSON Schema of the body of `/execute` (models `Action`,
`ActionContract`, `ActionInput` and `JsonSchemaDocument` of the vendor's Python SDK).
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from service.tools.genesys_cloud import GenesysCloud
from service.tools.json_values import decoded
from service.tools.port import ToolError

FRESH_S = 3_600.0
RETRY_S = 60.0
"""A failure counts for so long: no other call waits for the same again."""
DEADLINE_S = 1.5
"""A call waits 2 s for its schemas, the old one included, before it goes on without the tool."""
MAX_SCHEMA_BYTES = 65_536
MAX_SCHEMAS = 256
_KEPT_KEYS = (
    "type", "description", "required", "properties", "additionalProperties", "definitions",
)  # fmt: skip
"""The rest, `$schema`, `id` and `title`, tells the model nothing and can mislead a validator."""


@dataclass(slots=True)
class _Entry:
    """What is known of one action's schema.

    Attributes:
        schema: the last one that could be had.
        failure: code and message of what went wrong last, while there is no schema.
        due: seconds, monotonic: when it is fetched again.
    """

    schema: dict[str, Any] | None = None
    failure: tuple[str, str] = ("", "")
    due: float = -math.inf
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fail(self, code: str, message: str, *, until: float) -> None:
        """Note that there is no new schema, which counts until then."""
        self.failure = (code, message)
        self.due = until


class InputSchemas:
    """Fetches each schema once an hour, once at a time; an old one is better than none."""

    def __init__(
        self,
        cloud: GenesysCloud,
        *,
        clock: Callable[[], float] = time.monotonic,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._cloud = cloud
        self._clock = clock
        self._deadline_s = deadline_s
        self._entries: dict[str, _Entry] = {}

    async def get(self, action_id: str) -> dict[str, Any]:
        """Return the JSON Schema of an object, within the deadline; do not change it.

        Raises:
            ToolError: it cannot be fetched and there is no older one, or it is no such schema.
        """
        if action_id not in self._entries and len(self._entries) >= MAX_SCHEMAS:
            self._entries.clear()
        entry = self._entries.setdefault(action_id, _Entry())
        if self._clock() >= entry.due:
            await self._refresh(action_id, entry)
        if entry.schema is None:
            raise ToolError(*entry.failure)
        return entry.schema

    async def _refresh(self, action_id: str, entry: _Entry) -> None:
        try:
            async with asyncio.timeout(self._deadline_s), entry.fetching:
                if self._clock() >= entry.due:  # nobody else has done it meanwhile
                    entry.schema = await self._fetched(action_id)
                    entry.due = self._clock() + FRESH_S
        except TimeoutError:
            entry.fail("failed", "The service takes too long.", until=self._clock() + RETRY_S)
        except ToolError as error:
            entry.fail(error.code, error.message, until=self._clock() + RETRY_S)

    async def _fetched(self, action_id: str) -> dict[str, Any]:
        path = f"/api/v2/integrations/actions/{quote(action_id, safe='')}?expand=contract"
        answer = await self._cloud.send("GET", path, max_bytes=MAX_SCHEMA_BYTES)
        answer.raise_for_status()
        return _input_schema(decoded(answer.body))


def _input_schema(action: object) -> dict[str, Any]:
    match action:
        case {"contract": {"input": {"inputSchema": {"type": "object"} as schema}}}:
            kept = {name: schema[name] for name in _KEPT_KEYS if schema.get(name) is not None}
            if isinstance(kept.get("properties", {}), dict) and _are_names(
                kept.get("required", [])
            ):
                return kept
    raise ToolError("bad_answer", "The service gave an answer that is not valid.")


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
