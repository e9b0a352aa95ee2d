"""Calls that are over soon: a prompt model with a quick voice, and what their callers do."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from scripts.emulators.brains import Brain
from scripts.emulators.genesys import GenesysCall
from scripts.emulators.realtime_scenario import Scenario
from tests.e2e.bridge import SHOUT, QuickVoice

PROMPT = Scenario(speed=20, first_audio_delay_ms=50, transcript_delay_ms=100, hello_delay_ms=10)
QUIET_MS = 250
OUTPUTS = {"BOT_STATUS", "END_REASON", "TRANSFER_REASON", "TRANSFER_TARGET", "SUMMARY"}
"""What every bot gives back to the flow."""
HANDOVER = "I will connect you with a colleague now. One moment, please."

Script = Callable[[GenesysCall], Awaitable[None]]
"""What a caller does."""


def quick(brain: Brain, *words: str, **changes: Any) -> dict[str, Any]:
    """What a `bridge` needs for a model with that brain, and a caller who says these words."""
    scenario = replace(PROMPT, caller_words=words, **changes)
    return {"scenario": scenario, "brain": brain, "voice": QuickVoice()}


async def quiet(call: GenesysCall) -> None:
    """Listen until the agent is quiet."""
    await call.agent_quiet(for_ms=QUIET_MS)


async def hear(call: GenesysCall, *, min_ms: float = 0) -> None:
    """Wait until the agent has spoken for so long, and then listen until it is quiet."""
    await call.agent_speaks(min_ms=min_ms)
    await quiet(call)


async def greeted(call: GenesysCall) -> None:
    """Listen to the greeting."""
    await call.opened()
    await quiet(call)


async def say(call: GenesysCall, times: int = 1) -> None:
    """Say something and listen to the answer, so many times."""
    for _ in range(times):
        await call.say(SHOUT)
        await quiet(call)


async def ask_once(call: GenesysCall) -> None:
    """Listen to the greeting, ask, listen to the answer, hang up."""
    await greeted(call)
    await say(call)


async def ask_twice(call: GenesysCall) -> None:
    """The same with a second question."""
    await greeted(call)
    await say(call, 2)


async def ask_and_wait(call: GenesysCall) -> None:
    """Listen to the greeting, ask, and wait until the service ends the call."""
    await greeted(call)
    await call.say(SHOUT)
    await call.disconnected()
