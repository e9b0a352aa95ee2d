"""`python -m service`: serves calls.

Exit codes: 0 drained, 1 crashed or calls were cut, 2 the settings make no working service.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from service import logs, start_checks, wiring
from service.app import create_app, unix_now, utc_now
from service.bots.port import BotService
from service.call_services import CallServices
from service.gate import Gate
from service.live_calls import LiveCalls
from service.loop_lag import LoopLag
from service.monitoring import Monitoring
from service.observers import ObservedSink
from service.outbox.port import EventSink
from service.secrets.port import SecretService, Watched
from service.server import CallServer, IdleExit, make_server
from service.settings import Settings, SettingsError
from service.speech.port import SpeechProvider

DOTENV = Path(".env")
_READ_BY_SDKS = ("OTEL_", "AWS_")
"""OpenTelemetry and boto3 look into the environment by themselves."""


def main() -> int:
    """Serve until a signal ends us; return the exit code."""
    try:
        settings = Settings.from_env(environment(), check=start_checks.problems_of)
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
    lag = LoopLag()
    calls = LiveCalls(settings.max_calls, is_overloaded=_overload_of(settings, lag))
    kinds = wiring.make_tool_kinds(settings)
    bots = wiring.make_bots(settings, kinds)
    gate = _make_gate(settings, secrets, bots)
    events = wiring.make_events(settings)
    speech = wiring.make_speech(settings, keys)
    monitoring = wiring.make_monitoring(settings, calls, gate.counts, events, speech, utc_now)
    lag.observe = monitoring.observe_lag
    services = _make_services(settings, bots, speech, events, monitoring)
    app = create_app(
        gate=gate,
        calls=calls,
        services=services,
        providers=speech.states,
        monitoring=monitoring,
        watching=[
            part.watch for part in (lag, secrets, *keys.values()) if isinstance(part, Watched)
        ]
        + wiring.make_protection(settings, calls),
        closing=[kind.aclose for kind in kinds.values()] + list(monitoring.closing),
    )
    return make_server(
        app,
        calls,
        host=settings.host,
        port=settings.port,
        drain_s=settings.drain_s,
        further_port=settings.metrics_port,
        idle=_idle_exit(settings, events),
    )


def _overload_of(settings: Settings, lag: LoopLag) -> Callable[[], bool]:
    most_s = settings.max_loop_lag_s or math.inf
    return lambda: lag.recent_s > most_s


def _idle_exit(settings: Settings, events: EventSink) -> IdleExit | None:
    if not settings.idle_exit_s:
        return None
    return IdleExit(settings.idle_exit_s, lambda: events.waiting().depth > 0)


def _make_services(
    settings: Settings,
    bots: BotService,
    speech: SpeechProvider,
    events: EventSink,
    monitoring: Monitoring,
) -> CallServices:
    return CallServices(
        bots=bots,
        speech=speech,
        events=ObservedSink(events, *monitoring.observers),
        max_call_s=settings.max_call_s,
        budget_usd=settings.budget_usd,
        budget_model=settings.budget_model,
        recordings=wiring.make_recordings(settings),
        begin_trace=monitoring.begin_trace,
        clock=time.monotonic,
        wall_clock=utc_now,
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
