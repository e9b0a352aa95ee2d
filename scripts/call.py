"""The demo: one spoken call through the real service, and what came of it.

    ./scripts/demo [--bot NAME] [--json] [--live] [--wav FILE] [--scripted] [--aws]

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
from collections.abc import AsyncIterator
from pathlib import Path

from scripts import caller_clips
from scripts.call_story import Story, Teller, tell
from scripts.demo_analytics import Analytics, LocalAnalytics, NotRecordedError
from scripts.demo_plans import BOTS, Plan, plan_of, recording_plan
from scripts.emulated_aws import AwsFailed, running_aws
from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.ears import best_available_ears
from scripts.emulators.genesys import CallFailed, CallReport, CallSetup, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from scripts.emulators.voice import best_available_voice
from scripts.report import NoCallsError
from scripts.sample_bank import SampleBank
from scripts.service_process import ROOT, ServiceFailed, running_service

OUTPUT = ROOT / "data" / "demo"


def main() -> int:
    """Play the call and tell its story; 0 when everything was right."""
    options = _parser().parse_args()
    teller = Teller(is_json=options.json)
    if options.live and not os.environ.get("OPENAI_API_KEY"):
        teller.fail("--live needs OPENAI_API_KEY in the environment")
        return 2
    try:
        plan = recording_plan(options.bot, options.wav) if options.wav else plan_of(options.bot)
        story = asyncio.run(_play(plan, options, teller))
    except (AwsFailed, CallFailed, ServiceFailed, caller_clips.WavError, OSError) as error:
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
    parser.add_argument(
        "--bot", choices=BOTS, default="default", help="whom to call (default: %(default)s)"
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
    parser.add_argument(
        "--aws",
        action="store_true",
        help="send the events through an emulated AWS: SQS, the functions, DynamoDB, S3",
    )
    return parser


async def _play(plan: Plan, options: argparse.Namespace, teller: Teller) -> Story:
    started = time.strftime("%Y%m%d-%H%M%S")
    folder = OUTPUT / f"{started}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    key, secret = "demo", base64.b64encode(secrets.token_bytes(32)).decode()
    async with (
        _model(plan, options, teller) as model,
        _bank_of(plan) as bank,
        _analytics(options, folder, teller) as analytics,
    ):
        settings = model | bank | analytics.settings
        settings |= {"AUDIOHOOK_KEYS": json.dumps({key: secret})}
        teller.say("starting the service…")
        async with running_service(settings) as service:
            url = service.url_of(plan.bot)
            teller.say(f"calling {url} with a signed upgrade…")
            setup = CallSetup(
                url,
                key,
                secret,
                profile="production-like",
                language=plan.language,
                input_variables=dict(plan.inputs),
            )
            report = await play_call(setup, plan.script, on_event=teller.follow)
        # The service has ended, so every event of the call has left it.
        recording = folder / "call.wav"
        report.recording.write_wav(recording)
        return await asyncio.to_thread(
            _analyse, plan, report, analytics, setup.session_id, recording, teller
        )


def _analyse(
    plan: Plan,
    report: CallReport,
    analytics: Analytics,
    session_id: str,
    recording: Path,
    teller: Teller,
) -> Story:
    """Put the story together, and make a report as the functions behind the queue do."""
    teller.say("recording what the call published, and making a report…")
    try:
        events = analytics.events_of(session_id)
        story = Story.of(plan, report, events, recording)
        if events:
            story.report = str(analytics.report(events, recording))
    except (NotRecordedError, NoCallsError) as error:
        story = Story.of(plan, report, None, recording)
        story.problems.append(f"there is no report: {error}")
    return story


@contextlib.asynccontextmanager
async def _analytics(
    options: argparse.Namespace, folder: Path, teller: Teller
) -> AsyncIterator[Analytics]:
    """Give the place that the events go to, which lives as long as the context."""
    if not options.aws:
        yield LocalAnalytics(folder)
        return
    from scripts.demo_aws import AwsAnalytics

    teller.say("starting the emulated AWS: queue, functions, table, lake and bus…")
    with running_aws() as aws:
        yield AwsAnalytics(aws, folder)


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
    ears = best_available_ears() if plan.is_english and not options.scripted else None
    voice = None if options.scripted else best_available_voice()
    scenario = Scenario() if ears else Scenario(caller_words=plan.words)
    brain = DialogueBrain(DIALOGUES[plan.bot])
    emulator = RealtimeEmulator(scenario=scenario, brain=brain, ears=ears, voice=voice)
    teller.say(emulator.describe())
    async with emulator:
        yield {"OPENAI_API_KEY": "sk-emulated", "OPENAI_BASE_URL": emulator.base_url}


@contextlib.asynccontextmanager
async def _bank_of(plan: Plan) -> AsyncIterator[dict[str, str]]:
    """Give the settings of the bank's web service, which lives as long as the context."""
    if plan.bot != "bank":
        yield {}
        return
    with SampleBank() as bank:
        yield {"TOOL_SECRETS": json.dumps({"BANK_API_URL": bank.url})}


if __name__ == "__main__":
    sys.exit(main())
