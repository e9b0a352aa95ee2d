import threading

import pytest

pytest.importorskip("boto3")

from scripts.emulators.speech_http import POLLY, Fault, SpeechServices
from service.aws_session import make_session
from service.speech.port import SpeechError
from service.speech.tts_polly import PollySynthesizer
from tests.speech.http_services import run, services

TEXT = "Hello there."


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "emulated")


def speak(monkeypatch: pytest.MonkeyPatch, *faults: Fault) -> tuple[bytes, SpeechServices]:
    """One sentence by the emulated service."""

    async def ask() -> tuple[bytes, SpeechServices]:
        async with services(path=POLLY, faults=faults) as (running, _):
            monkeypatch.setenv("AWS_ENDPOINT_URL", running.base_url.removesuffix("/v1"))
            voice = PollySynthesizer(make_session("eu-central-1"), "neural/Joanna")
            try:
                sound = b"".join([piece async for piece in voice.speak(TEXT, "marin")])
            finally:
                await voice.aclose()
            return sound, running

    return run(ask)


def test_a_sentence_comes_back_as_it_is(monkeypatch: pytest.MonkeyPatch):
    sound, running = speak(monkeypatch)
    (request,) = running.asked(POLLY)

    assert sound == b"\x20\xa0" * (4 * 16 * len(TEXT))
    assert request.json == {
        "Text": TEXT,
        "VoiceId": "Joanna",
        "Engine": "neural",
        "OutputFormat": "mulaw",
        "SampleRate": "8000",
    }


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [(400, "tts_http_400", False), (403, "tts_http_403", False), (503, "tts_http_503", True)],
)
def test_a_refusal_is_an_error_of_ours_and_asked_for_once(
    fault: Fault, code: str, retryable: bool, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(SpeechError) as caught:
        speak(monkeypatch, fault, fault)

    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "4711" not in repr(caught.value.__context__)


def test_a_service_that_hangs_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.speech.tts_polly.DEADLINE_S", 0.2)
    monkeypatch.setattr("service.speech.tts_polly.SILENCE_S", 0.5)

    with pytest.raises(SpeechError, match="tts_timeout"):
        speak(monkeypatch, "hang")

    for thread in threading.enumerate():
        if thread.name.startswith("polly"):
            thread.join(5)
            assert not thread.is_alive()


def test_nobody_at_the_address_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    async def ask() -> None:
        voice = PollySynthesizer(make_session("eu-central-1"), "neural/Joanna")
        try:
            async for _ in voice.speak(TEXT, ""):
                pass
        finally:
            await voice.aclose()

    with pytest.raises(SpeechError, match="tts_unreachable"):
        run(ask)
