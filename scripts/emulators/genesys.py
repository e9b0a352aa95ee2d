"""Plays the Genesys side of an AudioConnector call against any AudioHook server.

    report = await play_call(CallSetup("ws://127.0.0.1:8080/audiohook/default", "key"), script)

`script` is an async function that acts as the caller on a `GenesysCall`. Written from the public
protocol alone, so that it can judge the service: it imports nothing from it.
"""

import argparse
import asyncio
import json
import sys
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidHandshake, InvalidStatus

from scripts.emulators.g711 import encode
from scripts.emulators.genesys_call import GenesysCall
from scripts.emulators.genesys_client import CallClient
from scripts.emulators.genesys_session import Session
from scripts.emulators.genesys_setup import (
    MONO,
    NULL_UUID,
    PROBE_OFFERS,
    RATE_HZ,
    STEREO,
    CallSetup,
    Chaos,
    MediaOffer,
    Timers,
    new_uuid7,
)
from scripts.emulators.genesys_wire import open_socket, upgrade_headers
from scripts.emulators.report import CallEvent, CallFailed, CallReport, to_ms

__all__ = [
    "MONO",
    "STEREO",
    "CallEvent",
    "CallFailed",
    "CallReport",
    "CallSetup",
    "Chaos",
    "GenesysCall",
    "MediaOffer",
    "Timers",
    "new_uuid7",
    "play_call",
    "probe",
]

Script = Callable[[GenesysCall], Awaitable[None]]


async def play_call(
    setup: CallSetup, script: Script, *, on_event: Callable[[CallEvent], None] | None = None
) -> CallReport:
    """Connect, let *script* act, hang up if the call still lives; return what happened.

    Raises:
        CallFailed: The upgrade was refused, or the script waited in vain; it carries the report.
        Exception: Whatever else *script* raises, after the call was ended.
    """
    random = Random(setup.seed)
    # The one wall clock: signatures and the report's date need it.
    unix_s = time.time()  # noqa: TID251
    report = CallReport(created=datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds"))
    headers = upgrade_headers(setup, random=random, unix_s=int(unix_s))
    socket = await _connect(setup, headers, report)
    try:
        session = Session(setup, socket, report, random=random, on_event=on_event)
        client = CallClient(session)
        failure = await _run(client, script)
    finally:
        socket.transport.abort()
    client.finish_report()
    if failure is None:
        return report
    report.failure = str(failure) or type(failure).__name__
    if isinstance(failure, CallFailed):
        failure.report = report
    raise failure


async def probe(setup: CallSetup) -> CallReport:
    """Run the session by which Genesys tests an integration when it is activated (section 5.3).

    Null UUIDs, three offers, no audio, `close` after `opened`.

    Raises:
        CallFailed: As `play_call`.
    """

    async def close_when_opened(call: GenesysCall) -> None:
        await call.opened()

    synthetic = replace(
        setup,
        is_probe=True,
        conversation_id=NULL_UUID,
        participant_id=NULL_UUID,
        ani="",
        ani_name="",
        dnis="",
        media=PROBE_OFFERS,
        input_variables={},
    )
    return await play_call(synthetic, close_when_opened)


async def _connect(
    setup: CallSetup, headers: list[tuple[str, str]], report: CallReport
) -> ClientConnection:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        socket = await open_socket(setup, headers)
    except InvalidStatus as refused:
        report.http_status = refused.response.status_code
        report.failure = f"the upgrade was refused with HTTP {report.http_status}"
        raise CallFailed(report.failure, report) from refused
    except (InvalidHandshake, OSError) as error:
        report.failure = f"no connection: {type(error).__name__}: {error}"
        raise CallFailed(report.failure, report) from error
    report.http_status = 101
    report.connect_ms = to_ms(loop.time() - started_s)
    return socket


async def _run(client: CallClient, script: Script) -> Exception | None:
    """Run the call to its end; return what the script raised."""
    failure = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in client.coroutines()]
        client.session.note("connected")
        client.start()
        try:
            await script(GenesysCall(client))
        except Exception as error:  # the script's own; the call must end first
            failure = error
        await client.finish()
        for task in tasks:
            task.cancel()
    return failure


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.emulators.genesys",
        description="Call an AudioHook server as Genesys Cloud does; print a report as JSON.",
        epilog="Exit code: 0 when the call succeeded without violations, else 1.",
    )
    parser.add_argument(
        "url", help="ws:// or wss:// address, for example ws://127.0.0.1:8080/audiohook"
    )
    parser.add_argument("--api-key", required=True, help="sent as X-API-KEY")
    parser.add_argument("--client-secret", help="base64 text; without it the request is unsigned")
    parser.add_argument("--authority", help="host to sign when it differs from the URL's")
    parser.add_argument("--probe", action="store_true", help="only the activation probe")
    parser.add_argument(
        "--say",
        action="append",
        default=[],
        type=Path,
        metavar="WAV",
        help="16-bit mono WAV at 8 kHz to speak after the greeting; repeat for more turns",
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an input variable of the Architect action; repeat for more",
    )
    parser.add_argument(
        "--listen",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait for each answer (default 20)",
    )
    parser.add_argument("--wav", type=Path, metavar="FILE", help="write both sides as a stereo WAV")
    return parser.parse_args(argv)


def _read_speech(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if shape != (1, 2, RATE_HZ):
            message = f"{path}: expected 1 channel, 2 bytes, {RATE_HZ} Hz; got {shape}"
            raise ValueError(message)
        return encode(file.readframes(file.getnframes()))


async def _call(arguments: argparse.Namespace) -> CallReport:
    setup = CallSetup(
        arguments.url,
        arguments.api_key,
        arguments.client_secret,
        authority=arguments.authority,
        input_variables=dict(pair.split("=", 1) for pair in arguments.input),
    )
    if arguments.probe:
        return await probe(setup)
    speech = [_read_speech(path) for path in arguments.say]

    async def talk(call: GenesysCall) -> None:
        await call.opened()
        await call.agent_quiet(within_s=arguments.listen)
        for pcmu in speech:
            await call.say(pcmu)
            await call.agent_quiet(within_s=arguments.listen)

    return await play_call(setup, talk)


def main(argv: list[str] | None = None) -> int:
    """Run one call; print its report; return the exit code."""
    arguments = _arguments(argv)
    try:
        report = asyncio.run(_call(arguments))
    except CallFailed as failure:
        print(f"call failed: {failure}", file=sys.stderr)
        if failure.report is None:
            return 1
        report = failure.report
    if arguments.wav is not None:
        report.recording.write_wav(arguments.wav)
    print(json.dumps(report.to_dict(), indent=2))
    return 1 if report.failure or report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
