"""Whole calls by ears, mind and voice over HTTP instead of a speech-to-speech model."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("numpy")

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.genesys import GenesysCall
from scripts.emulators.speech_http import ASR, LLM, TTS, SpeechServices
from service.speech.asr import HttpTranscriber
from service.speech.cascade import CascadeProvider
from service.speech.cascade_parts import Address, Parts
from service.speech.llm import HttpChatModel
from service.speech.tts import HttpSynthesizer
from service.speech.web import Web
from tests.e2e.bridge import SHOUT, SMALL_TALK, Played, bridge, play
from tests.e2e.quick_calls import ask_and_wait, ask_once, ask_twice, greeted, hear, quiet
from tests.e2e.side_by_side import Outcomes

KEY = "sk-a-key-of-the-cascade"
QUICK_MS = 16


@contextlib.asynccontextmanager
async def cascade(services: SpeechServices) -> AsyncIterator[CascadeProvider]:
    """A provider with those services."""
    address = Address(services.base_url, KEY)
    provider = CascadeProvider(
        lambda: Parts(
            HttpTranscriber(Web("asr", address), "a-model"),
            HttpChatModel(Web("llm", address), "a-model"),
            HttpSynthesizer(Web("tts", address), "a-model"),
        )
    )
    try:
        yield provider
    finally:
        await provider.aclose()


async def played(script: Any, *words: str, **changes: Any) -> Played:
    """Play one call; `faults` are pairs of a path and what its next requests get."""
    faults = changes.pop("faults", ())
    quick = {"ms_per_char": QUICK_MS} | changes
    async with SpeechServices(DialogueBrain(SMALL_TALK), *words, **quick) as services:
        for path, *what in faults:
            services.faults[path].extend(what)
        async with cascade(services) as provider, bridge(provider=provider) as running:
            result = await play(running, script)
    result.notes["services"] = services
    return result


async def plain() -> Played:
    return await played(ask_once, "hello")


async def barge_in() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=1_500)
        await call.say(SHOUT)
        await quiet(call)

    return await played(script, "tell me a story", "hello", ms_per_char=65)


async def barge_in_while_it_is_still_spoken() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say(SHOUT)
        await call.agent_speaks(min_ms=1_500)
        await call.say(SHOUT)
        await quiet(call)

    return await played(script, "tell me a story", "hello", ms_per_char=65, speed=1.3)


async def tool() -> Played:
    return await played(ask_and_wait, "a person please")


async def farewell() -> Played:
    return await played(ask_and_wait, "bye")


async def keys() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.press("47#")
        await hear(call)

    return await played(script)


async def ears_fail_once() -> Played:
    return await played(ask_once, "hello", faults=[(ASR, 503)])


async def ears_fail_for_a_turn() -> Played:
    return await played(ask_twice, "hello", faults=[(ASR, 503, "nonsense")])


async def ears_fail_for_good() -> Played:
    return await played(ask_and_wait, faults=[(ASR, 401)])


async def mind_fails_once() -> Played:
    return await played(ask_once, "hello", faults=[(LLM, 500)])


async def mind_fails_for_good() -> Played:
    return await played(ask_and_wait, "hello", faults=[(LLM, 200, *(["cut"] * 12))])


async def voice_fails_once() -> Played:
    return await played(ask_once, "hello", faults=[(TTS, 500)])


async def voice_breaks_off() -> Played:
    return await played(ask_and_wait, "hello", faults=[(TTS, 200, *(["cut"] * 12))])


SCENARIOS = (
    plain, barge_in, barge_in_while_it_is_still_spoken, tool, farewell, keys, ears_fail_once,
    ears_fail_for_a_turn, ears_fail_for_good, mind_fails_once, mind_fails_for_good,
    voice_fails_once, voice_breaks_off,
)  # fmt: skip


def test_a_call_is_greeted_heard_and_answered(outcome_of: Outcomes):
    call = outcome_of(plain)

    assert call.words == [("agent", "Welcome."), ("caller", "hello"), ("agent", "Certainly.")]
    assert call.blemishes == []


def test_an_interruption_is_heard_and_remembered_as_heard(outcome_of: Outcomes):
    for scenario in (barge_in, barge_in_while_it_is_still_spoken):
        call = outcome_of(scenario)
        story = call.turns[2]

        assert story["interrupted"]
        assert 0 < len(story["text"]) < len(story["text_generated"])
        assert call.words[3:] == [("caller", "hello"), ("agent", "Certainly.")]
        assert len(call.report.barge_ins) == 1
        assert call.blemishes == []
        last = call.notes["services"].asked(LLM)[-1].json["messages"]
        assert last[-2] == {"role": "assistant", "content": f"{story['text']} …"}


def test_functions_run_and_end_the_call(outcome_of: Outcomes):
    transfer, goodbye = outcome_of(tool), outcome_of(farewell)

    assert transfer.uses == [("transfer_to_agent", "ok")]
    assert transfer.outputs["BOT_STATUS"] == "transfer"
    assert transfer.agent_words == ["Welcome.", "I will connect you."]
    assert goodbye.uses == [("end_call", "ok")]
    assert goodbye.outputs["BOT_STATUS"] == "completed"
    assert goodbye.agent_words[-1] == "Goodbye."
    assert transfer.blemishes == goodbye.blemishes == []


def test_keys_are_answered(outcome_of: Outcomes):
    assert outcome_of(keys).agent_words == ["Welcome.", "Noted 47."]


def test_one_failure_of_a_part_is_not_noticed(outcome_of: Outcomes):
    for scenario in (ears_fail_once, mind_fails_once, voice_fails_once):
        call = outcome_of(scenario)

        assert call.agent_words == ["Welcome.", "Certainly."], scenario
        assert call.blemishes == []


def test_ears_that_fail_for_a_turn_lead_to_a_question(outcome_of: Outcomes):
    call = outcome_of(ears_fail_for_a_turn)
    asked = call.notes["services"].asked(LLM)[1].json["messages"][-1]

    assert "Ask to repeat" in asked["content"]
    assert len(call.agent_words) == 3
    assert call.words[-2:] == [("caller", "hello"), ("agent", "Certainly.")]


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        (ears_fail_for_good, "asr_http_401"),
        (mind_fails_for_good, "llm_unreachable"),
        (voice_breaks_off, "tts_unreachable"),
    ],
)
def test_a_part_that_fails_for_good_ends_the_conversation(
    scenario: Any, code: str, outcome_of: Outcomes
):
    call = outcome_of(scenario)

    assert set(call.blemishes) == {code}
    assert call.ended["end_reason"] == "provider_error"
    assert call.outputs["BOT_STATUS"] == "failed"


def test_the_use_of_a_cascade_is_counted_and_has_no_price(outcome_of: Outcomes):
    ended = outcome_of(plain).ended

    assert ended["cost"]["total"] is None
    assert ended["cost"]["unpriced"][0] == "cascade/a-model"


def test_nothing_is_left_behind(outcome_of: Outcomes):
    outcome_of(plain)

    assert outcome_of.leftovers == []
    assert KEY not in outcome_of.log.text
