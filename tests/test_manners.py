"""What a bot does by the clock; `now` in seconds, the call opens at 100."""

import math
from dataclasses import replace

import pytest

from service.bots.port import Bot, Limits
from service.manners import Manners
from service.silence import GiveUp, SilencePolicy
from tests.plain_bot import PLAIN_BOT

OPENED_AT_S = 100.0


def bot(*reprompts: str, after_s: float = 10.0, **limits: float) -> Bot:
    return replace(
        PLAIN_BOT,
        silence=SilencePolicy(after_s, reprompts, "end"),
        limits=Limits(warning="Warn.", **limits),
    )


def manners_of(its_bot: Bot, max_call_s: float = 840.0) -> Manners:
    manners = Manners(its_bot)
    manners.begin(OPENED_AT_S, max_call_s)
    manners.follow(its_bot, OPENED_AT_S)
    return manners


def poll(
    manners: Manners, at_s: float, *, is_quiet: bool = True, is_held: bool = False
) -> str | GiveUp | None:
    """What is due so long after the call's beginning."""
    return manners.poll(OPENED_AT_S + at_s, is_callers_turn=is_quiet, is_held=is_held)


def test_a_silent_caller_is_asked_again_and_then_given_up():
    manners = manners_of(bot("Ask."))
    assert poll(manners, 0) is None
    assert manners.due_in_s(OPENED_AT_S, is_held=False) == 10

    assert poll(manners, 10) == "Ask."
    assert poll(manners, 11, is_quiet=False) is None
    assert poll(manners, 12) is None
    assert poll(manners, 22) == GiveUp("end")


def test_a_caller_who_acts_is_asked_from_the_beginning():
    manners = manners_of(bot("Ask."))
    poll(manners, 0)
    assert poll(manners, 10) == "Ask."

    manners.caller_acted()

    assert poll(manners, 15) is None
    assert poll(manners, 25) == "Ask."


def test_the_warning_comes_once_ahead_of_the_end():
    manners = manners_of(bot(after_s=math.inf, max_call_s=300, warn_before_s=60))

    assert manners.due_in_s(OPENED_AT_S + 100, is_held=False) == 140
    assert poll(manners, 239.9) is None
    assert poll(manners, 240) == "Warn."
    assert poll(manners, 241) is None
    assert manners.due_in_s(OPENED_AT_S + 241, is_held=False) == math.inf


def test_the_warning_waits_for_the_end_of_a_pause():
    manners = manners_of(bot(after_s=math.inf, max_call_s=300, warn_before_s=60))

    assert poll(manners, 250, is_held=True) is None
    assert manners.due_in_s(OPENED_AT_S + 250, is_held=True) == math.inf
    assert poll(manners, 260) == "Warn."


@pytest.mark.parametrize(
    "its_bot",
    [
        bot(after_s=math.inf, max_call_s=60, warn_before_s=60),
        replace(bot(after_s=math.inf), limits=Limits(300, 60, "")),
    ],
    ids=["shorter-than-the-warning", "no-words"],
)
def test_some_calls_are_not_warned(its_bot: Bot):
    manners = manners_of(its_bot)

    assert poll(manners, 299) is None
    assert manners.due_in_s(OPENED_AT_S, is_held=False) == math.inf


@pytest.mark.parametrize(
    ("max_call_s", "longest_s"), [(840.0, 300.0), (200.0, 200.0)], ids=["the-bots", "deployments"]
)
def test_the_shorter_limit_holds(max_call_s: float, longest_s: float):
    manners = manners_of(bot(max_call_s=300), max_call_s)

    assert manners.is_over_in_s(OPENED_AT_S + 50) == longest_s - 50


def test_another_bot_has_its_own_manners():
    manners = manners_of(bot("Ask.", max_call_s=300))
    poll(manners, 0)
    assert poll(manners, 10) == "Ask."

    manners.follow(bot("Loans?", after_s=5, max_call_s=400), OPENED_AT_S + 15)

    assert manners.is_over_in_s(OPENED_AT_S + 15) == 400
    poll(manners, 20)
    assert poll(manners, 25) == "Loans?"


def test_a_specialists_limit_counts_from_its_takeover_but_the_deployments_holds():
    manners = manners_of(bot(), max_call_s=500)

    manners.follow(bot(max_call_s=300), OPENED_AT_S + 310)

    assert manners.is_over_in_s(OPENED_AT_S + 310) == 190
