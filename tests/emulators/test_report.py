import json

from scripts.emulators.microphone import Microphone
from scripts.emulators.playback import Playback
from scripts.emulators.recording import Clip
from scripts.emulators.report import (
    CallReport,
    Episode,
    Gap,
    Heard,
    Turn,
    add_measurements,
)

TONE = b"\x20"
ORIGIN_S = 100.0


def measured(
    playback: Playback, microphone: Microphone, barge_ins: list[tuple[float, bool]] | None = None
) -> CallReport:
    microphone.cut(8000 * 20)
    report = CallReport(created="2026-01-01T00:00:00+00:00")
    add_measurements(
        report,
        Heard(
            origin_s=ORIGIN_S,
            runs=playback.runs,
            microphone=microphone,
            sent=[Clip(ORIGIN_S, b"\x30" * 80)],
            barge_ins=barge_ins or [],
        ),
    )
    return report


def test_latency_runs_from_the_end_of_speech_to_the_first_audible_byte() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    microphone.speak(TONE * 4000, 101.0)
    playback.push(b"\xff" * 800 + TONE * 800, 102.0)

    report = measured(playback, microphone)

    assert report.turns == [Turn(1000.0, 1500.0, 600.0, None)]
    assert report.response_latencies_ms == [600.0]
    assert report.first_agent_audio_ms == 2100.0


def test_audio_that_began_before_the_end_of_speech_answers_nothing() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    microphone.speak(TONE * 4000, 101.0)
    playback.push(TONE * 8000, 101.2)

    assert measured(playback, microphone).turns[0].response_latency_ms is None


def test_barge_in_is_measured_from_the_start_of_speech() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    playback.push(TONE * 16_000, 101.0)
    microphone.speak(TONE * 4000, 101.5)
    playback.clear(101.9)
    playback.push(TONE * 800, 103.0)

    report = measured(playback, microphone, [(101.9, True)])

    assert report.turns == [Turn(1500.0, 2000.0, 1000.0, 400.0)]
    assert report.timeline == [
        Episode("agent", 1000.0, 1900.0, interrupted=True),
        Episode("caller", 1500.0, 2000.0),
        Episode("agent", 3000.0, 3100.0),
    ]
    assert report.gaps == []


def test_a_barge_in_without_audio_stops_nothing() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    microphone.speak(TONE * 4000, 101.5)

    report = measured(playback, microphone, [(101.9, False)])

    assert report.turns[0].barge_in_stop_ms is None
    assert [barge_in.stopped_audio for barge_in in report.barge_ins] == [False]


def test_a_stall_inside_an_answer_is_a_gap_and_a_short_one_is_not_heard() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    playback.push(TONE * 800, 101.0)
    playback.push(TONE * 800, 101.15)
    playback.push(TONE * 800, 101.5)
    playback.push(TONE * 800, 105.0)

    report = measured(playback, microphone)

    assert report.gaps == [Gap(1250.0, 250.0)]
    assert report.timeline == [
        Episode("agent", 1000.0, 1250.0),
        Episode("agent", 1500.0, 1600.0),
        Episode("agent", 5000.0, 5100.0),
    ]


def test_a_pause_in_which_the_caller_spoke_is_no_gap() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    playback.push(TONE * 800, 101.0)
    microphone.speak(TONE * 800, 101.2)
    playback.push(TONE * 800, 101.5)

    assert measured(playback, microphone).gaps == []


def test_speech_that_never_left_is_no_turn() -> None:
    microphone = Microphone(ORIGIN_S)
    microphone.speak(TONE * 80, 100.0 + 30)

    assert measured(Playback(), microphone).turns == []


def test_report_becomes_plain_json_without_the_recording() -> None:
    microphone, playback = Microphone(ORIGIN_S), Playback()
    playback.push(TONE * 800, 101.0)

    report = measured(playback, microphone)
    values = json.loads(json.dumps(report.to_dict()))

    assert values["timeline"] == [
        {"speaker": "agent", "start_ms": 1000.0, "end_ms": 1100.0, "interrupted": False}
    ]
    assert "recording" not in values
    assert report.recording.pcmu("agent", 990, 1100) == b"\xff" * 80 + TONE * 800
    assert report.recording.pcmu("caller", 0, 20) == b"\x30" * 80 + b"\xff" * 80
