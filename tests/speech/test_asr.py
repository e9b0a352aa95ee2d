import io
import wave

import pytest

from scripts.emulators.speech_http import ASR
from service.audio.g711 import decode
from service.speech.asr import HttpTranscriber, wav
from service.speech.port import SpeechError
from tests.speech.http_services import KEY, run, services

SOUND = bytes(range(256)) * 10


def test_a_turn_goes_out_as_a_form_and_comes_back_as_words():
    async def ask():
        async with services(" Hello there. ") as (running, web):
            words = await HttpTranscriber(web, "ears").transcribe(SOUND, ("en-US", "en-GB"))
            return words, running.asked(ASR)

    words, (request,) = run(ask)

    assert words == "Hello there."
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.fields == {"model": "ears", "response_format": "json", "language": "en"}
    assert request.pcm16 == decode(SOUND) + bytes(2 * (4_000 - len(SOUND)))


@pytest.mark.parametrize("languages", [(), ("en", "de-DE")])
def test_no_language_is_named_when_it_is_not_known(languages: tuple[str, ...]):
    async def ask():
        async with services("Hello") as (running, web):
            await HttpTranscriber(web, "ears").transcribe(SOUND, languages)
            return running.asked(ASR)

    assert "language" not in run(ask)[0].fields


def test_an_answer_of_another_form_is_an_error_of_ours():
    async def ask():
        async with services(path=ASR, faults=("nonsense",)) as (_, web):
            await HttpTranscriber(web, "ears").transcribe(SOUND, ())

    with pytest.raises(SpeechError) as caught:
        run(ask)
    assert (caught.value.code, caught.value.retryable) == ("asr_bad_answer", True)


def test_the_file_is_one_that_others_can_read():
    with wave.open(io.BytesIO(wav(decode(SOUND)))) as found:
        assert found.getparams()[:4] == (1, 2, 8_000, len(SOUND))
        assert found.readframes(len(SOUND)) == decode(SOUND)
