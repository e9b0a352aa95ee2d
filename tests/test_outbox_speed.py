from scripts.outbox_speed import measure

WANTED_US = 20


def test_an_event_costs_a_call_some_microseconds():
    # The median, so that a busy machine does not count.
    measured = measure(events=2_000)

    assert {kind: times["p50"] <= WANTED_US for kind, times in measured.items()} == {
        "outbox": True,
        "file": True,
    }
