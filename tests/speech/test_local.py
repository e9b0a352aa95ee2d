import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from scripts.caller_clips import load
from service.speech import local
from service.speech.local import LocalSynthesizer, LocalTranscriber, Worker
from service.speech.port import SpeechError

T = TypeVar("T")
READ = "import sys; read = sys.stdin.buffer.read; n = lambda: int.from_bytes(read(4), 'big')\n"
ECHO = READ + (
    "while True:\n"
    "    size = n()\n"
    "    data = read(size)\n"
    "    if not data: break\n"
    "    if data == b'die': sys.exit(1)\n"
    "    if data == b'hang': import time; time.sleep(60)\n"
    "    if data == b'flood': sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff')\n"
    "    sys.stdout.buffer.write(len(data).to_bytes(4, 'big') + data); sys.stdout.flush()\n"
)


def run(scene: Callable[[Worker], Awaitable[T]]) -> T:
    async def play() -> T:
        worker = Worker("tts", [sys.executable, "-c", ECHO])
        try:
            return await scene(worker)
        finally:
            await worker.aclose()

    return asyncio.run(play())


def test_requests_are_answered_one_after_the_other_by_one_process():
    async def scene(worker: Worker) -> list[bytes]:
        return list(await asyncio.gather(*(worker.ask(b"%d" % n) for n in range(5))))

    assert run(scene) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(("request_", "code"), [(b"die", "tts_died"), (b"flood", "tts_died")])
def test_a_process_that_dies_or_floods_is_replaced(request_: bytes, code: str):
    async def scene(worker: Worker) -> bytes:
        with pytest.raises(SpeechError, match=code) as caught:
            await worker.ask(request_)
        assert caught.value.retryable
        return await worker.ask(b"again")

    assert run(scene) == b"again"


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "DEADLINE_S", 0.3)

    async def scene(worker: Worker) -> bytes:
        await worker.ask(b"first")
        with pytest.raises(SpeechError, match="tts_timeout"):
            await worker.ask(b"hang")
        return await worker.ask(b"again")

    assert run(scene) == b"again"


def test_a_request_that_is_given_up_leaves_no_answer_to_the_next():
    async def scene(worker: Worker) -> bytes:
        await worker.ask(b"first")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await worker.ask(b"hang")
        return await worker.ask(b"next")

    assert run(scene) == b"next"


def test_a_package_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="moonshine_voice is not installed"):
        LocalTranscriber()
    with pytest.raises(ImportError, match="py_nanotts is not installed"):
        LocalSynthesizer("en-US")


@pytest.mark.slow
def test_what_the_voice_says_the_ears_hear():
    pytest.importorskip("moonshine_voice")
    pytest.importorskip("py_nanotts")

    async def scene() -> tuple[str, str, float]:
        ears, voice = LocalTranscriber(), LocalSynthesizer("en-US")
        try:
            sound = b"".join([piece async for piece in voice.speak("Hello <there>.", "marin")])
            nothing = b"".join([piece async for piece in voice.speak("...", "marin")])
            assert nothing == b""
            heard = await ears.transcribe(load("slt_sunday").pcmu, ("en",))
            return heard, await ears.transcribe(sound, ()), len(sound) / 8_000
        finally:
            await ears.aclose()
            await voice.aclose()

    human, own, seconds = asyncio.run(scene())
    assert "sunday" in human.lower()
    assert "hello" in own.lower()
    assert 0.4 < seconds < 3.0
