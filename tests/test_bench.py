"""The benchmark is honest: it counts what came through, and says what speaks against it."""

import base64
import dataclasses
import json
import platform

import msgspec
import pytest

uvloop = pytest.importorskip("uvloop")
pytest.importorskip("picows")

from scripts import bench  # noqa: E402 - the imports below need what was asked for above
from scripts.benchmark import report  # noqa: E402
from scripts.benchmark.load import Plan, Round, percentile  # noqa: E402
from scripts.benchmark.relay import append, audio_of, make_answering  # noqa: E402
from scripts.benchmark.stamps import (  # noqa: E402
    STAMP_BYTES,
    Crossings,
    read_base64_stamp,
    read_stamp,
    stamped,
)
from scripts.benchmark.target import TARGETS, TargetName  # noqa: E402
from scripts.benchmark.turn import ANSWER_MS, PERIOD_S, turn_frames  # noqa: E402

ROUND = Round(
    cpu_ms_per_call_s=3.0,
    up_p50_ms=0.3,
    up_p99_ms=1.0,
    down_p50_ms=0.5,
    down_p99_ms=2.0,
    idle_mb=40.0,
    per_call_kb=70.0,
    ready_s=0.4,
    target_share=0.4,
    load_share=0.2,
    others_share=0.01,
    load_late_p50_ms=0.2,
    load_late_p99_ms=1.0,
    heard_share=0.8,
    frames=1_000,
    frames_lost=0,
    answers=40,
    answers_lost=0,
)


def results_of(*, service: Round = ROUND, picows: Round = ROUND) -> report.Results:
    machine: dict[str, str | int] = {
        "cpu": "a CPU",
        "cores": 2,
        "python": "3.11",
        "system": "Linux",
    }
    rounds: dict[TargetName, list[Round]] = {
        "service": [service],
        "picows": [picows],
        "starlette": [ROUND],
    }
    return report.Results(machine, Plan(), [0.3], rounds)


@pytest.mark.slow
@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")
def test_a_small_run_measures_all_three_targets():
    plan = Plan(calls=2, seconds=2.0, warm_up_s=0.0)

    results = uvloop.run(bench.run(plan, rounds=1, starts=1))

    for target in TARGETS:
        (done,) = results.rounds[target]
        assert (done.frames_lost, done.answers_lost) == (0, 0)
        assert 18 <= done.frames <= 20  # two calls, two seconds, five frames a second
        assert done.answers == 1  # the second call's turn begins 3.1 s later
        assert 0 < done.cpu_ms_per_call_s < 200
        assert 0 < done.up_p50_ms <= done.up_p99_ms < 1_000
        assert 0 < done.down_p50_ms <= done.down_p99_ms < 1_000
        assert 10 < done.idle_mb < 200
        assert 0.05 < done.ready_s < 20
        assert 0.1 < done.heard_share < 1.1
        assert 0 < done.load_share < 1
    told = json.loads(report.as_json(results))
    assert told["figures"].keys() == set(TARGETS)
    assert told["rounds"]["service"][0].keys() == {f.name for f in dataclasses.fields(Round)}
    assert told["cpu_ratio"].keys() == {"picows", "starlette"}
    assert 0 < told["ready_s"]["median"] < 20


def test_the_ratio_is_taken_within_each_round():
    cheap = dataclasses.replace(ROUND, cpu_ms_per_call_s=1.0)
    dear = dataclasses.replace(ROUND, cpu_ms_per_call_s=4.0)
    results = results_of()
    results.rounds["service"] = results.rounds["starlette"] = [cheap, dear]
    results.rounds["picows"] = [cheap, cheap]

    assert results.ratio("starlette") == report.Spread(1.0, 1.0, 1.0)
    assert results.ratio("picows") == report.Spread(2.5, 1.0, 4.0)


def test_an_aim_is_met_at_its_limit_and_missed_above_it():
    results = results_of(service=dataclasses.replace(ROUND, idle_mb=60.0, per_call_kb=80.1))

    verdicts = {aim.name: aim.verdict for aim in results.aims()}

    assert verdicts["memory idle"] == "met"
    assert verdicts["memory per call"] == "missed"


def test_a_missed_aim_stands_in_the_table():
    results = results_of(service=dataclasses.replace(ROUND, idle_mb=61.0))

    lines = report.as_text(results).splitlines()

    row = next(line for line in reversed(lines) if line.startswith("memory idle"))
    assert row.split()[2:] == ["61.00", "(61.00–61.00)", "MB", "≤", "60", "MB", "missed"]


def test_a_quiet_round_leaves_no_doubt():
    assert results_of().doubts() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"load_share": 0.95}, "may have been the limit"),
        ({"target_share": 0.95}, "too many calls"),
        ({"others_share": 0.5}, "other processes took 0.50 cores"),
        ({"load_late_p99_ms": 7.0}, "ran 7.0 ms late"),
        ({"frames_lost": 3}, "3 of 1000 caller frames"),
        ({"answers_lost": 2}, "2 of 40 answers"),
    ],
)
def test_what_speaks_against_a_round_is_said(change, words):
    results = results_of(picows=dataclasses.replace(ROUND, **change))

    (doubt,) = results.doubts()

    assert doubt.startswith("round 1, bare relay, picows: ")
    assert words in doubt


def test_the_markdown_table_has_a_column_for_every_target():
    lines = report.as_markdown(results_of()).splitlines()

    rows = [line for line in lines if line.startswith("|")]

    assert {row.count("|") for row in rows} == {len(TARGETS) + 2}
    assert rows[0].endswith("| this service | bare relay, picows | bare relay, Starlette |")


def test_a_stamp_is_read_back_from_audio_and_from_its_base64():
    pcmu = stamped((7, 4_000_000), 1_600)
    text = append(pcmu)

    assert len(pcmu) == 1_600
    assert read_stamp(pcmu) == (7, 4_000_000)
    assert read_base64_stamp(text, text.rindex(b':"') + 2) == (7, 4_000_000)


@pytest.mark.parametrize("pcmu", [b"", b"\xff" * 1_600, stamped((1, 1), 12)[:-1]])
def test_audio_without_a_whole_stamp_has_none(pcmu):
    assert read_stamp(pcmu) is None


def test_a_crossing_is_timed_once_and_only_while_counting():
    crossings = Crossings()
    crossings.leave((0, 0), 1.0)
    crossings.is_counting = True
    crossings.leave((0, 1), 2.0)
    crossings.leave((0, 2), 3.0)

    for stamp in ((0, 0), (0, 1), (0, 1)):
        crossings.arrive(stamp, 2.25)

    assert crossings.took_ms == [250.0]
    assert crossings.under_way == 1


def test_percentiles_are_values_that_occurred():
    values = [float(value) for value in range(100, 0, -1)]

    assert (percentile(values, 50), percentile(values, 99)) == (51.0, 100.0)
    assert percentile([4.0], 99) == 4.0


def test_a_turn_is_in_order_and_carries_the_whole_answer():
    frames = list(turn_frames((3, 5), {"ask": "ask_1"}))
    events = [msgspec.json.decode(frame.text) for frame in frames]

    times = [frame.at_s for frame in frames]
    audio = [base64.b64decode(e["delta"]) for e in events if e["type"].endswith("audio.delta")]

    assert times == sorted(times)
    assert times[-1] < PERIOD_S
    assert len(b"".join(audio)) == ANSWER_MS * 8
    assert [read_stamp(pcmu) for pcmu in audio] == [(3, 5), *[None] * (len(audio) - 1)]
    assert [frame.stamp for frame in frames if frame.stamp] == [(3, 5)]
    assert events[-1]["type"] == "response.done"
    assert events[-1]["response"]["metadata"] == {"ask": "ask_1"}


def test_a_relay_passes_over_everything_but_audio():
    passed = [pcmu for frame in turn_frames((0, 0), None) if (pcmu := audio_of(frame.text))]

    assert len(b"".join(passed)) == ANSWER_MS * 8


def test_a_relay_counts_its_answers_and_names_the_first_media_offered():
    answer = make_answering()
    offer = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
    texts = [
        {"id": "x", "type": "open", "seq": 1, "parameters": {"media": [offer, offer]}},
        {"id": "x", "type": "playback_started", "seq": 2, "parameters": {}},
        {"id": "x", "type": "ping", "seq": 3, "parameters": {}},
        {"id": "x", "type": "close", "seq": 4, "parameters": {"reason": "end"}},
    ]

    answers = [answer(json.dumps(text)) for text in texts]

    assert answers[1] is None
    opened, pong, closed = (json.loads(text) for text in answers if text)
    assert opened["parameters"] == {"media": [offer]}
    assert [(told["type"], told["seq"], told["clientseq"]) for told in (opened, pong, closed)] == [
        ("opened", 1, 1),
        ("pong", 2, 3),
        ("closed", 3, 4),
    ]


@pytest.mark.parametrize("bad", ["0", "401", "-1", "many"])
def test_a_number_of_calls_out_of_bounds_is_refused(bad, capsys):
    with pytest.raises(SystemExit) as refusal:
        bench.main(["--calls", bad])

    assert refusal.value.code == 2
    assert "--calls" in capsys.readouterr().err


def test_stamps_fill_whole_groups_of_base64():
    assert STAMP_BYTES % 3 == 0
