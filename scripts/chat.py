"""A typed conversation with a bot: no telephone, no microphone, and without --live no key.

    .venv/bin/python -m scripts.chat [--bot NAME] [--bots DIR] [--live] [--input NAME=VALUE]

The bot is the real one, with its functions, keys and hand-over; only the line is missing, and it
does not mind silence, because typing takes time. What it says is shown as text. `/keys 123#`
presses keys, `/language de` is what the line's `update` does, `/quit` or the end of the input
hangs up. Settings come from the environment and from `./.env`, as those of the service do.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import NAMED
from scripts.sample_bank import SampleBank
from scripts.typed_call import COMMANDS, TypedCall, language_problem
from service import start_checks, wiring
from service.__main__ import environment
from service.bots.port import BotsError
from service.secrets.port import Watched
from service.settings import Settings, SettingsError
from service.speech.port import SpeechError

SAMPLE_BANK = "BANK_API_URL"
"""Name among the tool secrets of what the bot `bank` asks for accounts."""
TOOLS = ("TOOL_", "GENESYS_")
MODEL = ("SPEECH_", "OPENAI_", "AZURE_")
"""How the names of the settings begin that a conversation by typing heeds."""


def main() -> int:
    """Hold the conversation; return the exit code."""
    options = _parser().parse_args()
    # What the service would log is told here as it should be told to a person.
    logging.getLogger("service").addHandler(logging.NullHandler())
    try:
        asyncio.run(_chat(options))
    except (SettingsError, BotsError) as error:
        _tell(*error.problems)
        return 2
    except SpeechError as error:
        _tell(f"the model cannot be had: {error.code}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(*sentences: str) -> None:
    sys.stderr.write("".join(f"chat: {sentence}\n" for sentence in sentences))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.chat",
        description=f"Talks with a bot by typing: {COMMANDS}.",
    )
    parser.add_argument(
        "--bot",
        default="default",
        help=f"Connector ID (default: %(default)s); one called bank gets a sample bank, unless "
        f"TOOL_SECRETS has {SAMPLE_BANK}",
    )
    parser.add_argument(
        "--bots", type=Path, metavar="DIR", help="your own bots instead of the built-in catalog"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="talk with the real model of the settings (needs OPENAI_API_KEY or "
        "OPENAI_API_KEY_SECRET; the model speaks as on the phone, a minute costs a few cents)",
    )
    parser.add_argument(
        "--input",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="an input variable of the flow; may be given again",
    )
    parser.add_argument("--language", help="tag of the caller's side, such as de-DE")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, is_pair, value = text.partition("=")
    if not name or not is_pair:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


async def _chat(options: argparse.Namespace) -> None:
    env = environment()
    own = _chosen(env, TOOLS) | {"ALLOW_ANONYMOUS": "1", "EVENTS_URL": "off:"}
    if options.bots:
        own["BOTS_URL"] = f"file:{options.bots}"
    async with _model(options, env) as model:
        settings = Settings.from_env(own | model, check=start_checks.problems_of)
        with _bank(options.bot, settings) as settings:
            await _talk(options, settings)


async def _talk(options: argparse.Namespace, settings: Settings) -> None:
    kinds = wiring.make_tool_kinds(settings)
    bots = wiring.make_bots(settings, kinds)
    inputs = dict(options.input)
    call = TypedCall(options.bot, bots, inputs, options.language, clock=time.monotonic)
    if not bots.knows(options.bot):
        _tell(f"no bot is called {options.bot}; the default one answers")
    if options.language and (problem := language_problem(call.bot, options.language)):
        _tell(problem)
    if sys.stdin.isatty():
        _tell(f"type what the caller says; {COMMANDS}")
    keys = wiring.make_keys(settings)
    try:
        async with _watching(*keys.values()):
            await call.run(wiring.make_speech(settings, keys))
    finally:
        for kind in kinds.values():
            await kind.aclose()


@contextlib.asynccontextmanager
async def _watching(*keys: Watched) -> AsyncIterator[None]:
    """Have the keys of the model read, where they are in a store."""
    if not keys:
        yield
        return
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(key.watch()) for key in keys]
        yield
        for task in tasks:
            task.cancel()


@contextlib.contextmanager
def _bank(bot: str, settings: Settings) -> Iterator[Settings]:
    """Give the settings, with the sample bank where the bot wants one and has none."""
    if bot != "bank" or SAMPLE_BANK in settings.tool_secrets:
        yield settings
        return
    with SampleBank() as bank:
        yield replace(settings, tool_secrets={**settings.tool_secrets, SAMPLE_BANK: bank.url})


@contextlib.asynccontextmanager
async def _model(
    options: argparse.Namespace, env: Mapping[str, str]
) -> AsyncIterator[dict[str, str]]:
    """Give the settings of the model that answers."""
    if options.live:
        yield _chosen(env, MODEL)
        return
    brain = DialogueBrain(DIALOGUES.get(options.bot, DIALOGUES["default"]))
    async with RealtimeEmulator(scenario=NAMED["burst"], brain=brain) as emulator:
        _tell("an emulated model answers by a script; --live takes the real one")
        yield {"OPENAI_API_KEY": "sk-emulated", "OPENAI_BASE_URL": emulator.base_url}


def _chosen(env: Mapping[str, str], beginnings: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(beginnings)}


if __name__ == "__main__":
    sys.exit(main())
