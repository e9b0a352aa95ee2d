"""Many calls at once while the way to the model is cut, stalled and refused at random.

    python -m scripts.chaos [--calls 100] [--minutes 3] [--per-minute 60] [--seed 1]
    python -m scripts.chaos --calls 50 --minutes 30 --per-minute 0      # a soak

The real service runs as a process of its own, with the emulated model behind a wire that misbehaves
(`scripts.chaos_proxy`). Callers talk, wait and talk again; who has hung up is followed by another.
Printed at the end: calls finished, handed over, lost; the longest that a caller waited for a voice;
what is left of calls, connections, files and memory. Exit code 1 when a call was lost or something
leaked. Loopback only; memory and files are read from Linux' /proc.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.request import urlopen

from scripts.chaos_proxy import ChaosProxy
from scripts.emulators.brains import DialogueBrain
from scripts.emulators.dialogues import DIALOGUES
from scripts.emulators.genesys import CallFailed, CallReport, CallSetup, GenesysCall, play_call
from scripts.emulators.realtime import RealtimeEmulator
from scripts.emulators.realtime_scenario import Scenario
from scripts.service_process import ServiceFailed, ServiceProcess, running_service

KEY, SECRET = "a-key-of-the-chaos", "VGhlIGNsaWVudCBzZWNyZXQgb2YgdGhlIGNoYW9zLi4uIQ=="
SHOUT = b"\x20\xa0" * 2_400
"""600 ms of a loud tone."""
CALL_S = (15.0, 45.0)
PAUSE_S = (4.0, 7.0)
"""Between two utterances: time for an answer, and for its being late."""
SETTLE_S = 15.0
LEAKED_FILES = 5
"""More open files than before the calls are a leak; a log or a pool may hold a few."""


@dataclass(slots=True)
class Tally:
    """What became of the calls."""

    ends: Counter[str] = field(default_factory=Counter)
    waits_ms: list[float] = field(default_factory=list)
    violations: Counter[str] = field(default_factory=Counter)

    def add(self, report: CallReport) -> None:
        """Count one call."""
        self.ends[_end_of(report)] += 1
        self.violations.update(report.violations)
        self.waits_ms += report.response_latencies_ms

    @property
    def lost(self) -> int:
        """Calls that neither the caller nor the service ended as it should be."""
        return self.ends["lost"]


def _end_of(report: CallReport) -> str:
    if report.disconnect and "BOT_STATUS" in report.disconnect.output_variables:
        return f"handed over ({report.disconnect.output_variables['BOT_STATUS']})"
    return "lost" if report.failure or report.server_closed_first else "finished"


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and return 1 when a call was lost or something leaked."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except* ServiceFailed as failures:
        print(f"chaos: {failures.exceptions[0]}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.chaos", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--calls", type=int, choices=range(1, 301), default=100, metavar="1-300")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument(
        "--per-minute", type=float, default=60.0, help="cuts, stalls and refusals; 0 for none"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser


async def _run(options: argparse.Namespace) -> int:
    tally = Tally()
    scenario = Scenario(speed=10, first_audio_delay_ms=200, caller_default="hello")
    brain = DialogueBrain(DIALOGUES["default"])
    emulator = RealtimeEmulator(scenario=scenario, brain=brain, keeps_history=False)
    async with emulator as model:
        port = int(model.base_url.rpartition(":")[2].partition("/")[0])
        wire = ChaosProxy(port, per_minute=options.per_minute, seed=options.seed)
        async with wire, running_service(_settings(wire.port, options.calls)) as service:
            before = _Process.of(service)
            await _play(service, wire, options, tally)
            left = await _settle(service, wire)
            after = _Process.of(service)
    return _tell(tally, wire, before, after, left)


def _settings(port: int, calls: int) -> Mapping[str, str]:
    return {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": "sk-chaos",
        "AUDIOHOOK_KEYS": f'{{"{KEY}": "{SECRET}"}}',
        "EVENTS_URL": "off:",
        "MAX_CALLS": str(calls + 10),
    }


async def _play(
    service: ServiceProcess, wire: ChaosProxy, options: argparse.Namespace, tally: Tally
) -> None:
    """Keep so many calls alive for so long; nobody is cut off at the end."""
    until = time.monotonic() + options.minutes * 60
    async with asyncio.TaskGroup() as group:
        evil = group.create_task(wire.do_evil())
        telling = group.create_task(_tell_progress(service, tally, until))
        callers = [
            group.create_task(_caller(service, Random(options.seed * 1_000 + n), until, tally))
            for n in range(options.calls)
        ]
        await asyncio.wait(callers)
        evil.cancel()
        telling.cancel()


async def _caller(service: ServiceProcess, random: Random, until: float, tally: Tally) -> None:
    """Call again and again."""
    await asyncio.sleep(random.uniform(0, 5))
    while time.monotonic() < until:
        setup = CallSetup(service.call_url, KEY, SECRET, seed=random.randrange(1 << 30))
        length_s = min(random.uniform(*CALL_S), max(5.0, until - time.monotonic()))

        async def script(call: GenesysCall, length_s: float = length_s) -> None:
            await _talk(call, random, length_s)

        try:
            tally.add(await play_call(setup, script))
        except CallFailed as failed:
            if failed.report is not None:
                tally.add(failed.report)


async def _talk(call: GenesysCall, random: Random, length_s: float) -> None:
    end = time.monotonic() + length_s
    await call.opened()
    await call.sleep(random.uniform(2.5, 4.0))
    while time.monotonic() < end and call.is_alive:
        await call.say(SHOUT)
        await call.sleep(random.uniform(*PAUSE_S))


async def _settle(service: ServiceProcess, wire: ChaosProxy) -> dict[str, int]:
    """Wait a little for calls and connections to end; return how many did not."""
    calls = -1
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            while calls or wire.live:
                await asyncio.sleep(0.2)
                calls = await asyncio.to_thread(_live_calls, service.port)
    return {"connections to the model": wire.live, "calls": calls}


def _live_calls(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return int(json.load(answer)["calls"])


async def _tell_progress(service: ServiceProcess, tally: Tally, until: float) -> None:
    while True:
        await asyncio.sleep(30)
        print(
            f"chaos: {max(0, until - time.monotonic()):4.0f} s to go, "
            f"{_Process.of(service).rss_mb:.1f} MB, {dict(tally.ends)}",
            file=sys.stderr,
            flush=True,
        )


@dataclass(frozen=True, slots=True)
class _Process:
    rss_mb: float
    files: int

    @classmethod
    def of(cls, service: ServiceProcess) -> "_Process":
        folder = Path(f"/proc/{service.process.pid}")
        if not folder.exists():
            return cls(0.0, 0)
        pages = int((folder / "statm").read_text().split()[1])
        return cls(pages * 4_096 / 1e6, len(list((folder / "fd").iterdir())))


def _tell(
    tally: Tally, wire: ChaosProxy, before: _Process, after: _Process, left: Mapping[str, int]
) -> int:
    waits = sorted(tally.waits_ms)
    print(f"calls        {sum(tally.ends.values())}: {dict(sorted(tally.ends.items()))}")
    print(f"evil deeds   {dict(sorted(wire.deeds.items()))}")
    if waits:
        print(
            f"voice after  median {statistics.median(waits):.0f} ms, "
            f"p99 {waits[int(len(waits) * 0.99)]:.0f} ms, longest {waits[-1]:.0f} ms, "
            f"of {len(waits)}"
        )
    print(f"memory       {before.rss_mb:.1f} MB before, {after.rss_mb:.1f} MB after")
    print(f"open files   {before.files} before, {after.files} after")
    print(f"left         {dict(left)}")
    if tally.violations:
        print(f"violations   {dict(tally.violations)}")
    leaks = any(left.values()) or after.files > before.files + LEAKED_FILES
    return 1 if tally.lost or leaks or tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
