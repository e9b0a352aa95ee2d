"""Makes scripts/clips/ again, byte for byte: `python -m scripts.render_clips` on Debian.

Synthetic voices and recordings of people go through the same telephone: 250-3450 Hz, speech at
-20 dBFS, 8 kHz mu-law. The welcome of the bot `reception` is made here too. Licences:
scripts/clips/README.md.
"""

import contextlib
import hashlib
import itertools
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path

from scripts.caller_clips import CLIPS_DIR
from scripts.emulators import g711, resample
from scripts.emulators import voice as emulated_voice
from scripts.wav_audio import read_wav

DEBIAN_PACKAGES = ("festival", "festvox-us-slt-hts", "flite", "pocketsphinx-testdata")

_SPEECH_DBFS = -20.0
_BAND_HZ = (250, 3450)
_BAND_HALF_TAPS = 128  # 16 ms: 170 Hz from pass to stop
_FRAME = g711.RATE_HZ // 50  # 20 ms
_MARGIN_FRAMES = 5  # kept on either side of the speech: 100 ms
_PAUSE_DB = 35.0  # this far below its loudest frame nothing is said


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and by what right it is here."""

    name: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """One clip to make; `recording` is the file's name where a person speaks."""

    topic: str
    voice: Voice
    words: str
    recording: str = ""


SLT = Voice("slt", "Festvox (free, notice kept)", "Festival, Debian festvox-us-slt-hts")
AWB = Voice("awb", "CMU Flite (free, notice kept)", "Flite, Debian flite, voice awb")
PICO = Voice("pico", "Apache-2.0", "SVOX Pico, py-nanotts 0.1.1, voice de-DE")
READER = Voice(
    "librivox", "public domain", "LibriVox, Sense and Sensibility, by Debian pocketsphinx-testdata"
)

_LIBRIVOX_FILE = "sense_and_sensibility_01_austen_64kb-{}.wav"

# Every English wording is one that Moonshine tiny hears without a fault from this voice at 8 kHz,
# cut in twelve ways ("opening hours", for one, it does not). German it does not hear at all.
RECIPES = (
    Recipe("opening_hours", SLT, "Hello. When are you open on Saturday?"),
    Recipe("sunday", SLT, "What about Sunday?"),
    Recipe("bill", SLT, "Can you explain my last electricity bill, please?"),
    Recipe("bill_high", SLT, "Why is my last bill so high?"),
    Recipe("moving", SLT, "I am moving to a new house next month."),
    Recipe("contract", SLT, "I have a question about my contract."),
    Recipe("name", SLT, "My name is Anna Keller."),
    Recipe("stop", SLT, "Stop, please. Just a moment."),
    Recipe("another_question", SLT, "Sorry, I have another question."),
    Recipe("yes", SLT, "Yes, please."),
    Recipe("no", SLT, "No, thank you."),
    Recipe("person", SLT, "I would like to speak to a person, please."),
    Recipe("goodbye", SLT, "That is all, thank you. Goodbye."),
    Recipe("balance", SLT, "What is my balance, please?"),
    Recipe("last_bill", SLT, "I have a question about my last bill."),
    Recipe("account_manager", SLT, "Who is my account manager?"),
    Recipe("internet", SLT, "My internet is broken."),
    Recipe("still_broken", SLT, "I switched it off and on again, but it is still broken."),
    Recipe("sunday", AWB, "What about Sunday?"),
    Recipe("bill", AWB, "Can you explain my last bill?"),
    Recipe("contract", AWB, "Can you send me a new contract, please?"),
    Recipe("stop", AWB, "Stop, please. Just a moment."),
    Recipe("another_question", AWB, "Wait. I have another question."),
    Recipe("yes", AWB, "Yes, please."),
    Recipe("no", AWB, "No, thank you."),
    Recipe("person", AWB, "I would like to speak to a person, please."),
    Recipe("goodbye", AWB, "That is all. Thank you, goodbye."),
    Recipe("opening_hours", PICO, "Guten Tag, wann haben Sie geöffnet?"),
    Recipe("saturday", PICO, "Haben Sie am Samstag geöffnet?"),
    Recipe("person", PICO, "Ich möchte mit einem Menschen sprechen."),
    Recipe("goodbye", PICO, "Vielen Dank, auf Wiederhören."),
    Recipe(
        "amiable",
        READER,
        "He might even have been made amiable himself.",
        _LIBRIVOX_FILE.format("0930"),
    ),
    Recipe(
        "selfish",
        READER,
        "Unless to be rather cold-hearted and rather selfish is to be ill-disposed.",
        _LIBRIVOX_FILE.format("0890"),
    ),
)

WELCOME = Recipe(
    "welcome", SLT, "Welcome to Northwind. You are speaking with a computer. How can I help you?"
)
WELCOME_FILE = Path(__file__).parents[1] / "service/bots/catalog/reception_welcome.ulaw"


def main() -> int:
    """Render all clips and the manifest; return 0, or 1 if something has to be installed."""
    missing = [package for package in DEBIAN_PACKAGES if not _files_of(package)]
    if missing:
        print(f"Missing; install: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    if reason := emulated_voice.why_not():
        print(reason, file=sys.stderr)
        return 1
    for old in CLIPS_DIR.glob("*.ulaw"):
        old.unlink()
    entries = [_make(recipe) for recipe in RECIPES]
    manifest = "# Written by scripts/render_clips.py.\n" + "".join(entries)
    (CLIPS_DIR / "manifest.toml").write_text(manifest, encoding="utf-8")
    WELCOME_FILE.write_bytes(telephone(*_speech(WELCOME)))
    return 0


def _files_of(package: str) -> list[Path]:
    """Return what a Debian package has installed; nothing if it is not there."""
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        return []
    listing = subprocess.run([dpkg, "-L", package], capture_output=True, text=True, check=False)
    return [Path(line) for line in listing.stdout.splitlines()]


def _make(recipe: Recipe) -> str:
    """Write the clip; return its entry in the manifest."""
    pcmu = telephone(*_speech(recipe))
    name = f"{recipe.voice.name}_{recipe.topic}"
    file = f"{name}.ulaw"
    (CLIPS_DIR / file).write_bytes(pcmu)
    entry = {
        "name": name,
        "file": file,
        "words": recipe.words,
        "voice": recipe.voice.name,
        "licence": recipe.voice.licence,
        "source": recipe.voice.source,
        "sha256": hashlib.sha256(pcmu).hexdigest(),
    }
    # JSON's strings are TOML's basic strings.
    return "\n[[clip]]\n" + "".join(f"{key} = {json.dumps(text)}\n" for key, text in entry.items())


def _speech(recipe: Recipe) -> tuple[Sequence[float], int]:
    """Return the samples of the recipe's speech and their rate in Hz."""
    if recipe.recording:
        paths = _files_of("pocketsphinx-testdata")
        return read_wav(next(path for path in paths if path.name == recipe.recording))
    if recipe.voice is PICO:
        with contextlib.closing(emulated_voice.NanoVoice("de-DE")) as pico:
            return g711.to_floats(pico.speak(recipe.words)), g711.RATE_HZ
    with tempfile.TemporaryDirectory() as directory:
        wav = Path(directory) / "speech.wav"
        if recipe.voice is SLT:
            command = ["text2wave", "-eval", "(voice_cmu_us_slt_arctic_hts)", "-o", str(wav)]
        else:
            command = ["flite", "-voice", recipe.voice.name, "-f", "/dev/stdin", "-o", str(wav)]
        subprocess.run(command, input=recipe.words.encode(), check=True)
        return read_wav(wav)


def telephone(samples: Sequence[float], rate_hz: int) -> bytes:
    """Return speech as a telephone would bring it: its band, an even level, 8 kHz mu-law."""
    at_8k = _band_pass(resample.to_8k(samples, rate_hz))
    frames = [at_8k[n : n + _FRAME] for n in range(0, len(at_8k), _FRAME)]
    powers = [sum(map(mul, frame, frame)) / len(frame) for frame in frames]
    quietest = max(powers) / 10 ** (_PAUSE_DB / 10)
    spoken = [n for n, power in enumerate(powers) if power >= quietest]
    speech_power = sum(powers[n] for n in spoken) / len(spoken)
    gain = 0x8000 * 10 ** (_SPEECH_DBFS / 20) / math.sqrt(speech_power)
    kept = frames[max(0, spoken[0] - _MARGIN_FRAMES) : spoken[-1] + 1 + _MARGIN_FRAMES]
    return resample.to_pcmu(list(itertools.chain.from_iterable(kept)), g711.RATE_HZ, gain)


def _band_pass(at_8k: Sequence[float]) -> list[float]:
    """Return the samples with only the telephone's band left, in place."""
    half = _BAND_HALF_TAPS
    low, high = (hz / g711.RATE_HZ for hz in _BAND_HZ)
    taps = [
        resample.windowed_sinc(offset, half, high) - resample.windowed_sinc(offset, half, low)
        for offset in range(-half, half + 1)
    ]
    padded = (0.0,) * half + tuple(at_8k) + (0.0,) * half
    return [sum(map(mul, padded[at : at + len(taps)], taps)) for at in range(len(at_8k))]


if __name__ == "__main__":
    sys.exit(main())
