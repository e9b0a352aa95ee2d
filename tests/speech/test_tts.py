import pytest

pytest.importorskip("numpy")

from scripts.emulators.speech_http import TTS
from service.audio.g711 import decode
from service.speech.port import SpeechError
from service.speech.tts import HttpSynthesizer
from tests.speech.http_services import run, services


def test_a_sentence_comes_back_as_telephone_sound():
    async def ask():
        async with services() as (running, web):
            voice = HttpSynthesizer(web, "voice")
            pieces = [piece async for piece in voice.speak("Hello there.", "marin")]
            return pieces, running.asked(TTS)

    pieces, (request,) = run(ask)
    sound = b"".join(pieces)

    assert request.json == {
        "model": "voice",
        "voice": "marin",
        "input": "Hello there.",
        "response_format": "pcm",
    }
    # 16 ms of each of 12 characters, and the 4 ms of the filter.
    assert 192 * 8 <= len(sound) <= 197 * 8
    assert len(pieces) > 1
    samples = memoryview(decode(sound[400:1_200])).cast("h")
    assert 8_000 < max(samples) < 14_000  # a square wave of 9,000, without its harmonics


def test_a_voice_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.speech.tts.MAX_SENTENCE_S", 0.1)

    async def ask():
        async with services() as (_, web):
            return [piece async for piece in HttpSynthesizer(web, "voice").speak("x" * 99, "ash")]

    with pytest.raises(SpeechError, match="part_too_large"):
        run(ask)


def test_a_voice_that_is_slower_than_its_deadline_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.speech.tts.DEADLINE_S", 0.15)

    async def ask():
        async with services() as (running, web):
            running.speed = 1.0
            return [piece async for piece in HttpSynthesizer(web, "voice").speak("x" * 99, "ash")]

    with pytest.raises(SpeechError, match="part_timeout"):
        run(ask)
