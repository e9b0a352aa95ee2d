"""The recorded sentences of the demo's caller (`scripts/clips/`), and recordings of one's own."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from scripts.wav_audio import WavError, from_wav

__all__ = ["CLIPS_DIR", "Clip", "WavError", "all_clips", "from_wav", "load"]

CLIPS_DIR = Path(__file__).parent / "clips"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recorded sentence.

    Attributes:
        name: unique, for `load`.
        pcmu: 8 kHz mu-law, a tenth of a second of silence or less on either side.
        words: what is said, as one would write it.
        voice: who says it.
    """

    name: str
    pcmu: bytes
    words: str
    voice: str


def load(name: str) -> Clip:
    """Return the clip of that name.

    Raises:
        LookupError: if there is none; the message lists those there are.
    """
    clips = {clip.name: clip for clip in all_clips()}
    if name not in clips:
        msg = f"no clip is called {name!r}; there are {', '.join(clips)}"
        raise LookupError(msg)
    return clips[name]


def all_clips() -> list[Clip]:
    """Return every clip, in the manifest's order."""
    manifest = tomllib.loads((CLIPS_DIR / "manifest.toml").read_text(encoding="utf-8"))
    return [
        Clip(clip["name"], (CLIPS_DIR / clip["file"]).read_bytes(), clip["words"], clip["voice"])
        for clip in manifest["clip"]
    ]
