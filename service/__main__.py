"""`python -m service`: serves calls.

Exit codes: 0 drained, 1 crashed or calls were cut, 2 the settings make no working service.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from service import logs, wiring
from service.app import create_app, unix_now, utc_now
from service.bots.port import BotService
from service.call_services import CallServices
from service.gate import Gate
from service.live_calls import LiveCalls
from service.observers import ObservedSink
from service.secrets.port import SecretService, Watched
from service.server import CallServer, make_server
from service.settings import Settings, SettingsError

DOTENV = Path(".env")
_READ_BY_SDKS = ("OTEL_", "AWS_")
"""OpenTelemetry and boto3 look into the environment by themselves."""


def main() -> int:
    """Serve until a signal ends us; return the exit code."""
    try:
        settings = Settings.from_env(environment(), check=wiring.problems_of)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return 2
    logs.configure(settings.log_format, settings.log_level)
    server = build(settings)
    try:
        server.run(server.bind())
    except SystemExit:  # uvicorn could not start, and has said why
        return 1
    return 1 if server.has_cut_calls else 0


def environment() -> Mapping[str, str]:
    """Return the variables of `./.env`, if there is one, overridden by the environment."""
    if not DOTENV.is_file():
        return os.environ
    from dotenv import dotenv_values  # noqa: PLC0415 deployments have no .env: 10 ms saved

    found = {name: value or "" for name, value in dotenv_values(DOTENV).items()}
    for name, value in found.items():
        if name.startswith(_READ_BY_SDKS):
            os.environ.setdefault(name, value)
    return found | dict(os.environ)


def build(settings: Settings) -> CallServer:
    """Return the server of these settings, ready to run."""
    secrets = wiring.make_secrets(settings)
    if secrets is None:
        logs.warn_anonymous()
    keys = wiring.make_keys(settings)
    calls = LiveCalls(settings.max_calls)
    kinds = wiring.make_tool_kinds(settings)
    bots = wiring.make_bots(settings, kinds)
    gate = _make_gate(settings, secrets, bots)
    events = wiring.make_events(settings)
    monitoring = wiring.make_monitoring(settings, calls, gate.counts, events, utc_now)
    services = CallServices(
        bots=bots,
        speech=wiring.make_speech(settings, keys),
        events=ObservedSink(events, *monitoring.observers),
        max_call_s=settings.max_call_s,
        budget_usd=settings.budget_usd,
        recordings=wiring.make_recordings(settings),
        begin_trace=monitoring.begin_trace,
        clock=time.monotonic,
        wall_clock=utc_now,
    )
    app = create_app(
        gate=gate,
        calls=calls,
        services=services,
        providers=settings.speech_providers,
        monitoring=monitoring,
        watching=[part.watch for part in (secrets, *keys.values()) if isinstance(part, Watched)],
        closing=[kind.aclose for kind in kinds.values()] + list(monitoring.closing),
    )
    return make_server(
        app,
        calls,
        host=settings.host,
        port=settings.port,
        drain_s=settings.drain_s,
        further_port=settings.metrics_port,
    )


def _make_gate(settings: Settings, secrets: SecretService | None, bots: BotService) -> Gate:
    return Gate(
        secrets=secrets,
        public_host=settings.public_host,
        allow_anonymous=settings.allow_anonymous,
        wall_clock=unix_now,
        knows_bot=bots.knows if settings.unknown_bot == "refuse" else None,
    )


if __name__ == "__main__":
    sys.exit(main())
