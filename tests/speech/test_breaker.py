from service.speech.breaker import FIRST_REST_S, LONGEST_REST_S, OPENS_AFTER, TRIAL_S, Breaker


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    breaker.failed(at, for_good=True)
    return breaker


def test_a_few_failures_do_not_open_it():
    breaker = Breaker()
    for _ in range(OPENS_AFTER - 1):
        breaker.failed(0.0)
    assert breaker.may_try(0.0)
    breaker.failed(0.0)
    assert not breaker.may_try(0.0)
    assert breaker.state(0.0) == "open"


def test_a_success_begins_the_count_again():
    breaker = Breaker()
    for _ in range(OPENS_AFTER * 2):
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.state(0.0) == "closed"


def test_what_fails_for_good_opens_it_at_once():
    assert not opened().may_try(1.0)


def test_after_its_rest_one_tries_for_all():
    breaker = opened()
    assert not breaker.may_try(FIRST_REST_S - 0.01)
    assert breaker.state(FIRST_REST_S) == "half_open"
    assert breaker.may_try(FIRST_REST_S)
    assert not breaker.may_try(FIRST_REST_S + 1.0)
    breaker.succeeded()
    assert breaker.state(FIRST_REST_S + 1.0) == "closed"


def test_a_trial_that_shows_nothing_makes_way_for_the_next():
    breaker = opened()
    assert breaker.may_try(FIRST_REST_S)
    assert breaker.may_try(FIRST_REST_S + TRIAL_S)


def test_the_rest_doubles_with_every_failed_trial_up_to_a_bound():
    breaker, now, rests = opened(), 0.0, []
    for _ in range(6):
        began = now
        while not breaker.may_try(now):
            now += 1.0
        rests.append(now - began)
        breaker.failed(now)
    assert rests == [10.0, 20.0, 40.0, 80.0, LONGEST_REST_S, LONGEST_REST_S]


def test_failures_of_calls_that_began_before_do_not_prolong_the_rest():
    breaker = opened()
    for second in range(9):
        breaker.failed(float(second))
    assert breaker.may_try(FIRST_REST_S)
