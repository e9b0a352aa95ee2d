from scripts.emulators.genesys_limiter import Limiter, MessageClass


def test_a_burst_of_25_passes_and_the_next_does_not() -> None:
    limiter = Limiter(0.0)

    verdicts = [limiter.admit("binary", 0.0) for _ in range(26)]

    assert verdicts == [True] * 25 + [False]
    assert limiter.low_water["binary"] == 0
    assert limiter.breaches["binary"] == 1
    assert limiter.breaches["text"] == 0


def test_four_messages_a_second_pass_for_ever() -> None:
    limiter = Limiter(0.0)

    verdicts = [limiter.admit("text", n * 0.25) for n in range(500)]

    assert all(verdicts)
    assert limiter.low_water["text"] == 24
    assert limiter.peak_per_s["text"] == 4


def test_twenty_millisecond_frames_empty_the_bucket_in_less_than_a_second() -> None:
    limiter = Limiter(0.0)

    first_breach = next(n for n in range(100) if not limiter.admit("binary", n * 0.02))

    assert 0.5 < first_breach * 0.02 < 0.6


def test_pause_and_resume_have_buckets_of_four() -> None:
    kinds: tuple[MessageClass, ...] = ("pause", "resume")
    for kind in kinds:
        limiter = Limiter(0.0)

        verdicts = [limiter.admit(kind, 0.0) for _ in range(5)]

        assert verdicts == [True] * 4 + [False]
        assert limiter.admit(kind, 0.5)


def test_a_backlog_of_our_own_making_is_no_breach() -> None:
    limiter = Limiter(0.0)

    limiter.credit(10.0)
    verdicts = [limiter.admit("binary", 10.0) for _ in range(76)]

    assert verdicts == [True] * 75 + [False]


def test_a_credit_once_spent_does_not_come_back() -> None:
    limiter = Limiter(0.0)
    limiter.credit(1.0)
    for _ in range(30):
        limiter.admit("binary", 0.0)

    verdicts = [limiter.admit("binary", 100.0) for _ in range(26)]

    assert verdicts == [True] * 25 + [False]
