"""Keeps Amazon ECS from stopping a task that serves calls, when it scales in or deploys.

The agent beside the task takes the wish; it holds for a while and is renewed. Whatever the agent
does, calls go on. Source: Amazon ECS developer guide, task scale-in protection endpoint.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from http.client import HTTPException
from urllib.request import Request, urlopen

LOOK_EVERY_S = 1.0
EXPIRES_MIN = 20
"""The wish ends by itself: a task that hangs must not live for ever."""
RENEW_S = 300.0
LINGER_S = 30.0
"""Without calls before the protection is given up: the next one may be ringing."""
RETRY_S = 10.0
"""After an answer that was none; the agent allows few requests."""
DEADLINE_S = 5.0
_PATH = "/task-protection/v1/state"
_log = logging.getLogger(__name__)


class TaskProtection:
    """Asks for protection while there are calls, and for its end when there are none."""

    def __init__(
        self,
        agent_uri: str,
        has_calls: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Talk to the agent at `agent_uri`, the platform's ECS_AGENT_URI."""
        self._url = agent_uri.rstrip("/") + _PATH
        self._has_calls = has_calls
        self._clock = clock
        self._is_protected = False
        self._due_at = 0.0
        self._served_at = -LINGER_S
        self._has_failed = False

    async def watch(self) -> None:
        """Look until cancelled, then give the protection up."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            if self._is_protected:
                await asyncio.shield(self._ask(protected=False))

    async def look(self) -> None:
        """Ask for what is wanted now, unless it was granted and is not to be renewed yet."""
        now = self._clock()
        if self._has_calls():
            self._served_at = now
        wanted = now < self._served_at + LINGER_S
        is_due = now >= self._due_at
        if wanted == self._is_protected and not (wanted and is_due):
            return
        if self._has_failed and not is_due:
            return
        await self._ask(protected=wanted)

    async def _ask(self, *, protected: bool) -> None:
        try:
            await asyncio.to_thread(self._put, protected)
        except (OSError, ValueError, HTTPException) as error:
            if not self._has_failed:
                _log.warning(
                    "ECS did not take the task's protection", extra={"error": type(error).__name__}
                )
            self._has_failed = True
            self._due_at = self._clock() + RETRY_S
        else:
            self._has_failed, self._is_protected = False, protected
            self._due_at = self._clock() + RENEW_S

    def _put(self, protected: bool) -> None:
        wish: dict[str, object] = {"ProtectionEnabled": protected}
        if protected:
            wish["ExpiresInMinutes"] = EXPIRES_MIN
        request = Request(  # noqa: S310 the agent's address comes from the platform
            self._url,
            data=json.dumps(wish).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        with urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310
            told = json.loads(answer.read(65_536))
        state = told.get("protection") if isinstance(told, dict) else None
        if not isinstance(state, dict) or state.get("ProtectionEnabled") is not protected:
            raise ValueError("another state than was asked for")
