"""A typed conversation with a bot: no telephone, no microphone, and without --live no key.

    .venv/bin/python -m scripts.chat [--bot NAME] [--bots DIR] [--live] [--input NAME=VALUE]

The bot is the real one, with its functions, keys and hand-over; only the line is missing, and it
does not mind silence, because typing takes time. What it says is shown as text. `/keys 123#`
presses keys, `/quit` or the end of the input hangs up.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import NAMED
from scripts.sample_bank import SampleBank
from scripts.typed_call import TypedCall
from service import wiring
from service.bots.port import BotsError
from service.settings import Settings, SettingsError
from service.speech.port import SpeechError


def main() -> int:
    """Hold the conversation; return the exit code."""
    options = _parser().parse_args()
    if options.live and not os.environ.get("OPENAI_API_KEY"):
        sys.stderr.write("chat: --live needs OPENAI_API_KEY in the environment\n")
        return 2
    try:
        asyncio.run(_chat(options))
    except (SettingsError, BotsError) as error:
        sys.stderr.write("".join(f"chat: {problem}\n" for problem in error.problems))
        return 2
    except SpeechError as error:
        sys.stderr.write(f"chat: the model cannot be had: {error.code}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.chat",
        description="Talks with a bot by typing. /keys 123# presses keys, /quit hangs up.",
    )
    parser.add_argument("--bot", default="default", help="Connector ID (default: %(default)s)")
    parser.add_argument(
        "--bots", type=Path, metavar="DIR", help="your own bots instead of the built-in catalog"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="talk with OpenAI itself (needs OPENAI_API_KEY; the model speaks as on the phone, "
        "a minute costs a few cents)",
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an input variable of the flow; may be given again",
    )
    parser.add_argument("--language", help="tag of the caller's side, such as de-DE")
    return parser


async def _chat(options: argparse.Namespace) -> None:
    with _surroundings(options) as env:
        async with _model(options) as model:
            settings = Settings.from_env(env | model, check=wiring.problems_of)
            kinds = wiring.make_tool_kinds(settings)
            bots = wiring.make_bots(settings, kinds)
            if not bots.knows(options.bot):
                sys.stderr.write(f"chat: no bot is called {options.bot}; the default one answers\n")
            inputs = dict(pair.partition("=")[::2] for pair in options.input)
            call = TypedCall(options.bot, bots, inputs, options.language, clock=time.monotonic)
            try:
                await call.run(wiring.make_speech(settings))
            finally:
                for kind in kinds.values():
                    await kind.aclose()


@contextlib.contextmanager
def _surroundings(options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Give the settings of the service, with the sample bank where the caller brings no own."""
    env = {
        name: value for name, value in os.environ.items() if name.startswith(("TOOL_", "GENESYS_"))
    }
    env |= {"ALLOW_ANONYMOUS": "1", "EVENTS_URL": "off:"}
    if options.bots:
        env["BOTS_URL"] = f"file:{options.bots}"
    if options.bot != "bank" or options.bots or "TOOL_SECRETS" in env:
        yield env
        return
    with SampleBank() as bank:
        yield env | {"TOOL_SECRETS": json.dumps({"BANK_API_URL": bank.url})}


@contextlib.asynccontextmanager
async def _model(options: argparse.Namespace) -> AsyncIterator[dict[str, str]]:
    if options.live:
        names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_REALTIME_MODEL")
        yield {name: os.environ[name] for name in names if name in os.environ}
        return
    brain = DialogueBrain(DIALOGUES.get(options.bot, DIALOGUES["default"]))
    async with RealtimeEmulator(scenario=NAMED["burst"], brain=brain) as emulator:
        sys.stderr.write("chat: an emulated model answers by a script; --live takes the real one\n")
        yield {"OPENAI_API_KEY": "sk-emulated", "OPENAI_BASE_URL": emulator.base_url}


if __name__ == "__main__":
    sys.exit(main())
