"""The demo: one spoken call through the real service, and what came of it.

    ./scripts/demo [--json] [--live] [--wav FILE] [--scripted]

A caller with recorded speech rings the service, which runs as its own process behind a signed
handshake, and talks with an emulated Realtime server (or, with --live, with OpenAI). Everything
is judged by what both ends saw; see `scripts.call_story` for how it is told.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from scripts import caller_clips
from scripts.call_story import Story, Teller, tell
from scripts.emulators.ears import best_available_ears
from scripts.emulators.genesys import CallFailed, CallSetup, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from scripts.emulators.voice import best_available_voice
from scripts.service_process import ROOT, ServiceFailed, running_service

OUTPUT = ROOT / "data" / "demo"
PAUSE_MS = 400
"""A polite caller lets the other one finish."""

Script = Callable[[GenesysCall], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the caller does; `words` are what the recordings say, in order.

    `bot_status`: what the flow must get back in the end; None when the caller hangs up.
    """

    script: Script
    words: tuple[str, ...]
    interrupts: bool
    bot_status: str | None


def main() -> int:
    """Play the call and tell its story; 0 when everything was right."""
    options = _parser().parse_args()
    teller = Teller(is_json=options.json)
    if options.live and not os.environ.get("OPENAI_API_KEY"):
        teller.fail("--live needs OPENAI_API_KEY in the environment")
        return 2
    try:
        plan = _recording_plan(options.wav) if options.wav else _clip_plan()
        story = asyncio.run(_play(plan, options, teller))
    except (CallFailed, ServiceFailed, caller_clips.WavError, OSError) as error:
        teller.fail(str(error))
        return 1
    except KeyboardInterrupt:
        teller.fail("interrupted")
        return 130
    tell(story, is_json=options.json)
    return 0 if story.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./scripts/demo",
        description="Plays a whole phone call through the service; needs no key and no account.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--live", action="store_true", help="talk with OpenAI itself (needs OPENAI_API_KEY)"
    )
    parser.add_argument(
        "--wav", type=Path, metavar="FILE", help="let the caller say your own recording"
    )
    parser.add_argument(
        "--scripted",
        action="store_true",
        help="no real ears and voice: the emulated model knows the words and answers in tones",
    )
    return parser


def _clip_plan() -> Plan:
    """The caller asks, interrupts, is disturbed by a human voice, presses a key, wants a person."""
    names = ("slt_opening_hours", "slt_bill", "slt_stop", "librivox_amiable", "slt_person")
    hours, bill, stop, human, person = (caller_clips.load(name) for name in names)

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.say(hours.pcmu)
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.say(bill.pcmu)
        await call.agent_speaks(min_ms=4_000)
        await call.say(stop.pcmu)
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.say(human.pcmu)
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.press("4")
        await call.agent_speaks(min_ms=500)
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.say(person.pcmu)
        await call.disconnected()

    return Plan(
        script, tuple(clip.words for clip in (hours, bill, stop, human, person)), True, "transfer"
    )


def _recording_plan(path: Path) -> Plan:
    """The caller says one recording, listens to the answer, and hangs up."""
    pcmu = caller_clips.from_wav(path)

    async def script(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_quiet(for_ms=PAUSE_MS)
        await call.say(pcmu)
        await call.agent_quiet(for_ms=2 * PAUSE_MS)
        await call.hang_up()

    return Plan(script, ("hello",), interrupts=False, bot_status=None)


async def _play(plan: Plan, options: argparse.Namespace, teller: Teller) -> Story:
    started = time.strftime("%Y%m%d-%H%M%S")
    folder = OUTPUT / f"{started}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    key, secret = "demo", base64.b64encode(secrets.token_bytes(32)).decode()
    async with _model(plan, options, teller) as model:
        settings = model | {
            "AUDIOHOOK_KEYS": json.dumps({key: secret}),
            "EVENTS_URL": f"file:{folder}",
        }
        teller.say("starting the service…")
        async with running_service(settings) as service:
            teller.say(f"calling {service.call_url} with a signed upgrade…")
            setup = CallSetup(service.call_url, key, secret, profile="production-like")
            report = await play_call(setup, plan.script, on_event=teller.follow)
        # The service has ended, so every event of the call is on disk now.
        recording = folder / "call.wav"
        report.recording.write_wav(recording)
        events = next(folder.glob(f"dt=*/{setup.session_id}.ndjson"), None)
        return Story.of(
            report,
            events,
            recording,
            expects_barge_in=plan.interrupts,
            expects_status=plan.bot_status,
        )


@contextlib.asynccontextmanager
async def _model(
    plan: Plan, options: argparse.Namespace, teller: Teller
) -> AsyncIterator[dict[str, str]]:
    """Give the settings of the model to talk with, which lives as long as the context."""
    if options.live:
        teller.say("talking with OpenAI itself: this call costs a few cents.")
        names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_REALTIME_MODEL")
        yield {name: os.environ[name] for name in names if name in os.environ}
        return
    teller.say("starting the emulated Realtime server…")
    ears = None if options.scripted else best_available_ears()
    voice = None if options.scripted else best_available_voice()
    scenario = Scenario() if ears else Scenario(caller_words=plan.words)
    emulator = RealtimeEmulator(scenario=scenario, ears=ears, voice=voice)
    teller.say(emulator.describe())
    async with emulator:
        yield {"OPENAI_API_KEY": "sk-emulated", "OPENAI_BASE_URL": emulator.base_url}


if __name__ == "__main__":
    sys.exit(main())
