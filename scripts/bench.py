"""What the service costs beside the least that a relay can cost, measured on this machine.

    python -m scripts.bench [--calls 150] [--seconds 20] [--rounds 3] [--json | --markdown]

The same load goes to the service, to a bare relay in picows and to a bare relay on the service's
own libraries, in alternation. Loopback only; every process it starts, it ends. Linux only: it
reads /proc. Aims that are missed are said, and never an exit code. Method: `scripts.benchmark`.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from scripts.benchmark import report
from scripts.benchmark.load import Plan, Round, measure, start_up_s
from scripts.benchmark.target import TARGETS, TargetError, TargetName

STARTS = 7
"""Of the service alone; the first fills the bytecode cache and does not count."""
MAX_CALLS = 400
"""Two sockets a call in each process, within the usual limit of 1,024 open files."""
MAX_SECONDS = 300
MAX_ROUNDS = 20


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return 1 when a target failed, 0 otherwise."""
    options = _parser().parse_args(arguments)
    plan = Plan(calls=options.calls, seconds=options.seconds, frame_ms=options.frame_ms)
    try:
        results = uvloop.run(run(plan, rounds=options.rounds))
    except TargetError as failed:
        _say(f"the benchmark failed: {failed}")
        return 1
    print(options.form(results))
    return 0


async def run(plan: Plan, *, rounds: int, starts: int = STARTS) -> report.Results:
    """Return the results of all rounds; says on stderr how far it is.

    Raises:
        TargetError: a target failed.
    """
    starts_s = []
    for number in range(starts):
        starts_s.append(await start_up_s("service"))
        _say(f"start {number + 1} of {starts}: ready after {starts_s[-1]:.2f} s")
    done: dict[TargetName, list[Round]] = {target: [] for target in TARGETS}
    for number in range(rounds):
        for target in TARGETS:
            figures = await measure(target, plan)
            done[target].append(figures)
            _say(
                f"round {number + 1} of {rounds}, {report.NAMES[target]}: "
                f"{figures.cpu_ms_per_call_s:.2f} ms per second of a call"
            )
    return report.Results(_machine(), plan, starts_s[1:] or starts_s, done)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures the service beside two bare relays.")
    usual = Plan()
    parser.add_argument("--calls", type=_up_to(MAX_CALLS), default=usual.calls)
    parser.add_argument("--seconds", type=_up_to(MAX_SECONDS), default=usual.seconds)
    parser.add_argument("--rounds", type=_up_to(MAX_ROUNDS), default=3)
    parser.add_argument("--frame-ms", type=_up_to(1_000), default=usual.frame_ms)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const=report.as_json)
    form.add_argument("--markdown", dest="form", action="store_const", const=report.as_markdown)
    parser.set_defaults(form=report.as_text)
    return parser


def _up_to(most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        number = int(text)
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"expected 1 to {most}, got {number}")
        return number

    return whole


def _machine() -> dict[str, str | int]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
