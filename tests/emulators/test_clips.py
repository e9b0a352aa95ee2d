import hashlib
import math
import sys
import tomllib

import pytest

from scripts import caller_clips, render_clips
from scripts.emulators import g711
from scripts.emulators.realtime_input import InputBuffer, SpeechStarted
from scripts.emulators.vad import EnergyVad

MANIFEST = tomllib.loads((caller_clips.CLIPS_DIR / "manifest.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", MANIFEST["clip"], ids=lambda entry: entry["name"])
def test_a_clip_is_the_file_that_was_rendered(entry: dict[str, str]) -> None:
    audio = (caller_clips.CLIPS_DIR / entry["file"]).read_bytes()

    assert hashlib.sha256(audio).hexdigest() == entry["sha256"]
    assert entry["words"]
    assert entry["licence"]
    assert entry["source"]


def test_every_file_is_in_the_manifest() -> None:
    files = {path.name for path in caller_clips.CLIPS_DIR.glob("*.ulaw")}

    assert files == {entry["file"] for entry in MANIFEST["clip"]}


def test_every_recipe_is_rendered_with_its_words() -> None:
    made = [(clip.name, clip.words) for clip in caller_clips.all_clips()]

    assert made == [(f"{r.voice.name}_{r.topic}", r.words) for r in render_clips.RECIPES]


def test_every_voice_has_its_licence_explained() -> None:
    readme = (caller_clips.CLIPS_DIR / "README.md").read_text(encoding="utf-8")

    voices = {clip.voice for clip in caller_clips.all_clips()}
    assert voices == {"slt", "awb", "librivox", "pico"}
    assert all(f"| `{voice}` |" in readme for voice in voices)


def test_all_clips_together_stay_small() -> None:
    clips = caller_clips.all_clips()

    assert sum(len(clip.pcmu) for clip in clips) < 700_000
    assert all(800 < g711.duration_ms(clip.pcmu) < 7000 for clip in clips)


@pytest.mark.parametrize("clip", caller_clips.all_clips(), ids=lambda clip: clip.name)
def test_a_sentence_is_as_many_turns_as_it_has_pauses(clip: caller_clips.Clip) -> None:
    """A German clip must be one turn: the demo's script has one entry of words for each."""
    detection = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300}
    buffer = InputBuffer(EnergyVad())
    buffer.use({**detection, "silence_duration_ms": 500})

    found = buffer.append(g711.SILENCE * 8000 + clip.pcmu + g711.SILENCE * 8000)

    turns = sum(isinstance(event, SpeechStarted) for event in found)
    assert turns == 1 or (clip.voice != "pico" and "." in clip.words[:-1])


def test_the_welcome_of_the_reception_is_short_telephone_speech() -> None:
    welcome = render_clips.WELCOME_FILE.read_bytes()

    assert 3000 < g711.duration_ms(welcome) < 6000
    readme = (caller_clips.CLIPS_DIR / "README.md").read_text(encoding="utf-8")
    assert render_clips.WELCOME_FILE.name in readme
    assert render_clips.WELCOME.words in readme


def test_a_clip_is_found_by_its_name() -> None:
    clip = caller_clips.load("slt_stop")

    assert (clip.voice, clip.words) == ("slt", "Stop, please. Just a moment.")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LookupError, match="'nobody'; there are slt_opening_hours, "):
        caller_clips.load("nobody")


def tone(frequency_hz: int) -> list[float]:
    """Half a second at 16 kHz."""
    return [3000 * math.sin(2 * math.pi * frequency_hz * n / 16_000) for n in range(8000)]


def test_the_telephone_brings_speech_to_minus_20_dbfs() -> None:
    samples = g711.to_floats(render_clips.telephone(tone(1000), 16_000))[400:-400]

    rms = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
    assert 20 * math.log10(rms) == pytest.approx(-20, abs=0.5)


def test_the_telephone_cuts_what_is_below_its_band() -> None:
    hum_and_speech = [a + b for a, b in zip(tone(50), tone(1000), strict=True)]

    with_hum = render_clips.telephone(hum_and_speech, 16_000)[400:-400]
    without = render_clips.telephone(tone(1000), 16_000)[400:-400]

    pairs = zip(g711.to_floats(with_hum), g711.to_floats(without), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 0.01


def test_silence_around_speech_is_cut_to_a_tenth_of_a_second() -> None:
    silence = [0.0] * 16_000

    pcmu = render_clips.telephone(silence + tone(1000) + silence, 16_000)

    assert g711.duration_ms(pcmu) == pytest.approx(700, abs=41)


def test_rendering_without_its_tools_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")

    assert render_clips.main() == 1
    assert "apt-get install festival festvox-us-slt-hts" in capsys.readouterr().err


def test_rendering_without_the_german_voice_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render_clips, "DEBIAN_PACKAGES", ())
    monkeypatch.setitem(sys.modules, "py_nanotts", None)

    assert render_clips.main() == 1
    assert "py-nanotts" in capsys.readouterr().err
