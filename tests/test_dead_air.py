import math

import pytest

from service.dead_air import LOST_PATIENCE_S, PATIENCE_S, DeadAir


def steps(dead_air: DeadAir, seconds: int, patience_s: float = PATIENCE_S) -> list[tuple[int, str]]:
    """Be silent from 0 s on, looking every second."""
    taken: list[tuple[int, str]] = []
    for now in range(seconds + 1):
        dead_air.watch(float(now), is_silent=True)
        if step := dead_air.poll(float(now), patience_s):
            taken.append((now, step))
    return taken


def test_silence_is_borne_and_then_excused_and_then_acted_upon():
    assert steps(DeadAir(), 14) == [(4, "excuse"), (8, "ask"), (12, "leave")]


def test_after_the_last_step_they_begin_again():
    assert [step for _, step in steps(DeadAir(), 24)][3:] == ["excuse", "ask", "leave"]


def test_a_known_loss_is_excused_sooner_but_the_rest_takes_its_time():
    assert steps(DeadAir(), 7, LOST_PATIENCE_S) == [(1, "excuse"), (5, "ask")]


def test_what_is_heard_begins_a_new_stretch_and_an_answer_begins_anew():
    dead_air = DeadAir()
    steps(dead_air, 4)
    dead_air.watch(5.0, is_silent=True)
    dead_air.watch(7.0, is_silent=False)
    dead_air.watch(8.0, is_silent=True)
    assert dead_air.poll(9.0, PATIENCE_S) is None
    assert dead_air.due_in_s(9.0, PATIENCE_S) == 3.0
    assert dead_air.poll(12.0, PATIENCE_S) == "ask"
    dead_air.answered()
    assert dead_air.due_in_s(12.0, PATIENCE_S) == math.inf
    dead_air.watch(20.0, is_silent=True)
    assert dead_air.poll(24.0, PATIENCE_S) == "excuse"


@pytest.mark.parametrize("is_silent", [True, False])
def test_nothing_is_due_before_its_time(is_silent):
    dead_air = DeadAir()
    dead_air.watch(0.0, is_silent=is_silent)
    assert dead_air.poll(3.9, PATIENCE_S) is None
