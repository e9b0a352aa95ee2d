"""Measures at a real Genesys organisation what the public protocol leaves open.

    FIELD_PROBE_API_KEY=… python -m scripts.field_probe serve --port 8080 --out DIR
    FIELD_PROBE_API_KEY=… python -m scripts.field_probe call wss://HOST/audiohook
    python -m scripts.field_probe report DIR

`serve` is an AudioHook server; the Connector ID picks the experiment. `call` looks at a deployed
address of the service by activation probes, which cost no model. `report` prints the answers as
Markdown. What is written down holds no key, number, digit or word. See scripts/probe/README.md.
"""

import argparse
import asyncio
import base64
import binascii
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from scripts.probe.answers import report
from scripts.probe.deployed import NobodyThereError, look_at
from scripts.probe.notebook import Notebook, read_visits
from scripts.probe.server import FieldProbe


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments say; 1 when nobody is there, 2 when something is missing."""
    options = _parser().parse_args(argv)
    if options.command == "report":
        return _report(options.folder)
    api_key = os.environ.get("FIELD_PROBE_API_KEY", "")
    if not api_key:
        print("FIELD_PROBE_API_KEY: set it to the integration's API key", file=sys.stderr)
        return 2
    try:
        if options.command == "call":
            return asyncio.run(_call(options, api_key, _client_secret()))
        asyncio.run(_serve(options, api_key))
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.field_probe", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="be called by a Genesys organisation")
    serve.add_argument("--host", default="0.0.0.0")
    serve.add_argument("--port", type=int, default=8080)
    serve.add_argument("--max-call", type=float, default=7200, metavar="SECONDS")
    serve.add_argument("--out", type=Path, default=Path("data/field_probe"), metavar="DIR")
    call = commands.add_parser("call", help="look at a deployed address")
    call.add_argument("url", type=_address, help="wss:// address without a bot's name")
    call.add_argument("--quiet", type=float, default=75, metavar="SECONDS")
    commands.add_parser("report", help="print the answers").add_argument("folder", type=Path)
    return parser


def _address(text: str) -> str:
    if not text.lower().startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError("it must begin with wss://, or with ws:// on loopback")
    try:
        parse_uri(text)
    except (InvalidURI, ValueError) as error:
        message = f"expected wss://HOST[:PORT]/PATH: {error}"
        raise argparse.ArgumentTypeError(message) from error
    return text


def _report(folder: Path) -> int:
    try:
        print(report(read_visits(folder)), end="")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _serve(options: argparse.Namespace, api_key: str) -> None:
    started = datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251
    notebook = Notebook(
        options.out,
        now_s=asyncio.get_running_loop().time,
        started=started.isoformat(timespec="seconds"),
    )
    unix_s = time.time  # noqa: TID251
    probe = FieldProbe(notebook, api_key, unix_s=unix_s, max_call_s=options.max_call)
    server = await probe.start(options.host, options.port)
    print(f"waiting for calls on port {options.port}; Ctrl-C ends", file=sys.stderr)
    async with server:
        await server.wait_closed()


def _client_secret() -> str | None:
    """Return the secret, None for unsigned requests.

    Raises:
        SystemExit: It is not Base64; what it is instead is not repeated.
    """
    secret = os.environ.get("FIELD_PROBE_CLIENT_SECRET") or None
    try:
        base64.b64decode(secret or "", validate=True)
    except binascii.Error:
        raise SystemExit("FIELD_PROBE_CLIENT_SECRET: expected the integration's Base64") from None
    return secret


async def _call(options: argparse.Namespace, api_key: str, client_secret: str | None) -> int:
    print("looking: five sessions, then a quiet one…", file=sys.stderr)
    try:
        seen = await look_at(
            options.url,
            api_key,
            client_secret,
            quiet_s=options.quiet,
        )
    except NobodyThereError as error:
        print(f"field_probe: {error}", file=sys.stderr)
        return 1
    print(json.dumps(seen, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
