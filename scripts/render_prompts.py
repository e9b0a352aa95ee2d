"""Makes service/audio/clips/ again from its texts: `python -m scripts.render_prompts`."""

import contextlib
import sys
import tomllib
from pathlib import Path

from scripts.emulators import g711
from scripts.emulators import voice as emulated_voice
from scripts.render_clips import telephone

FOLDER = Path(__file__).parents[1] / "service/audio/clips"
ACCENTS = {"en": "en-GB", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}
"""SVOX Pico's voices, which are Apache-2.0."""


def main() -> int:
    """Render every text; return 0, or 1 if the voice has to be installed."""
    if reason := emulated_voice.why_not():
        print(reason, file=sys.stderr)
        return 1
    texts = tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8"))
    for language, named in texts.items():
        with contextlib.closing(emulated_voice.NanoVoice(ACCENTS[language])) as voice:
            for name, words in named.items():
                samples = g711.to_floats(voice.speak(words))
                path = FOLDER / f"{language}_{name}.ulaw"
                path.write_bytes(telephone(samples, g711.RATE_HZ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
