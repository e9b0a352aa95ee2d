import math
from typing import Literal

import pytest

from service.silence import GiveUp, Reprompt, SilencePolicy, SilenceWatch

T0 = 100.0
POLICY = SilencePolicy(after_s=8.0, reprompts=("Ask once.", "Ask again."), then="end")


def quiet_since_t0(policy: SilencePolicy = POLICY) -> SilenceWatch:
    watch = SilenceWatch(policy)
    watch.observe(is_quiet=True, now=T0)
    return watch


def agent_speaks(watch: SilenceWatch, start: float, end: float) -> None:
    watch.observe(is_quiet=False, now=start)
    watch.observe(is_quiet=True, now=end)


def test_nothing_is_due_before_it_was_quiet():
    watch = SilenceWatch(POLICY)

    assert watch.due_in_s(T0) == math.inf
    assert watch.poll(T0 + 1_000) is None


@pytest.mark.parametrize(
    ("now", "due_s", "step"),
    [
        (T0, 8.0, None),
        (T0 + 7.75, 0.25, None),
        (T0 + 8, 0.0, Reprompt("Ask once.")),
        (T0 + 60, 0.0, Reprompt("Ask once.")),
    ],
)
def test_silence_leads_to_a_reprompt(now: float, due_s: float, step: Reprompt | None):
    watch = quiet_since_t0()

    assert watch.due_in_s(now) == due_s
    assert watch.poll(now) == step


def test_clock_starts_with_the_first_quiet_look():
    watch = quiet_since_t0()

    watch.observe(is_quiet=True, now=T0 + 3)

    assert watch.due_in_s(T0 + 3) == 5


def test_nothing_is_due_while_somebody_speaks():
    watch = quiet_since_t0()

    watch.observe(is_quiet=False, now=T0 + 7)

    assert watch.due_in_s(T0 + 20) == math.inf
    assert watch.poll(T0 + 20) is None


def test_clock_starts_again_after_each_speech():
    watch = quiet_since_t0()

    agent_speaks(watch, T0 + 7, T0 + 9)

    assert watch.due_in_s(T0 + 9) == 8


@pytest.mark.parametrize("then", ["transfer", "end"])
def test_reprompts_come_in_order_and_then_it_gives_up(then: Literal["transfer", "end"]):
    watch = quiet_since_t0(SilencePolicy(8.0, ("Ask once.", "Ask again."), then))
    steps = []

    for now in (T0 + 8, T0 + 20, T0 + 32):
        steps.append(watch.poll(now))
        agent_speaks(watch, now + 1, now + 4)

    assert steps == [Reprompt("Ask once."), Reprompt("Ask again."), GiveUp(then)]


def test_time_of_a_reprompt_does_not_count_as_silence():
    watch = quiet_since_t0()
    watch.poll(T0 + 8)

    agent_speaks(watch, T0 + 9, T0 + 15)

    assert watch.poll(T0 + 22.75) is None
    assert watch.poll(T0 + 23) == Reprompt("Ask again.")


def test_reprompt_that_is_never_spoken_does_not_stop_the_clock():
    """A model that fails must not leave the caller in silence for ever."""
    watch = quiet_since_t0()
    steps = []

    for now in (T0 + 8, T0 + 15.75, T0 + 16, T0 + 24):
        watch.observe(is_quiet=True, now=now)
        steps.append(watch.poll(now))

    assert steps == [Reprompt("Ask once."), None, Reprompt("Ask again."), GiveUp("end")]


def test_late_poll_gives_one_step_only():
    watch = quiet_since_t0()

    assert watch.poll(T0 + 100) == Reprompt("Ask once.")
    assert watch.poll(T0 + 100) is None
    assert watch.due_in_s(T0 + 100) == 8


def test_without_reprompts_the_first_silence_gives_up():
    watch = quiet_since_t0(SilencePolicy(after_s=8.0))

    assert watch.poll(T0 + 8) == GiveUp("transfer")


def test_without_a_limit_nothing_ever_happens():
    watch = quiet_since_t0(SilencePolicy(reprompts=("Ask once.",)))

    assert watch.due_in_s(T0 + 1) == math.inf
    assert watch.poll(T0 + 100_000) is None


def test_it_gives_up_once():
    watch = quiet_since_t0(SilencePolicy(after_s=8.0))
    watch.poll(T0 + 8)

    watch.caller_acted()
    watch.follow(POLICY)
    agent_speaks(watch, T0 + 9, T0 + 10)

    assert watch.due_in_s(T0 + 100) == math.inf
    assert watch.poll(T0 + 100) is None


def test_caller_who_acts_is_asked_from_the_first_reprompt_again():
    watch = quiet_since_t0()
    watch.poll(T0 + 8)

    watch.caller_acted()
    watch.observe(is_quiet=True, now=T0 + 10)

    assert watch.poll(T0 + 18) == Reprompt("Ask once.")


def test_a_key_starts_the_clock_again_although_it_makes_no_sound():
    watch = quiet_since_t0()

    watch.caller_acted()
    before = watch.due_in_s(T0 + 7)
    watch.observe(is_quiet=True, now=T0 + 7)

    assert before == math.inf
    assert watch.due_in_s(T0 + 7) == 8


def test_agent_who_speaks_does_not_start_the_count_again():
    watch = quiet_since_t0(SilencePolicy(8.0, ("Ask once.",)))
    watch.poll(T0 + 8)

    agent_speaks(watch, T0 + 9, T0 + 12)

    assert watch.poll(T0 + 20) == GiveUp("transfer")


def test_another_bot_begins_with_its_own_policy():
    watch = quiet_since_t0()
    watch.poll(T0 + 8)

    watch.follow(SilencePolicy(after_s=3.0, reprompts=("Say hello.",)))
    watch.observe(is_quiet=True, now=T0 + 15)

    assert watch.due_in_s(T0 + 15) == 3
    assert watch.poll(T0 + 18) == Reprompt("Say hello.")
    assert watch.poll(T0 + 21) == GiveUp("transfer")
