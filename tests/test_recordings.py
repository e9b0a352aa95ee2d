import shutil
import tomllib
from pathlib import Path

import pytest

from service.recordings import NAMES, OWN, Recordings, RecordingsError, read_recordings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OWN, tmp_path / "clips"))


def problems(folder: Path) -> list[str]:
    with pytest.raises(RecordingsError) as caught:
        read_recordings(folder)
    return caught.value.problems


def test_the_services_own_are_there_in_five_languages():
    recordings = read_recordings(OWN)
    heard = {}
    for language in ("en", "de", "es", "fr", "it"):
        for name in NAMES:
            recording = recordings.get(name, language)
            assert recording is not None
            assert 1.0 < len(recording.pcmu) / 8_000 < 8.0
            heard[recording.words] = recording.pcmu
    assert len(heard) == len(set(heard.values())) == 5 * len(NAMES)


@pytest.mark.parametrize(
    ("tag", "words"),
    [("de-AT", "Einen"), ("DE", "Einen"), ("pl", "One"), (None, "One"), ("", "One")],
)
def test_a_tag_finds_its_language_or_the_spare_one(tag, words):
    recording = read_recordings(OWN).get("one_moment", tag)
    assert recording is not None
    assert recording.words.startswith(words)


def test_without_recordings_there_is_nothing_to_hear():
    assert Recordings({}).get("handover", "en") is None


def test_a_wav_file_serves_as_well(folder: Path):
    sound = (folder / "en_handover.ulaw").read_bytes()
    (folder / "en_handover.ulaw").unlink()
    form = b"\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0"
    chunks = b"fmt \x10\0\0\0" + form + b"data" + len(sound).to_bytes(4, "little") + sound
    riff = b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks
    (folder / "en_handover.wav").write_bytes(riff)
    recording = read_recordings(folder).get("handover", "en")
    assert recording is not None
    assert recording.pcmu == sound


def test_everything_that_is_wrong_is_told_at_once(folder: Path):
    (folder / "en_handover.ulaw").unlink()
    (folder / "de_one_moment.ulaw").write_bytes(b"")
    text = (folder / "texts.toml").read_text(encoding="utf-8")
    (folder / "texts.toml").write_text(text + "\n[nl]\none_moment = 1\n", encoding="utf-8")
    assert problems(folder) == [
        "en_handover: expected a file en_handover.ulaw or en_handover.wav, got none",
        "de_one_moment: expected up to 60 seconds of sound, got 0.0",
        *(f"texts.toml: expected [nl] {name} = what it says" for name in NAMES),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[de]\n", "texts.toml: expected a table [en], got none"),
        ("x", "texts.toml: "),
        ("\n".join(f"[l{n}]" for n in range(60)) + "\n[en]", "texts.toml: expected up to 50"),
    ],
)
def test_a_table_that_is_none_is_told(folder: Path, text, problem):
    (folder / "texts.toml").write_text(text)
    assert problems(folder)[0].startswith(problem)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    assert problems(tmp_path) == ["texts.toml cannot be read: FileNotFoundError"]


def test_every_recording_has_its_text_and_the_other_way_round():
    texts = tomllib.loads((OWN / "texts.toml").read_text(encoding="utf-8"))
    named = {f"{language}_{name}" for language, table in texts.items() for name in table}
    assert {path.stem for path in OWN.glob("*.ulaw")} == named
