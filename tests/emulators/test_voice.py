import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from scripts.emulators import ears, g711, vad, voice

# Answers like the real worker, with the text itself as audio; one word kills it, one hangs it.
PARROT = """
import sys, time
for line in sys.stdin.buffer:
    text = line.rstrip(b"\\n")
    if text == b"die":
        sys.exit(1)
    if text == b"hang":
        time.sleep(60)
    sys.stdout.buffer.write(len(text).to_bytes(4, "big") + text)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def parrot() -> Iterator[voice.NanoVoice]:
    with closing(voice.NanoVoice(command=[sys.executable, "-c", PARROT])) as spoken:
        yield spoken


@pytest.fixture(scope="module")
def pico() -> Iterator[voice.Voice]:
    if reason := voice.why_not():
        pytest.skip(reason)
    spoken = voice.best_available_voice()
    assert spoken is not None
    with closing(spoken):
        yield spoken


def test_the_worker_gets_one_line_per_text(parrot: voice.NanoVoice) -> None:
    assert parrot.speak("One.\nTwo.") == b"One. Two."
    assert parrot.speak("Three.") == b"Three."


def test_a_worker_that_died_is_started_again(parrot: voice.NanoVoice) -> None:
    with pytest.raises(voice.VoiceError, match="died"):
        parrot.speak("die")

    assert parrot.speak("again") == b"again"


def test_a_worker_that_hangs_is_ended_at_its_deadline() -> None:
    command = [sys.executable, "-c", PARROT]
    spoken = voice.NanoVoice(command=command, deadline_s=0.2)

    with closing(spoken), pytest.raises(voice.VoiceError, match="deadline"):
        spoken.speak("hang")


def test_closing_twice_does_no_harm(parrot: voice.NanoVoice) -> None:
    parrot.close()
    parrot.close()


@pytest.mark.parametrize("text", ["", "  \n", "...", "<>", "?!"])
def test_a_text_without_a_word_is_not_spoken(parrot: voice.NanoVoice, text: str) -> None:
    assert parrot.speak(text) == b""


def test_what_pico_cannot_stand_is_cut_before() -> None:
    assert voice.speakable("a" * 5000) == "a" * 60
    assert len(voice.speakable("word " * 5000)) <= 1200
    assert voice.speakable("is 3 <b>\x00>\t2 ?") == "is 3 b 2 ?"


def test_pico_speaks_telephone_speech(pico: voice.Voice) -> None:
    pcmu = pico.speak("Thank you for calling. I will connect you to a person now.")

    assert 3000 < g711.duration_ms(pcmu) < 7000
    detector = vad.EnergyVad()
    windows = [detector.probability(pcmu[at : at + 160]) for at in range(0, len(pcmu) - 159, 160)]
    assert sum(p > 0.5 for p in windows) > len(windows) / 2


@pytest.mark.parametrize(
    ("text", "is_german"),
    [
        ("Wir haben geöffnet.", True),
        ("Guten Tag!", True),
        ("Einen Moment, bitte.", True),
        ("Willkommen bei Northwind.", True),
        ("Welcome to Northwind. How can I help you?", False),
        ("The man and his dog were in an old house.", False),
        ("", False),
    ],
)
def test_german_is_told_by_umlauts_and_small_words(text: str, is_german: bool) -> None:
    assert voice.is_german(text) is is_german


class Speaker:
    """A voice that says its accent."""

    name = "speaker"

    def __init__(self, accent: str) -> None:
        self.accent = accent
        self.is_closed = False

    def speak(self, text: str) -> bytes:
        return self.accent.encode()

    def close(self) -> None:
        self.is_closed = True


def test_each_text_is_spoken_in_the_voice_of_its_language() -> None:
    made: list[Speaker] = []

    def make(accent: str) -> Speaker:
        made.append(Speaker(accent))
        return made[-1]

    with closing(voice.BilingualVoice(make)) as spoken:
        english = spoken.speak("Good day.")
        made_for_english = len(made)
        german = [spoken.speak("Guten Tag."), spoken.speak("Auf Wiederhören.")]

    assert (english, german) == (b"en-US", [b"de-DE", b"de-DE"])
    assert (made_for_english, len(made)) == (1, 2)
    assert all(speaker.is_closed for speaker in made)


def test_pico_speaks_german(pico: voice.Voice) -> None:
    german = pico.speak("Wir haben von Montag bis Freitag geöffnet.")

    assert 2000 < g711.duration_ms(german) < 5000


def test_pico_says_the_same_every_time(pico: voice.Voice) -> None:
    """It reads memory that it never wrote; the worker's environment keeps that zero."""
    sentence = "How can I help you today?"
    first = pico.speak(sentence)
    pico.speak("Something else.")

    assert pico.speak(sentence) == first


def test_pico_is_understood(pico: voice.Voice) -> None:
    listener = ears.best_available_ears()
    if listener is None:
        pytest.skip(str(ears.why_not()))

    heard = listener.transcribe(pico.speak("I will connect you to a person now."))

    assert heard.rstrip(".,").lower() == "i will connect you to a person now"


def test_without_the_package_there_is_no_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_nanotts", None)

    assert voice.best_available_voice() is None
    assert "py-nanotts (Linux only) cannot be used" in str(voice.why_not())
