from typing import cast

import pytest

from service.call import CallSession
from service.live_calls import LiveCalls


class Call:
    """A call that only counts how often it was told to end."""

    def __init__(self) -> None:
        self.drained = 0
        self.was_cut = False

    def drain(self) -> None:
        self.drained += 1

    def cut(self) -> None:
        self.was_cut = True


def session(call: Call) -> CallSession:
    return cast("CallSession", call)


def test_calls_are_counted_while_they_are_served():
    calls = LiveCalls(max_calls=5)

    with calls.serving(session(Call())), calls.serving(session(Call())):
        during = len(calls)

    assert (during, len(calls)) == (2, 0)


def test_call_that_fails_is_no_longer_counted():
    calls = LiveCalls(max_calls=5)

    with pytest.raises(RuntimeError), calls.serving(session(Call())):
        raise RuntimeError

    assert len(calls) == 0


def test_there_is_room_up_to_the_limit():
    calls = LiveCalls(max_calls=2)

    with calls.serving(session(Call())):
        with_one = calls.has_room()
        with calls.serving(session(Call())):
            with_two = calls.has_room()

    assert (with_one, with_two, calls.has_room()) == (True, False, True)


def test_draining_takes_no_more_calls_and_leaves_the_live_ones():
    calls, call = LiveCalls(max_calls=5), Call()

    with calls.serving(session(call)):
        calls.drain()

        assert (calls.is_draining, calls.has_room()) == (True, False)
        assert (len(calls), call.drained) == (1, 0)


def test_live_calls_are_handed_over_and_ended_ones_are_not():
    calls, ended, live = LiveCalls(max_calls=5), Call(), [Call(), Call()]
    with calls.serving(session(ended)):
        pass

    with calls.serving(session(live[0])), calls.serving(session(live[1])):
        calls.hand_over()

    assert [call.drained for call in (*live, ended)] == [1, 1, 0]


def test_session_ids_are_those_of_the_live_calls_that_named_one():
    calls = LiveCalls(max_calls=5)

    with calls.serving(session(Call()), "a"), calls.serving(session(Call())):
        during = calls.session_ids

    assert (during, calls.session_ids) == ({"a"}, set())


def test_calls_that_are_left_are_cut():
    calls, live = LiveCalls(max_calls=5), Call()

    with calls.serving(session(live)):
        calls.cut()

    assert live.was_cut


def test_why_there_is_no_room_is_told():
    lag = [False]
    calls = LiveCalls(max_calls=2, is_overloaded=lambda: lag[0])

    lag[0] = True
    assert calls.refusal() is None  # what is slow without calls is the start
    with calls.serving(session(Call())):
        assert calls.refusal() == "overloaded"
        lag[0] = False
        assert calls.refusal() is None
        with calls.serving(session(Call())):
            assert calls.refusal() == "full"
        calls.drain()
        assert calls.refusal() == "draining"
