"""Silent callers, the time that a call may take, and its language, on whole calls."""

from dataclasses import replace

import pytest

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.genesys import GenesysCall
from service.bots.port import Bot, Limits
from service.silence import SilencePolicy
from tests.e2e.bridge import SMALL_TALK, Played, bridge, play
from tests.e2e.quick_calls import HANDOVER, Script, greeted, hear, quick, say
from tests.e2e.real_bots import real_bots
from tests.e2e.side_by_side import Outcomes
from tests.plain_bot import PLAIN_BOT, Bots

AFTER_S = 0.6
REPROMPTS = (
    "The caller was silent. Ask in one short sentence whether the caller is still there.",
    "The caller is still silent. Say in one short sentence that you cannot hear anything.",
)
STILL_THERE = "Are you still there?"
CANNOT_HEAR = "I am sorry, I cannot hear anything."
GOODBYE = "Thank you for calling. Goodbye!"
ONE_MINUTE = "We have only a minute left on this call."


async def _wait(call: GenesysCall) -> None:
    await call.opened()
    await call.disconnected()


async def _call_to(bot: Bot, script: Script = _wait, *words: str) -> Played:
    async with bridge(bots=Bots(bot), **quick(DialogueBrain(SMALL_TALK), *words)) as running:
        return await play(running, script)


# The scenarios, each with a service and a model of its own.


async def silent_and_handed_over() -> Played:
    return await _call_to(replace(PLAIN_BOT, silence=SilencePolicy(AFTER_S, REPROMPTS)))


async def silent_and_ended() -> Played:
    policy = SilencePolicy(AFTER_S, REPROMPTS[:1], "end")
    return await _call_to(replace(PLAIN_BOT, silence=policy))


async def silent_for_a_while() -> Played:
    """The caller answers the first reprompt, and is asked the same again later."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await hear(call)
        await say(call)
        await hear(call)

    bot = replace(PLAIN_BOT, silence=SilencePolicy(1.0, REPROMPTS))
    return await _call_to(bot, script, "hello")


async def silent_during_a_secure_pause() -> Played:
    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.pause(3 * AFTER_S)
        await say(call)

    bot = replace(PLAIN_BOT, silence=SilencePolicy(2 * AFTER_S, REPROMPTS))
    return await _call_to(bot, script, "hello")


async def warned_of_the_end() -> Played:
    warning = "The call ends in a minute. Tell the caller so in one short sentence."
    return await _call_to(replace(PLAIN_BOT, limits=Limits(4.0, 2.5, warning)))


async def another_language() -> Played:
    """The caller speaks English; then the flow says that it is French now, and German."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await say(call)
        call.update_language("fr-FR")  # not one of the bot's
        call.update_language("de-DE")
        await call.sleep(0.1)
        await say(call)

    words = ("When are you open, please?", "Mhm")
    model = quick(DialogueBrain(DIALOGUES["bilingual"]), *words)
    async with real_bots() as bots, bridge(bots=bots, **model) as running:
        return await play(running, script, bot_id="bilingual")


SCENARIOS = (
    silent_and_handed_over,
    silent_and_ended,
    silent_for_a_while,
    silent_during_a_secure_pause,
    warned_of_the_end,
    another_language,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_call_is_clean_on_both_sides(outcome_of: Outcomes, scenario):
    assert outcome_of(scenario).blemishes == []


def test_nothing_is_left_behind_and_no_error_is_logged(outcome_of: Outcomes):
    assert outcome_of.leftovers == []


# Silence.


def test_a_silent_caller_is_asked_again_and_then_handed_over(outcome_of: Outcomes):
    played = outcome_of(silent_and_handed_over)

    assert played.agent_words == ["Welcome.", STILL_THERE, CANNOT_HEAR, HANDOVER]
    assert played.outputs["BOT_STATUS"] == "no_input"
    assert played.outputs["TRANSFER_REASON"] == "no_input"
    assert (played.ended["end_reason"], played.ended["disposition"]) == ("no_input", "escalated")


def test_a_silent_caller_can_be_taken_leave_of(outcome_of: Outcomes):
    played = outcome_of(silent_and_ended)

    assert played.agent_words == ["Welcome.", STILL_THERE, GOODBYE]
    assert played.outputs["BOT_STATUS"] == "no_input"
    assert played.outputs["TRANSFER_REASON"] == ""
    assert (played.ended["end_reason"], played.ended["disposition"]) == ("no_input", "abandoned")


def test_the_silence_counts_from_the_last_sound_of_the_agent(outcome_of: Outcomes):
    turns = outcome_of(silent_and_handed_over).turns

    for before, after in zip(turns, turns[1:], strict=False):
        assert AFTER_S * 1_000 <= after["start_ms"] - before["end_ms"] < AFTER_S * 1_000 + 500


def test_a_caller_who_speaks_is_asked_from_the_beginning_again(outcome_of: Outcomes):
    assert outcome_of(silent_for_a_while).words == [
        ("agent", "Welcome."),
        ("agent", STILL_THERE),
        ("caller", "hello"),
        ("agent", "Certainly."),
        ("agent", STILL_THERE),
    ]


def test_nobody_is_asked_during_a_secure_pause(outcome_of: Outcomes):
    played = outcome_of(silent_during_a_secure_pause)

    assert played.agent_words == ["Welcome.", "Certainly."]
    assert len(played.texts_of("system")) == 1


# Time.


def test_the_caller_is_warned_once_before_time_is_up(outcome_of: Outcomes):
    played = outcome_of(warned_of_the_end)

    assert played.agent_words == ["Welcome.", ONE_MINUTE, HANDOVER]
    assert 1_500 <= played.turns[1]["start_ms"] < 2_200
    assert played.outputs["BOT_STATUS"] == "max_duration"


def test_the_bots_own_limit_ends_the_call(outcome_of: Outcomes):
    played = outcome_of(warned_of_the_end)
    farewell = played.turns[-1]

    assert 4_000 <= farewell["start_ms"] < 4_800
    assert not farewell["interrupted"]


# Language.


def test_the_model_is_told_of_another_language_that_the_bot_speaks(outcome_of: Outcomes):
    played = outcome_of(another_language)
    told = [text for text in played.texts_of("system") if "language is now" in text]

    assert len(told) == 1
    assert "language is now de" in told[0]


def test_the_agent_speaks_the_language_that_it_was_told(outcome_of: Outcomes):
    assert [words.split(",")[0] for words in outcome_of(another_language).agent_words[1:]] == [
        "We are open Monday to Friday",
        "Es tut mir leid",
    ]
