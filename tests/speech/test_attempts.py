from service.speech.attempts import PACE_S, PATIENCE_S, Attempts
from service.speech.breaker import Breaker


def moments(attempts: Attempts, *, takes_s: float = 0.0) -> list[tuple[float, int]]:
    """Fail every attempt; return when each began, and at which provider."""
    now, seen = 0.0, []
    while attempt := attempts.next(now):
        now += attempt.wait_s
        seen.append((now, attempt.link))
        now += min(takes_s, attempt.deadline_s)
        attempts.failed(now, for_good=False)
    return seen


def test_a_provider_is_tried_at_the_pace_of_a_phone_call():
    assert moments(Attempts([Breaker()])) == [(at, 0) for at in PACE_S]


def test_the_next_provider_is_tried_when_the_first_is_given_up():
    assert moments(Attempts([Breaker(), Breaker()])) == [
        *((at, 0) for at in PACE_S),
        *((2.0 + at, 1) for at in PACE_S),
    ]


def test_a_provider_that_hangs_does_not_keep_the_caller_from_the_next():
    (first, *_, last) = moments(Attempts([Breaker(), Breaker()]), takes_s=30.0)[:2]
    assert first == (0.0, 0)
    assert last == (PATIENCE_S, 1)


def test_the_last_provider_has_longer():
    assert moments(Attempts([Breaker()]), takes_s=9.0) == [(0.0, 0), (4.0, 0), (8.0, 0)]


def test_what_fails_for_good_is_not_tried_again():
    attempts = Attempts([Breaker(), Breaker()])
    attempts.next(0.0)
    attempts.failed(0.0, for_good=True)
    attempt = attempts.next(0.0)
    assert attempt is not None
    assert (attempt.link, attempt.wait_s) == (1, 0.0)


def test_a_provider_known_to_be_down_is_passed_over_but_for_the_last():
    down = Breaker()
    down.failed(0.0, for_good=True)
    attempt = Attempts([down, Breaker()]).next(1.0)
    assert attempt is not None and attempt.link == 1
    attempt = Attempts([down]).next(1.0)
    assert attempt is not None and attempt.link == 0


def test_a_conversation_that_worked_is_replaced_at_once_and_has_all_its_tries():
    attempts = Attempts([Breaker()])
    attempts.next(0.0)
    attempts.succeeded()
    attempts.lost(100.0, for_good=False)
    times = []
    now = 100.0
    while attempt := attempts.next(now):
        now += attempt.wait_s
        times.append(now)
        attempts.failed(now, for_good=False)
    assert times == [100.0 + at for at in PACE_S]


def test_the_loss_of_one_conversation_does_not_warn_other_calls():
    breaker = Breaker()
    attempts = Attempts([breaker])
    attempts.succeeded()
    for _ in range(10):
        attempts.lost(0.0, for_good=False)
    assert breaker.state(0.0) == "closed"
    attempts.lost(0.0, for_good=True)
    assert breaker.state(0.0) == "open"


def test_nothing_is_tried_once_all_is_tried():
    attempts = Attempts([Breaker()])
    attempts.failed(0.0, for_good=True)
    assert attempts.next(0.0) is None
    attempts.failed(0.0, for_good=True)
    attempts.succeeded()
    assert attempts.next(0.0) is None


def test_a_conversation_that_comes_to_nothing_uses_up_a_try_but_no_patience():
    attempts = Attempts([Breaker(), Breaker()])
    attempts.next(0.0)
    for now in (60.0, 120.0, 180.0):
        attempts.connected()
        attempts.failed(now, for_good=False)
        attempt = attempts.next(now)
        assert attempt is not None and attempt.link == 0
    attempts.connected()
    attempts.failed(240.0, for_good=False)
    attempt = attempts.next(240.0)
    assert attempt is not None and attempt.link == 1
