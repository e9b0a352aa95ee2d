"""Real time: ears and a voice in threads, many sessions at once, the command line."""

import asyncio
import math
import os
import signal
import sys
import time
from typing import Any

from scripts.emulators.brains import EchoBrain
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from scripts.emulators.vad import EnergyVad
from scripts.emulators.voice import VoiceError
from tests.emulators.realtime_client import audio_of, call, dial, silence, speech

FAST = Scenario(speed=math.inf, first_audio_delay_ms=0, hello_delay_ms=0, transcript_delay_ms=0)
DETECTION = {"detection": {"type": "server_vad", "silence_duration_ms": 500}}


class Ears:
    name = "test ears"

    def __init__(self) -> None:
        self.heard_bytes: list[int] = []

    def transcribe(self, pcmu: bytes) -> str:
        time.sleep(0.05)
        self.heard_bytes.append(len(pcmu))
        return " two words "


class Voice:
    name = "test voice"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def speak(self, text: str) -> bytes:
        self.texts.append(text)
        return bytes([len(text)]) * 4000

    def close(self) -> None:
        """Nothing to give back."""


class Hoarse(Voice):
    def speak(self, text: str) -> bytes:
        raise VoiceError("no voice")


def _emulator(ears: Any = None, voice: Any = None) -> RealtimeEmulator:
    return RealtimeEmulator(
        scenario=FAST, brain=EchoBrain(), ears=ears, voice=voice, detector_factory=EnergyVad
    )


def test_the_brain_answers_what_the_ears_heard_with_the_voice():
    ears, voice = Ears(), Voice()

    async def scene() -> Any:
        settings = {**DETECTION, "transcription": {"model": "gpt-transcribe"}}
        async with call(_emulator(ears, voice), session=settings) as client:
            await client.append(silence(400) + speech(600) + silence(600))
            return await client.until("response.done")

    events = asyncio.run(scene())

    [transcript] = [
        e["transcript"] for e in events if e["type"].endswith("transcription.completed")
    ]
    assert transcript == "two words"
    assert 1000 * 8 < ears.heard_bytes[0] < 1500 * 8
    assert voice.texts == ["You said: two words"]
    assert audio_of(events) == bytes([len(voice.texts[0])]) * 4000


def test_a_voice_that_fails_fails_the_response_only():
    async def scene() -> Any:
        async with call(_emulator(voice=Hoarse())) as client:
            await client.send("response.create")
            first = await client.one("response.done")
            await client.ask("input_audio_buffer.cleared", "input_audio_buffer.clear")
            return first["response"]

    response = asyncio.run(scene())

    assert response["status"] == "failed"
    assert response["status_details"]["error"]["code"] == "server_error"


def test_describe_names_ears_and_voice():
    assert _emulator(Ears(), Voice()).describe() == (
        "The emulated Realtime server hears with test ears and speaks with test voice."
    )


def test_twenty_calls_at_once_stay_apart():
    async def one_call(server: RealtimeEmulator, number: int) -> str:
        async with dial(server, is_strict=False) as client:
            await client.one("session.created")
            await client.configure()
            text = {"type": "input_text", "text": f"call {number}"}
            item = {"type": "message", "role": "user", "content": [text]}
            await client.ask("conversation.item.done", "conversation.item.create", item=item)
            await client.send("response.create")
            done = await client.one("response.done")
            said: str = done["response"]["output"][0]["content"][0]["transcript"]
            return said

    async def scene() -> list[str]:
        async with _emulator() as server:
            return await asyncio.gather(*(one_call(server, number) for number in range(20)))

    assert asyncio.run(scene()) == [f"You said: call {number}" for number in range(20)]


def test_the_command_tells_its_address_and_ends_cleanly_on_sigterm():
    async def scene() -> Any:
        command = [sys.executable, "-m", "scripts.emulators.realtime", "--scripted", "--port", "0"]
        command += ["--bot", "bank"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                url = (await process.stdout.readline()).decode().strip()
                sentence = (await process.stdout.readline()).decode().strip()
                host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await writer.wait_closed()
                process.send_signal(signal.SIGTERM)
                return sentence, await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    sentence, code = asyncio.run(scene())

    assert "script" in sentence
    assert code == 0
