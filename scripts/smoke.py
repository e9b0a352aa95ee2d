"""Looks whether a deployed service can take calls: readiness, Genesys' activation test, one call.

    AUDIOHOOK_KEYS='{"API-KEY":"CLIENT-SECRET"}' python -m scripts.smoke https://HOST [--bot NAME]

Takes the first of the service's credentials. The call listens to the greeting and hangs up, which
costs about a cent; --no-call leaves it out. Needs the packages of the service alone.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from scripts.emulators.genesys import (
    CallFailed,
    CallReport,
    CallSetup,
    GenesysCall,
    play_call,
    probe,
)

READY_DEADLINE_S = 120.0
"""For new machines to start and proxies to learn of them."""
GREETING_MS = 300.0
"""Of the agent's voice: enough to know that the model speaks."""
GREETING_DEADLINE_S = 20.0
NO_KEYS = "AUDIOHOOK_KEYS is not set: test call and call are left out, only readiness was looked at"


class SmokeFailed(Exception):
    """The service cannot take calls; the message says what was seen."""


def main(argv: list[str] | None = None) -> int:
    """Look, print what was seen, return 0 when calls can be taken."""
    parser = argparse.ArgumentParser(prog="python -m scripts.smoke")
    parser.add_argument("url", help="https://HOST of the service")
    parser.add_argument("--bot", default="default", help="whom to call (default: %(default)s)")
    parser.add_argument("--no-call", action="store_true", help="readiness and test alone")
    parser.add_argument(
        "--wait", type=float, default=READY_DEADLINE_S, metavar="SECONDS", help="for readiness"
    )
    options = parser.parse_args(argv)
    try:
        socket_url = socket_url_of(options.url, options.bot)
        credentials = credentials_of(os.environ)
        print(f"ready      {wait_until_ready(options.url, options.wait)}")
        if credentials is None:
            print(NO_KEYS)
            return 0
        asyncio.run(_ring(CallSetup(socket_url, *credentials), has_call=not options.no_call))
    except SmokeFailed as error:
        print(f"FAILED     {error}", file=sys.stderr)
        return 1
    return 0


def socket_url_of(url: str, bot: str) -> str:
    """Return where Genesys would connect.

    Raises:
        SmokeFailed: that is no address of a web server.
    """
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise SmokeFailed(f"expected an address such as https://host, got {url[:80]!r}")
    return f"{schemes[parts.scheme]}://{parts.netloc}/audiohook/{bot}"


def credentials_of(env: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Return API key and newest client secret of the first entry of `AUDIOHOOK_KEYS`.

    Raises:
        SmokeFailed: it is not what the service takes; what it is, is never shown.
    """
    text = env.get("AUDIOHOOK_KEYS", "").strip()
    if not text:
        return None
    try:
        api_key, secrets = next(iter(json.loads(text).items()))
        newest = secrets[0] if isinstance(secrets, list) else secrets
    except (ValueError, AttributeError, StopIteration, IndexError):
        raise SmokeFailed(
            'AUDIOHOOK_KEYS: expected {"API-KEY":"CLIENT-SECRET"} as the service takes it'
        ) from None
    return str(api_key), None if newest is None else str(newest)


def wait_until_ready(url: str, within_s: float) -> str:
    """Return what `/readyz` says, as soon as it is 200.

    Raises:
        SmokeFailed: it was not in time; with the last answer.
    """
    address = f"{url.rstrip('/')}/readyz"
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            with urlopen(address, timeout=10) as answer:  # noqa: S310 socket_url_of saw the scheme
                return str(answer.read(1_000).decode(errors="replace"))
        except HTTPError as error:
            seen = f"HTTP {error.code} {error.read(1_000).decode(errors='replace')}"
        except (OSError, HTTPException) as error:
            seen = f"{type(error).__name__}: {error}"
        if time.monotonic() >= deadline_s:
            raise SmokeFailed(f"{address} was not ready within {within_s:.0f} s: {seen}")
        time.sleep(1.0)


async def _ring(setup: CallSetup, *, has_call: bool) -> None:
    tested = await _no_violations("the activation test", probe(setup))
    print(f"test       opened after {tested.opened_ms or 0:.0f} ms")
    if not has_call:
        return
    called = await _no_violations("the call", play_call(setup, _listen_to_greeting))
    print(f"call       opened after {called.opened_ms or 0:.0f} ms, ", end="")
    print(f"agent heard after {called.first_agent_audio_ms or 0:.0f} ms")


async def _listen_to_greeting(call: GenesysCall) -> None:
    await call.opened()
    await call.agent_speaks(min_ms=GREETING_MS, within_s=GREETING_DEADLINE_S)


async def _no_violations(what: str, run: Awaitable[CallReport]) -> CallReport:
    try:
        report = await run
    except CallFailed as failure:
        raise SmokeFailed(f"{what} failed: {failure}") from failure
    if report.violations:
        raise SmokeFailed(f"{what} broke the protocol: {'; '.join(report.violations)}")
    return report


if __name__ == "__main__":
    sys.exit(main())
