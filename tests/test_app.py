"""The web application with its own server around it, because what it promises is on the wire."""

import asyncio
import time

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import CallReport, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from service.app import unix_now, utc_now
from service.bots.port import Bot
from service.speech.endpoints import openai_endpoint
from service.speech.realtime import RealtimeProvider, RealtimeSession
from tests.e2e.bridge import (
    API_KEY,
    MODEL_KEY,
    SMALL_TALK,
    Bridge,
    Played,
    bridge,
    play,
    trapped_logs,
)
from tests.e2e.raw_http import UPGRADE, Answer, ask, request, signed
from tests.plain_bot import Bots

PROMPT = Scenario(speed=20, first_audio_delay_ms=50, hello_delay_ms=10)


class Store:
    """A secret store that counts who asks, and knows one key without a secret."""

    def __init__(self) -> None:
        self.lookups = 0

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        self.lookups += 1
        return (b"",) if api_key == API_KEY else ()


async def upgrade(running: Bridge, target: str = "/audiohook/default") -> Answer:
    setup = running.setup(url=f"ws://127.0.0.1:{running.port}{target}", client_secret=None)
    host = f"127.0.0.1:{running.port}"
    return await ask(running.port, request(target, [*UPGRADE, *signed(setup)], host=host))


def test_the_edge_clocks_agree():
    assert utc_now().tzinfo is not None
    assert abs(utc_now().timestamp() - unix_now()) < 5
    assert abs(unix_now() - time.time()) < 5  # noqa: TID251 what is under test


def test_an_upgrade_without_room_does_not_ask_for_secrets():
    async def scenario() -> tuple[Answer, int]:
        store = Store()
        async with bridge(secrets=store) as running:
            running.calls.drain()
            return await upgrade(running), store.lookups

    answer, lookups = asyncio.run(scenario(), debug=False)

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert lookups == 0


def test_an_unknown_path_does_not_ask_for_secrets():
    async def scenario() -> tuple[Answer, int]:
        store = Store()
        async with bridge(secrets=store) as running:
            return await upgrade(running, "/elsewhere"), store.lookups

    answer, lookups = asyncio.run(scenario(), debug=False)

    assert answer.status == 404
    assert lookups == 0


def test_odd_targets_are_routed_by_their_raw_bytes():
    async def scenario() -> list[int]:
        async with bridge(secrets=Store()) as running:
            odd = ["/audiohook/a%0Ab", "/audiohook/%ff", "http://elsewhere/audiohook", "/%0A"]
            return [(await upgrade(running, target)).status for target in odd]

    assert asyncio.run(scenario(), debug=False) == [101, 101, 404, 404]


def test_callers_who_come_in_together_do_not_overfill_the_house():
    class Slow(Store):
        async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
            await asyncio.sleep(0.1)  # all of them see room before one is let in
            return await super().get_client_secrets(api_key)

    async def scenario() -> tuple[list[CallReport | BaseException], int]:
        async with bridge(PROMPT, secrets=Slow(), max_calls=2) as running:
            most: list[int] = [0]

            async def stay(call: GenesysCall) -> None:
                await call.opened()
                most[0] = max(most[0], len(running.calls))
                await call.sleep(0.3)

            calls = (play_call(running.setup(client_secret=None), stay) for _ in range(5))
            found = await asyncio.gather(*calls, return_exceptions=True)
            return found, most[0]

    found, most = asyncio.run(scenario(), debug=False)

    assert sum(isinstance(outcome, CallReport) for outcome in found) == 2
    assert most == 2


class WatchedBots(Bots):
    """Says whether somebody keeps them fresh."""

    state = "new"

    async def watch(self) -> None:
        self.state = "watched"
        try:
            await asyncio.Event().wait()
        finally:
            self.state = "left"


def test_the_bots_are_watched_as_long_as_the_service_runs():
    async def scenario() -> list[str]:
        bots = WatchedBots()
        states = [bots.state]
        async with bridge(bots=bots):
            states.append(bots.state)
        return [*states, bots.state]

    assert asyncio.run(scenario(), debug=False) == ["new", "watched", "left"]


class Counting(RealtimeProvider):
    """Counts how often it was closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


def test_the_speech_provider_is_closed_after_the_last_call():
    provider = Counting(openai_endpoint("http://127.0.0.1:9", MODEL_KEY, "gpt-realtime-2.1"))

    async def scenario() -> int:
        async with bridge(provider=provider):
            return provider.closed

    assert (asyncio.run(scenario(), debug=False), provider.closed) == (0, 1)


class Unclosable(RealtimeProvider):
    async def aclose(self) -> None:
        raise RuntimeError("the provider cannot be closed")


def test_events_are_delivered_at_the_end_whatever_else_fails(caplog: pytest.LogCaptureFixture):
    async def scenario() -> bool:
        provider = Unclosable(openai_endpoint("http://127.0.0.1:9", MODEL_KEY, "m"))
        async with bridge(provider=provider) as running:
            sink = running.sink
        return sink.is_closed

    assert asyncio.run(scenario(), debug=False)
    assert "the provider cannot be closed" in caplog.text


class BrokenOnce(RealtimeProvider):
    """Has a bug that the first call meets."""

    is_broken = True

    async def connect(self, bot: Bot) -> RealtimeSession:
        if self.is_broken:
            self.is_broken = False
            raise ValueError("the caller said a secret word")
        return await super().connect(bot)


def test_a_bug_in_one_call_leaves_the_others_alone():
    async def meet_the_bug(call: GenesysCall) -> None:
        await call.ended(within_s=5)

    async def listen(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_quiet(for_ms=100)

    async def scenario() -> tuple[Played, Played]:
        brain = DialogueBrain(SMALL_TALK)
        async with RealtimeEmulator(scenario=PROMPT, brain=brain) as model:
            endpoint = openai_endpoint(model.base_url, MODEL_KEY, "gpt-realtime-2.1")
            async with bridge(provider=BrokenOnce(endpoint)) as running:
                return await play(running, meet_the_bug), await play(running, listen)

    with trapped_logs() as trap:
        broken, good = asyncio.run(scenario(), debug=False)

    assert broken.report.disconnect is not None
    assert broken.report.disconnect.reason == "error"
    assert broken.report.disconnect.info == "internal"
    assert broken.ended["errors"] == ["internal"]
    assert good.words == [("agent", "Welcome.")]
    errors = [record for _, record in trap.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == ["a call failed inside"]


class WornOutBots(Bots):
    """Bots whose watch has a bug."""

    async def watch(self) -> None:
        await asyncio.sleep(0.05)
        raise RuntimeError("a bug beside the calls")


def test_what_fails_beside_the_calls_costs_no_call_and_no_event():
    async def scenario() -> Played:
        async with bridge(PROMPT, brain=DialogueBrain(SMALL_TALK), bots=WornOutBots()) as running:

            async def script(call: GenesysCall) -> None:
                await call.opened()
                await call.agent_quiet(for_ms=300)

            return await play(running, script)

    with trapped_logs() as log:
        played = asyncio.run(scenario(), debug=False)

    assert played.ended["end_reason"] == "caller_hangup"
    assert "something beside the calls has failed" in log.text
