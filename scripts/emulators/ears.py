"""What was said: a whole utterance of mu-law in, its words out, on this machine alone.

Calls block for about a tenth of the utterance's length: call from a thread, not from a loop.
"""

import importlib
import threading
from typing import Protocol

from scripts.emulators import extras, g711


class Ears(Protocol):
    """Turns speech into words."""

    name: str

    def transcribe(self, pcmu: bytes) -> str:
        """Return the words of one utterance, empty if there are none. Any thread may call."""


class MoonshineEars:
    """Moonshine tiny-en with the model that its wheel brings; nothing is downloaded.

    Takes 0.5-1 s and about 180 MB to make: one for all calls. The wheels after 0.1.0 came without
    the model, therefore the exact pin in `pyproject.toml`.

    Raises:
        ImportError, OSError: if the package is missing or does not load; see `why_not`.
    """

    name = "moonshine-tiny-en"

    # Telephone speech goes in at its own rate, between two pieces of silence: cut close, the
    # first and last words suffer (word error on 36 utterances: 10 % bare, 4 % like this).
    _SILENCE_S = 0.5

    def __init__(self) -> None:
        package = importlib.import_module("moonshine_voice")
        model_path = package.get_model_path("tiny-en")
        self._transcriber = package.Transcriber(str(model_path), package.ModelArch.TINY)
        self._lock = threading.Lock()

    def transcribe(self, pcmu: bytes) -> str:
        """Return the words; one utterance at a time, others wait."""
        silence = [0.0] * int(self._SILENCE_S * g711.RATE_HZ)
        samples = silence + g711.to_floats(pcmu) + silence
        with self._lock:
            heard = self._transcriber.transcribe_without_streaming(samples, g711.RATE_HZ)
        # The package's own voice detection begins with "speech", up to 0.29 s of it, in which the
        # model then hears "You". Nothing that ends within our own silence was said.
        lines = [line for line in heard.lines if line.start_time + line.duration > self._SILENCE_S]
        return " ".join(line.text.strip() for line in lines).strip()


def best_available_ears() -> Ears | None:
    """Return ears, or None where the package is not installed (`why_not` says why)."""
    return None if why_not() else MoonshineEars()


def why_not() -> str | None:
    """Return why there are no ears here, None if there are; does not load the model."""
    missing = extras.why_missing("moonshine_voice", "moonshine-voice 0.1.0")
    if missing:
        return missing
    model_path = importlib.import_module("moonshine_voice").get_model_path("tiny-en")
    if not (model_path / "encoder_model.ort").exists():
        return "this moonshine-voice has no model inside; version 0.1.0 has: pip install '.[local]'"
    return None
