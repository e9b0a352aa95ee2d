"""Words to telephone speech, on this machine alone: SVOX Pico in a process of its own.

Pico holds the interpreter for the whole call and never comes back from some inputs, so it runs in
a worker (`python -m scripts.emulators.voice`) that can be killed and started again.
"""

import importlib
import os
import re
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

from scripts.emulators import extras, resample

_ROOT = Path(__file__).parents[2]
_PICO_RATE_HZ = 16_000
_GAIN = 0.708  # -3 dB: Pico's peaks are at full scale
_LENGTH_BYTES = 4
_GERMAN = re.compile(
    r"[äöüß]|\b(?:auf|bei|bitte|danke|das|einen|guten|haben|ich|ist|kann|nicht|sie|und|vielen|"
    r"wie|willkommen|wir)\b",
    re.IGNORECASE,
)
# Pico reads memory that it never wrote: recycled memory changes the prosody from call to call.
# With a fixed threshold the C library hands out its 2.5 MB fresh, that is zeroed, every time.
_FRESH_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}


class VoiceError(Exception):
    """The voice did not speak: it died, or its deadline passed. The next text may work."""


class Voice(Protocol):
    """Turns words into speech."""

    name: str

    def speak(self, text: str) -> bytes:
        """Return the text spoken, as 8 kHz mu-law; empty if nothing in it can be spoken.

        Blocks; any thread may call.

        Raises:
            VoiceError: if there is no speech within the deadline.
        """

    def close(self) -> None:
        """Give the voice's resources back. Call it once, at the end."""


class NanoVoice:
    """SVOX Pico, one language: about 20 ms of CPU per second of speech, in its worker.

    Args:
        accent: `en-US`, `en-GB` or `de-DE`.
        deadline_s: for one text, the start of the worker included.
        command: the worker; None is the real one.
    """

    def __init__(
        self,
        accent: str = "en-US",
        *,
        deadline_s: float = 20.0,
        command: Sequence[str] | None = None,
    ) -> None:
        self.name = f"pico-{accent}"
        self._command = command or (sys.executable, "-m", "scripts.emulators.voice", accent)
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._worker = self._start()

    def speak(self, text: str) -> bytes:
        """Return the text spoken; one text at a time, others wait. Not after `close`."""
        line = speakable(text)
        if not line:
            return b""
        with self._lock:
            if self._worker.poll() is not None:
                self._stop()
                self._worker = self._start()
            # A killed worker closes its pipe, which ends the read.
            watchdog = threading.Timer(self._deadline_s, self._worker.kill)
            watchdog.start()
            try:
                return _ask(self._worker, line)
            except VoiceError:
                self._stop()
                raise
            finally:
                watchdog.cancel()

    def close(self) -> None:
        """End the worker; a text being spoken is waited for."""
        with self._lock:
            self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=_ROOT,
            env=os.environ | _FRESH_MEMORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _stop(self) -> None:
        self._worker.kill()
        self._worker.communicate()


class BilingualVoice:
    """Speaks German texts in a German voice, all others in an English one.

    The German worker starts with the first German text: most calls never need it.
    """

    name = "pico"

    def __init__(self, make: Callable[[str], Voice] = NanoVoice) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._voices = {"en-US": make("en-US")}

    def speak(self, text: str) -> bytes:
        """Return the text spoken in the voice of its language."""
        accent = "de-DE" if is_german(text) else "en-US"
        with self._lock:
            if accent not in self._voices:
                self._voices[accent] = self._make(accent)
            voice = self._voices[accent]
        return voice.speak(text)

    def close(self) -> None:
        """Close both voices."""
        for voice in self._voices.values():
            voice.close()


def is_german(text: str) -> bool:
    """Return whether a text has an umlaut, or one of the words that every German text has."""
    return _GERMAN.search(text) is not None


def best_available_voice() -> Voice | None:
    """Return a voice to be closed, or None where there is no package (`why_not` says why)."""
    return None if why_not() else BilingualVoice()


def why_not() -> str | None:
    """Return why there is no voice here, None if there is."""
    return extras.why_missing("py_nanotts", "py-nanotts (Linux only)")


def speakable(text: str) -> str:
    """Return what of a text Pico may be given: one line, no markup, bounded.

    A "word" of 5,000 letters never returned, one of 3,000 took a second; "<...>" is read as XML.
    """
    max_word, max_text = 60, 1200  # 1,200 letters are 80 s of speech
    words = re.sub(r"[\x00-\x20<>\x7f]+", " ", text).split()
    line = " ".join(word[:max_word] for word in words)[:max_text]
    return line if re.search(r"\w", line) else ""  # Pico would say "dot dot dot"


def _ask(worker: subprocess.Popen[bytes], line: str) -> bytes:
    """Send one line to the worker and return its speech."""
    if worker.stdin is None or worker.stdout is None:
        raise VoiceError("the voice's worker was started without pipes")
    try:
        worker.stdin.write(line.encode(errors="replace") + b"\n")
        worker.stdin.flush()
    except OSError as error:
        raise VoiceError("the voice's worker died before it was asked") from error
    length = _read(worker.stdout, _LENGTH_BYTES)
    return _read(worker.stdout, int.from_bytes(length, "big"))


def _read(pipe: IO[bytes], size: int) -> bytes:
    read = pipe.read(size)
    if len(read) < size:
        raise VoiceError("the voice's worker died, or was ended at its deadline, while it spoke")
    return read


def _serve(accent: str) -> None:
    """Be the worker: a line of text in, a length and mu-law out, until the parent goes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the library prints is not an answer
    pico = importlib.import_module("py_nanotts").NanoTTS()
    for line in sys.stdin.buffer:
        samples = array("h")
        for sentence in re.split(r"(?<=[.!?])\s+", line.decode()):
            samples.frombytes(pico.speak(sentence, voice=accent))
        pcmu = resample.to_pcmu(samples, _PICO_RATE_HZ, _GAIN)
        answers.write(len(pcmu).to_bytes(_LENGTH_BYTES, "big") + pcmu)
        answers.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
