"""`SPEECH_PROVIDER=cascade` as a process, called by recorded voices."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues.bank import BANK
from scripts.emulators.genesys import CallSetup, GenesysCall, play_call
from scripts.emulators.speech_http import ASR, SpeechServices
from scripts.service_process import ROOT, running_service
from tests.e2e.bridge import API_KEY, CLIENT_SECRET
from tests.e2e.quick_calls import greeted, quiet

CLIPS = ROOT / "scripts" / "clips"
WORDS = ("How high is my bill?", "Can I speak to a person, please?")


def settings_for(services: SpeechServices, events: Path) -> dict[str, str]:
    parts = {f"{part}_BASE_URL": services.base_url for part in ("ASR", "LLM", "TTS")}
    models = {f"{part}_MODEL": part.lower() for part in ("ASR", "LLM", "TTS")}
    own = {
        "SPEECH_PROVIDER": "cascade",
        "AUDIOHOOK_KEYS": json.dumps({API_KEY: CLIENT_SECRET}),
        "EVENTS_URL": f"file:{events}",
    }
    return parts | models | own


def events_in(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.rglob("*.ndjson")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


async def ring(events: Path) -> SpeechServices:
    """Two recorded sentences, each answered; then the service hands over."""

    async def script(call: GenesysCall) -> None:
        await greeted(call)
        await call.say((CLIPS / "slt_bill.ulaw").read_bytes())
        await quiet(call)
        await call.say((CLIPS / "slt_person.ulaw").read_bytes())
        await call.disconnected()

    async with (
        SpeechServices(DialogueBrain(BANK), *WORDS, ms_per_char=16) as services,
        running_service(settings_for(services, events)) as service,
    ):
        await play_call(CallSetup(service.call_url, API_KEY, CLIENT_SECRET), script)
        return services


def test_recorded_callers_are_heard_and_answered(tmp_path: Path):
    services = asyncio.run(asyncio.wait_for(ring(tmp_path), 40))

    events = events_in(tmp_path)
    turns = [it["data"] for it in events if it["type"] == "call.turn.v1"]
    ended = events[-1]["data"]
    said = [turn["text"] for turn in turns if turn["speaker"] == "caller"]
    heard = [len(request.pcm16) / 16_000 for request in services.asked(ASR)]
    clips = [(CLIPS / f"{name}.ulaw").stat().st_size / 8_000 for name in ("slt_bill", "slt_person")]
    assert said == list(WORDS)
    assert (ended["end_reason"], ended["errors"]) == ("transfer", [])
    # Each recording is one turn, with at most the padding around it.
    assert all(clip - 0.5 < sound < clip + 0.7 for clip, sound in zip(clips, heard, strict=True))


@pytest.mark.parametrize(
    ("voice", "made", "imported"),
    [
        ("http://x", "", []),
        ("http://x", ".links[0].provider._make_parts()", ["numpy", "httpcore2"]),
        ("aws-polly://eu-central-1", ".links[0].provider._make_parts()", ["httpcore2", "boto3"]),
    ],
)
def test_what_is_heavy_is_imported_with_the_first_call(voice: str, made: str, imported: list[str]):
    if "boto3" in imported:
        pytest.importorskip("boto3")
    settings = {f"{part}_BASE_URL": "http://x" for part in ("ASR", "LLM")}
    settings |= {f"{part}_MODEL": "x/y" for part in ("ASR", "LLM", "TTS")}
    settings |= {"TTS_BASE_URL": voice, "SPEECH_PROVIDER": "cascade", "ALLOW_ANONYMOUS": "1"}
    code = (
        "import sys; from service.settings import Settings; from service.wiring import make_speech;"
        f"make_speech(Settings.from_env({settings!r})){made};"
        "print([name for name in ('numpy', 'httpcore2', 'boto3') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )

    assert done.stdout.strip() == repr(imported)
