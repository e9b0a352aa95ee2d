"""Bots of files with the real kinds of tools, as `service.__main__` makes them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from scripts.sample_bank import SampleBank
from service import wiring
from service.bots.port import BotService
from service.settings import Settings
from service.tools.port import ToolKind


@contextlib.asynccontextmanager
async def real_bots(
    folder: Path | None = None,
    *,
    tool_secrets: Mapping[str, str] | None = None,
    kinds: Mapping[str, ToolKind] | None = None,
) -> AsyncIterator[BotService]:
    """Make the bots of a folder, or of the catalog; their tools are closed afterwards.

    `kinds` take the place of those that a deployment would have under these names.
    """
    env = {
        "OPENAI_API_KEY": "sk-of-nobody",
        "ALLOW_ANONYMOUS": "1",
        "BOTS_URL": f"file:{folder}" if folder else "",
        "TOOL_SECRETS": json.dumps(dict(tool_secrets or {})),
    }
    settings = Settings.from_env(env)
    chosen = wiring.make_tool_kinds(settings) | dict(kinds or {})
    try:
        yield wiring.make_bots(settings, chosen)
    finally:
        for kind in chosen.values():
            await kind.aclose()


@contextlib.asynccontextmanager
async def sample_bank() -> AsyncIterator[SampleBank]:
    """Let the bank's web service run; its end would hold up the loop."""
    bank = SampleBank()
    bank.__enter__()
    try:
        yield bank
    finally:
        await asyncio.to_thread(bank.__exit__)
