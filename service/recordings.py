"""What callers hear when nobody can speak: recordings by name and language.

Source of the names and of the form of a folder: service/audio/clips/README.md.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.audio.clip_file import MAX_FILE_BYTES, SUFFIXES, ClipError, pcmu_of

RecordingName = Literal["one_moment", "still_trying", "handover"]
NAMES: tuple[RecordingName, ...] = ("one_moment", "still_trying", "handover")
OWN = Path(__file__).parent / "audio" / "clips"
"""The recordings that come with the service."""
MAX_LANGUAGES = 50
SPARE = "en"
"""Heard where a language is not there."""
_TEXTS = "texts.toml"


class RecordingsError(Exception):
    """A folder of recordings cannot be used; `problems` holds one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound (PCMU, 8 kHz) and what it says."""

    pcmu: bytes
    words: str


class Recordings:
    """All of them, in memory: about 0.5 MB."""

    def __init__(self, by_language: Mapping[str, Mapping[RecordingName, Recording]]) -> None:
        """Take them by primary language tag (`de`); `SPARE` stands in for others."""
        self._by_language = by_language

    def get(self, name: RecordingName, tag: str | None) -> Recording | None:
        """Return a recording in a language (a tag such as `de-AT`), or in the spare one.

        None when there are no recordings at all.
        """
        primary = (tag or SPARE).split("-")[0].lower()
        named = self._by_language.get(primary) or self._by_language.get(SPARE)
        return named[name] if named else None


def read_recordings(folder: Path) -> Recordings:
    """Return the recordings of a folder. Blocks.

    Raises:
        RecordingsError: with everything that is wrong with them.
    """
    try:
        texts = tomllib.loads((folder / _TEXTS).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingsError([f"{_TEXTS} cannot be read: {type(error).__name__}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise RecordingsError([f"{_TEXTS}: {error}"]) from error
    if SPARE not in texts:
        raise RecordingsError([f"{_TEXTS}: expected a table [{SPARE}], got none"])
    if len(texts) > MAX_LANGUAGES:
        raise RecordingsError([f"{_TEXTS}: expected up to {MAX_LANGUAGES} languages"])
    problems: list[str] = []
    found = {
        language: _read_language(folder, language, table, problems)
        for language, table in texts.items()
    }
    if problems:
        raise RecordingsError(problems)
    return Recordings(found)


def _read_language(
    folder: Path, language: str, table: object, problems: list[str]
) -> dict[RecordingName, Recording]:
    found: dict[RecordingName, Recording] = {}
    for name in NAMES:
        words = table.get(name) if isinstance(table, dict) else None
        if not isinstance(words, str) or not words.strip():
            problems.append(f"{_TEXTS}: expected [{language}] {name} = what it says")
            continue
        try:
            found[name] = Recording(_read_sound(folder, f"{language}_{name}"), words.strip())
        except ClipError as error:
            problems.append(f"{language}_{name}: {error}")
    return found


def _read_sound(folder: Path, stem: str) -> bytes:
    for suffix in SUFFIXES:
        path = folder / f"{stem}{suffix}"
        try:
            with path.open("rb") as file:
                return pcmu_of(file.read(MAX_FILE_BYTES), path.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ClipError("a file that can be read", type(error).__name__) from error
    raise ClipError(f"a file {stem}.ulaw or {stem}.wav", "none")
