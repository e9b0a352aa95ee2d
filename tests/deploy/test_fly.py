"""fly.toml: only keys that flyctl knows, and numbers that fit each other and the service."""

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from service.server import CUT_S, LAST_WORDS_S
from service.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "fly.toml").read_text(encoding="utf-8")
NEEDED = {"OPENAI_API_KEY": "sk-test", "AUDIOHOOK_KEYS": '{"key": null}'}
"""What comes as Fly secrets."""

SHARED_CPU_MS_PER_S = 62.5
"""What a shared CPU may use for ever: 5 ms in each 80. Source: Fly, machines/cpu-performance."""
RESERVE = 2.0
"""TLS to the model, which the benchmark leaves out, and a slower core than the benchmark's."""
MAX_KILL_TIMEOUT_S = 300.0
"""Source: Fly, reference/configuration."""
FLUSH_S = 10.0
"""For the last events and for sockets to close, after the last call (service/server.py)."""


# --- the keys: flyctl, internal/appconfig (config.go, service.go), as far as we use them ----------


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A table without keys that flyctl would ignore silently."""


Seconds = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(s|m)$")]


class Build(Strict):
    dockerfile: str


class Deploy(Strict):
    strategy: Literal["rolling", "immediate", "canary", "bluegreen"]
    wait_timeout: Seconds


class Concurrency(Strict):
    type: Literal["connections", "requests"]
    soft_limit: int
    hard_limit: int


class HttpOptions(Strict):
    idle_timeout: int


class Check(Strict):
    method: Literal["GET"]
    path: str
    grace_period: Seconds
    interval: Seconds
    timeout: Seconds


class HttpService(Strict):
    internal_port: int
    force_https: bool
    auto_stop_machines: Literal["off", "stop", "suspend"]
    auto_start_machines: bool
    min_machines_running: int
    concurrency: Concurrency
    http_options: HttpOptions
    checks: list[Check]


class Machine(Strict):
    size: str
    memory: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+mb$")]


class Restart(Strict):
    policy: Literal["always", "never", "on-failure"]


class Metrics(Strict):
    port: int
    path: str


class Fly(Strict):
    app: str
    primary_region: str
    kill_signal: str
    kill_timeout: Seconds
    build: Build
    deploy: Deploy
    env: dict[str, str]
    http_service: HttpService
    vm: list[Machine]
    restart: list[Restart]
    metrics: list[Metrics]


def read(text: str) -> Fly:
    return msgspec.toml.decode(text, type=Fly)


FLY = read(TEXT)


def seconds(text: str) -> float:
    return int(text[:-1]) * (60.0 if text.endswith("m") else 1.0)


def cpu_ms_per_call_second() -> float:
    """The service's figure in the README's table of the benchmark."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^\| CPU, ms per second of a call \| ([0-9.]+) ", page, re.MULTILINE)
    assert found, "the README no longer shows what a call costs"
    return float(found[1])


def settings() -> Settings:
    return Settings.from_env(FLY.env | NEEDED)


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("auto_stop_machines", "autostop_machines"),
        ("kill_timeout", "kill_timout"),
        ('policy = "on-failure"', 'policy = "on-error"'),
        ('wait_timeout = "10m"', "wait_timeout = 10"),
        ("soft_limit = 16", 'soft_limit = "16"'),
    ],
)
def test_a_slip_in_a_key_or_a_value_is_found(right: str, wrong: str):
    assert right in TEXT

    with pytest.raises(msgspec.ValidationError):
        read(TEXT.replace(right, wrong))


def test_the_service_starts_with_this_environment():
    assert settings().max_calls == int(FLY.env["MAX_CALLS"])


def test_every_variable_is_a_setting_of_the_service():
    page = (ROOT / ".env.example").read_text(encoding="utf-8")
    known = set(re.findall(r"^([A-Z_]+)=", page, re.MULTILINE))

    assert FLY.env.keys() - known == set()


def test_no_secret_stands_in_the_file():
    assert not [name for name in FLY.env if re.search(r"KEY|SECRET$|TOKEN|PASSWORD", name)]


# --- calls are not cut ----------------------------------------------------------------------------


def test_the_service_and_not_the_proxy_stops_machines():
    assert FLY.http_service.auto_stop_machines == "off"
    assert int(FLY.env["IDLE_EXIT_SECONDS"]) >= 300, "a deploy checks new Machines for minutes"
    assert FLY.restart[0].policy == "on-failure"
    assert FLY.http_service.auto_start_machines
    assert FLY.http_service.min_machines_running == 0


def test_a_drain_fits_into_the_time_that_fly_gives():
    kill_s, drain_s = seconds(FLY.kill_timeout), settings().drain_s

    assert FLY.kill_signal == "SIGTERM"
    assert kill_s <= MAX_KILL_TIMEOUT_S
    assert LAST_WORDS_S < drain_s <= kill_s - CUT_S - FLUSH_S


def test_a_deploy_waits_until_old_machines_have_drained():
    assert FLY.deploy.strategy == "bluegreen"
    assert FLY.http_service.checks, "bluegreen needs a check"
    assert seconds(FLY.deploy.wait_timeout) > seconds(FLY.kill_timeout)


def test_a_silent_socket_outlives_the_pings_of_genesys():
    assert FLY.http_service.http_options.idle_timeout >= 12 * 5


# --- load -----------------------------------------------------------------------------------------


def test_as_many_calls_are_taken_as_the_machine_can_carry_for_ever():
    machine = FLY.vm[0]
    capacity = SHARED_CPU_MS_PER_S / (RESERVE * cpu_ms_per_call_second())

    assert machine.size == "shared-cpu-1x"
    assert settings().max_calls <= capacity
    assert FLY.http_service.concurrency.soft_limit <= 0.8 * capacity


def test_the_next_machine_starts_before_this_one_is_full_and_we_refuse_before_the_proxy_queues():
    limits = FLY.http_service.concurrency

    assert limits.type == "connections"
    assert limits.soft_limit < settings().max_calls < limits.hard_limit


def test_the_memory_is_what_was_planned():
    assert FLY.vm[0].memory == "512mb"


# --- ports and paths ------------------------------------------------------------------------------


def test_ports_are_those_of_the_service_and_metrics_are_not_public():
    assert FLY.http_service.internal_port == settings().port
    assert FLY.metrics[0].port == settings().metrics_port
    assert FLY.metrics[0].port != FLY.http_service.internal_port


def test_checked_paths_are_routes_of_the_service():
    source = (ROOT / "service" / "app.py").read_text(encoding="utf-8")
    paths = [check.path for check in FLY.http_service.checks] + [FLY.metrics[0].path]

    assert [path for path in paths if f'"{path}"' not in source] == []
    assert FLY.http_service.checks[0].path == "/readyz", "full Machines must get no new calls"
