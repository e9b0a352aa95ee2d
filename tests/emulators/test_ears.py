import difflib
import re
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts import caller_clips, render_clips
from scripts.emulators import ears, g711


def spoken_words(text: str) -> list[str]:
    """Lower case, without punctuation; hyphens part words, "good-bye" is one."""
    plain = text.lower().replace("good-bye", "goodbye").replace("-", " ")
    return re.sub(r"[^a-z0-9 ]", "", plain).split()


@pytest.fixture(scope="module")
def moonshine() -> Iterator[ears.Ears]:
    if reason := ears.why_not():
        pytest.skip(reason)
    listener = ears.best_available_ears()
    assert listener is not None
    yield listener


ENGLISH = [clip for clip in caller_clips.all_clips() if clip.voice != "pico"]


@pytest.mark.parametrize("clip", ENGLISH, ids=lambda clip: clip.name)
def test_the_words_of_every_english_clip_are_heard(
    moonshine: ears.Ears, clip: caller_clips.Clip
) -> None:
    """Letter for letter it depends on the processor: on some, one hears "saturdee"."""
    heard = " ".join(spoken_words(moonshine.transcribe(clip.pcmu)))

    said = " ".join(spoken_words(clip.words))
    assert difflib.SequenceMatcher(None, heard, said).ratio() > 0.94, heard


def test_the_welcome_of_the_reception_is_understood(moonshine: ears.Ears) -> None:
    welcome = render_clips.WELCOME_FILE.read_bytes()

    heard = spoken_words(moonshine.transcribe(welcome).replace("North Wind", "Northwind"))

    assert heard == spoken_words(render_clips.WELCOME.words)


@pytest.mark.parametrize("length_ms", [0, 100, 2000])
def test_in_silence_nothing_is_heard(moonshine: ears.Ears, length_ms: int) -> None:
    assert moonshine.transcribe(g711.SILENCE * (8 * length_ms)) == ""


def test_no_you_is_heard_before_what_was_said(moonshine: ears.Ears) -> None:
    """The model's own detection begins with a piece of false speech on every call but the first."""
    clip = caller_clips.load("slt_yes")

    heard = {moonshine.transcribe(g711.SILENCE * (8 * pad) + clip.pcmu) for pad in (0, 77, 200)}

    assert [spoken_words(words) for words in heard] == [["yes", "please"]] * len(heard)


def test_threads_may_listen_at_once(moonshine: ears.Ears) -> None:
    clips = [caller_clips.load(name) for name in ("slt_yes", "awb_no", "slt_yes")]

    with ThreadPoolExecutor(3) as pool:
        heard = list(pool.map(moonshine.transcribe, [clip.pcmu for clip in clips]))

    assert [spoken_words(text) for text in heard] == [spoken_words(clip.words) for clip in clips]


def test_without_the_package_there_are_no_ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moonshine_voice", None)

    assert ears.best_available_ears() is None
    assert "moonshine-voice 0.1.0 cannot be used" in str(ears.why_not())


def test_a_package_without_the_model_inside_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later_version = types.ModuleType("moonshine_voice")
    monkeypatch.setattr(
        later_version, "get_model_path", lambda name: tmp_path / name, raising=False
    )
    monkeypatch.setitem(sys.modules, "moonshine_voice", later_version)

    assert ears.best_available_ears() is None
    assert "no model inside" in str(ears.why_not())
