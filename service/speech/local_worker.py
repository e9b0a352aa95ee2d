"""Ears or a voice on this machine alone, in a process of their own: it may hang or die alone.

    python -m service.speech.local_worker ears
    python -m service.speech.local_worker voice en-US

Each request and each answer is a length of four bytes (big-endian) and so many bytes; ears take
PCMU and give UTF-8 words, the voice the other way round. The process ends when its input does.
Needs the extra `local`. Source: the specification of speech, 1 and 2 (what the two packages need).
"""

import importlib
import os
import re
import sys
from array import array
from collections.abc import Callable
from typing import IO

from service.audio.g711 import decode, encode
from service.audio.resample import Resampler

LENGTH_BYTES = 4
MAX_BYTES = 1 << 24
_RATE_HZ = 8_000
_PICO_RATE_HZ = 16_000
_GAIN = 0.708
"""-3 dB: Pico's peaks are at full scale."""
_SILENCE_S = 0.5
"""Put before and behind an utterance: words at its very edges are lost without it."""

Work = Callable[[bytes], bytes]


def ears() -> Work:
    """Return what turns PCMU into words: Moonshine tiny (English) with the model of its wheel."""
    package = importlib.import_module("moonshine_voice")
    model = str(package.get_model_path("tiny-en"))
    transcriber = package.Transcriber(model, package.ModelArch.TINY)
    silence = [0.0] * int(_SILENCE_S * _RATE_HZ)

    def hear(pcmu: bytes) -> bytes:
        samples = [sample / 32_768 for sample in array("h", decode(pcmu))]
        heard = transcriber.transcribe_without_streaming(silence + samples + silence, _RATE_HZ)
        # What ends within our own silence was not said: the model then hears "You".
        lines = [line for line in heard.lines if line.start_time + line.duration > _SILENCE_S]
        return " ".join(line.text.strip() for line in lines).strip().encode()

    return hear


def voice(accent: str) -> Work:
    """Return what turns words into PCMU, by SVOX Pico."""
    pico = importlib.import_module("py_nanotts").NanoTTS()

    def speak(text: bytes) -> bytes:
        line = speakable(text.decode(errors="replace"))
        if not line:
            return b""
        samples = array("h", pico.speak(line, voice=accent))
        quieter = array("h", (int(sample * _GAIN) for sample in samples))
        down = Resampler(_PICO_RATE_HZ, _RATE_HZ)
        return encode(down.resample(quieter.tobytes()) + down.flush())

    return speak


def speakable(text: str) -> str:
    """Return what of a text Pico may be given: one line, no markup, no endless word.

    It reads `<...>` as markup, and never came back from a "word" of 5,000 letters.
    """
    words = re.sub(r"[\x00-\x20<>\x7f]+", " ", text).split()
    line = " ".join(word[:60] for word in words)[:1_200]
    return line if re.search(r"\w", line) else ""


def serve(work: Work, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while len(head := requests.read(LENGTH_BYTES)) == LENGTH_BYTES:
        size = int.from_bytes(head, "big")
        if size > MAX_BYTES:
            return
        answer = work(requests.read(size))
        answers.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        answers.flush()


def main() -> None:
    """Be the worker that the arguments name."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the packages print is not an answer
    kind, *rest = sys.argv[1:]
    serve(ears() if kind == "ears" else voice(*rest), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
