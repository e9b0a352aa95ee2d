"""A stand-in for Genesys Cloud's login and Platform API on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.tools.genesys_cloud import CloudPlaces
from service.tools.urls import Place
from tests.tools.web import Behaviour, Received, Web, json_reply, web

ACTION_ID = "custom_-_1e4f0000-0000-4000-8000-000000000001"


class Clock:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Genesys:
    """Hands out the tokens `t1`, `t2`, …; what the API answers is the test's to say.

    Attributes:
        api: behaviours by order of request; the last goes on.
        login: behaviours of the login, before it hands out tokens.
        expires_in: seconds that a token is said to live.
        valid: tokens that the API takes.
        logins: requests for a token.
        calls: requests to the API with a valid token.
        refuse: answers the others.
    """

    api: list[Behaviour] = field(default_factory=lambda: [json_reply({})])
    login: list[Behaviour] = field(default_factory=list)
    expires_in: int = 86_400
    valid: set[str] = field(default_factory=set)
    logins: list[Received] = field(default_factory=list)
    calls: list[Received] = field(default_factory=list)
    refuse: Behaviour = json_reply({"error": "secret"}, status=401)
    web: Web = field(default_factory=lambda: Web(()))

    @property
    def places(self) -> CloudPlaces:
        place = Place("http", "127.0.0.1", self.web.port)
        return CloudPlaces(place, place, allow_private=True)

    async def behave(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.target == "/oauth/token":
            self.logins.append(request)
            await self._login()(request, writer)
        elif request.headers["authorization"].removeprefix("Bearer ") not in self.valid:
            await self.refuse(request, writer)
        else:
            self.calls.append(request)
            await self.api[min(len(self.calls), len(self.api)) - 1](request, writer)

    def _login(self) -> Behaviour:
        if len(self.logins) <= len(self.login):
            return self.login[len(self.logins) - 1]
        token = f"t{len(self.logins)}"
        self.valid.add(token)
        return json_reply({"access_token": token, "expires_in": self.expires_in})


@asynccontextmanager
async def serving(genesys: Genesys) -> AsyncIterator[Genesys]:
    """Serve until the block ends."""
    async with asyncio.timeout(20), web(genesys.behave) as server:
        genesys.web = server
        yield genesys


def action(schema: object) -> Behaviour:
    """Answer with an action that has this input schema."""
    return json_reply({"id": ACTION_ID, "contract": {"input": {"inputSchema": schema}}})
