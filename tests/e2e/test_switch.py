"""A call whose speech model is lost for good goes on with the next provider of the chain."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import GenesysCall
from scripts.emulators.realtime_scenario import CloseAtEvent, Fault, HangHandshake, RefuseHandshake
from scripts.emulators.speech_http import SpeechServices
from service.recordings import OWN, read_recordings
from service.speech.fallback import Link
from tests.e2e.bridge import SHOUT, SMALL_TALK, Played, bridge, play
from tests.e2e.quick_calls import PROMPT, greeted, quiet
from tests.e2e.side_by_side import Outcomes, play_side_by_side
from tests.e2e.test_cascade import cascade
from tests.e2e.test_faults import MOMENTS, longest_silence_s

SWITCH_SILENCE_S = 4.0
FIRST, LATER = (0,), tuple(range(1, 20))


async def script(call: GenesysCall) -> None:
    await greeted(call)
    for _ in range(2):
        await call.say(SHOUT)
        await call.agent_speaks()
        await quiet(call)


async def switched(moment: str, *faults: Fault) -> Played:
    """One call by a chain of two, whose first provider fails as told."""
    word = "report" if moment == "answer" else "hello"
    scenario = replace(PROMPT, caller_words=(word,), transcript_delay_ms=10, faults=faults)
    async with (
        SpeechServices(DialogueBrain(SMALL_TALK), "hello", "hello", ms_per_char=16) as services,
        cascade(services) as second,
        bridge(
            scenario, second=Link("cascade", second), recordings=read_recordings(OWN)
        ) as running,
    ):
        return await play(running, script)


def lost_at(moment: str, code: int = 4000) -> CloseAtEvent:
    return CloseAtEvent(code=code, connections=FIRST, **MOMENTS[moment])


async def lost_in_the_greeting() -> Played:
    return await switched("greeting", lost_at("greeting"))


async def lost_while_the_caller_speaks() -> Played:
    return await switched("caller ends", lost_at("caller ends"))


async def lost_in_an_answer() -> Played:
    return await switched("answer", lost_at("answer"))


async def down_after_a_loss() -> Played:
    refusal = RefuseHandshake(status=503, connections=LATER, times=None)
    return await switched("caller ends", lost_at("caller ends", 1011), refusal)


async def hanging_after_a_loss() -> Played:
    hang = HangHandshake(connections=LATER, times=None)
    return await switched("before the answer", lost_at("before the answer", 1011), hang)


async def refused_from_the_start() -> Played:
    return await switched("greeting", RefuseHandshake(status=401, times=None))


SCENARIOS: dict[Any, str] = {
    lost_in_the_greeting: "closed_4000",
    lost_while_the_caller_speaks: "closed_4000",
    lost_in_an_answer: "closed_4000",
    down_after_a_loss: "http_503",
    hanging_after_a_loss: "connect_timeout",
    refused_from_the_start: "http_401",
}


@pytest.fixture(scope="module")
def outcome_of() -> Iterator[Outcomes]:
    yield play_side_by_side(*SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_next_provider_takes_over_and_the_caller_is_not_left_alone(
    outcome_of: Outcomes, scenario: Any
):
    call = outcome_of(scenario)

    assert call.ended["end_reason"] == "caller_hangup"
    last = call.ended["connections"][-1]
    assert (last["provider"], last["after"]) == ("cascade", SCENARIOS[scenario])
    assert call.ended["model"] == "cascade/a-model"
    assert call.agent_words[-1] == "Certainly."
    assert [turn["text"] for turn in call.turns if turn["speaker"] == "caller"][-1] == "hello"
    assert [*call.report.violations, *call.report.rate_breaches] == []
    assert longest_silence_s(call) <= SWITCH_SILENCE_S


def test_nothing_is_left_behind(outcome_of: Outcomes):
    assert outcome_of.leftovers == []
