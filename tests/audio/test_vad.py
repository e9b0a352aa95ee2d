"""Voice activity: real recordings as turns, noise and clicks as none."""

import random
import time
from pathlib import Path

from service.audio.g711 import encode, value_of
from service.audio.vad import LoudnessVad, SpeechStarted, SpeechStopped

CLIPS = Path(__file__).parents[2] / "scripts" / "clips"
SILENCE_MS = 500


def clip(name: str) -> bytes:
    return (CLIPS / f"{name}.ulaw").read_bytes()


def quiet(ms: int) -> bytes:
    return b"\xff" * (8 * ms)


def noise(ms: int, db: float, seed: int = 1) -> bytes:
    """White noise of a loudness below full scale."""
    chance, scale = random.Random(seed), 32_768 * 10 ** (db / 20)
    samples = (max(-32_000, min(32_000, int(chance.gauss(0, scale)))) for _ in range(8 * ms))
    return encode(b"".join(it.to_bytes(2, "little", signed=True) for it in samples))


def mixed(clip_: bytes, db: float, seed: int = 1) -> bytes:
    pairs = zip(clip_, noise(len(clip_) // 8 + 1, db, seed), strict=False)
    sums = (max(-32_000, min(32_000, value_of(a) + value_of(b))) for a, b in pairs)
    return encode(b"".join(it.to_bytes(2, "little", signed=True) for it in sums))


def turns_in(
    audio: bytes, vad: LoudnessVad | None = None, size: int = 160
) -> list[SpeechStarted | SpeechStopped]:
    vad = vad or LoudnessVad(0.5, SILENCE_MS)
    found: list[SpeechStarted | SpeechStopped] = []
    for begin in range(0, len(audio), size):
        found += vad.hear(audio[begin : begin + size])
    return found


def test_each_recorded_sentence_is_one_turn_at_its_place():
    wrong = []
    for path in sorted(CLIPS.glob("*.ulaw")):
        words = path.read_bytes()
        found = turns_in(quiet(1_000) + words + quiet(1_200), LoudnessVad(0.5, 800))
        end_ms = 1_000 + len(words) // 8
        starts = [it.at_ms for it in found if isinstance(it, SpeechStarted)]
        stops = [it.at_ms for it in found if isinstance(it, SpeechStopped)]
        if not (len(starts) == len(stops) == 1 and starts[0] >= 950 and stops[0] <= end_ms + 40):
            wrong.append((path.name, found))

    assert wrong == []


def test_moments_do_not_depend_on_the_chunks():
    audio = quiet(400) + clip("slt_bill") + quiet(900) + clip("awb_stop") + quiet(900)

    assert turns_in(audio, size=160) == turns_in(audio, size=1_601) == turns_in(audio, size=7)


def test_steady_noise_is_learnt_and_speech_over_it_is_found():
    vad = LoudnessVad(0.5, SILENCE_MS)
    turns_in(noise(8_000, -40), vad)
    was_speech = vad.is_speech

    found = turns_in(mixed(clip("slt_bill"), -40) + noise(1_500, -40, seed=2), vad)

    assert not was_speech
    assert [type(it) for it in found] == [SpeechStarted, SpeechStopped]


def test_a_click_is_no_turn():
    assert turns_in(quiet(500) + noise(30, -10) + quiet(1_000)) == []


def test_a_gap_shorter_than_the_bot_wants_ends_nothing():
    audio = quiet(500) + noise(300, -20) + quiet(300) + noise(300, -20) + quiet(1_000)

    assert turns_in(audio, LoudnessVad(0.5, 400)) == [SpeechStarted(500), SpeechStopped(1_400)]
    assert len(turns_in(audio, LoudnessVad(0.5, 200))) == 4


def test_a_higher_threshold_asks_for_louder_speech():
    audio = quiet(500) + noise(400, -47) + quiet(1_000)

    assert len(turns_in(audio, LoudnessVad(0.2, SILENCE_MS))) == 2
    assert turns_in(audio, LoudnessVad(0.9, SILENCE_MS)) == []


def test_a_turn_that_is_forgotten_does_not_end():
    vad = LoudnessVad(0.5, SILENCE_MS)
    turns_in(quiet(200) + noise(200, -20), vad)
    vad.forget()

    assert turns_in(quiet(1_000), vad) == []
    assert turns_in(noise(100, -20), vad) == [SpeechStarted(1_400)]


def test_a_second_of_a_call_costs_little(capsys):
    audio = clip("slt_bill")
    started = time.process_time()
    turns_in(audio * 4)
    cpu_ms = (time.process_time() - started) * 1_000 / (len(audio) * 4 / 8_000)
    with capsys.disabled():
        print(f"\n  VAD: {cpu_ms:.2f} ms of CPU a second")

    assert cpu_ms < 20  # ten times what was measured
