from scripts.recorder_speed import measure

WANTED_PER_S = 2_000


def test_one_core_records_two_thousand_events_per_second():
    # CPU time, so that a busy machine does not count; about a tenth of what was measured.
    measured = measure(calls=40, turns=20)

    assert measured["events"] == 40 * 22
    assert measured["events_per_cpu_s"] >= WANTED_PER_S
