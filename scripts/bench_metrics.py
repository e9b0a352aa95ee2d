"""What it costs to be watched: the service with its metrics scraped, and with `METRICS=off`.

    python -m scripts.bench_metrics [--calls 150] [--seconds 15] [--rounds 10]

Both take the same load in turn, the first of a pair changing each time, and each pair gives one
ratio: times on shared machines vary, what is close in time less so. The page is fetched every
second, fifteen times as often as Prometheus would, and must tell how many calls there are.
Aim: at most 5 % more CPU by the median. Loopback only. Linux only. Method: `scripts.benchmark`.
"""

import argparse
import asyncio
import statistics
import sys

import uvloop

from scripts.benchmark.load import Plan, measure
from scripts.benchmark.target import Target, TargetError

SCRAPE_EVERY_S = 1.0
OFF = {"METRICS": "off"}
ON = {"METRICS": "on"}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return 1 when the service failed, 0 otherwise."""
    parser = argparse.ArgumentParser(description="Measures what metrics cost.")
    parser.add_argument("--calls", type=int, choices=range(1, 401), default=150, metavar="1-400")
    parser.add_argument("--seconds", type=int, choices=range(1, 61), default=15, metavar="1-60")
    parser.add_argument("--rounds", type=int, choices=range(1, 31), default=10, metavar="1-30")
    options = parser.parse_args(arguments)
    plan = Plan(calls=options.calls, seconds=options.seconds)
    try:
        ratios = uvloop.run(_ratios(plan, options.rounds))
    except TargetError as failed:
        print(f"the benchmark failed: {failed}", file=sys.stderr)
        return 1
    print(
        f"CPU with metrics, as a multiple of METRICS=off: {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f}–{max(ratios):.3f}), median (least–most) of {len(ratios)} pairs, "
        f"{plan.calls} calls, {plan.seconds} s each"
    )
    return 0


async def _ratios(plan: Plan, rounds: int) -> list[float]:
    ratios = []
    for number in range(rounds):
        if number % 2:
            off_ms, on_ms = await _unwatched_ms(plan), await _watched_ms(plan)
        else:
            on_ms, off_ms = await _watched_ms(plan), await _unwatched_ms(plan)
        ratios.append(on_ms / off_ms)
        print(
            f"round {number + 1} of {rounds}: {on_ms:.3f} ms per second of a call with metrics, "
            f"{off_ms:.3f} without",
            file=sys.stderr,
            flush=True,
        )
    return ratios


async def _unwatched_ms(plan: Plan) -> float:
    return (await measure("service", plan, settings=OFF)).cpu_ms_per_call_s


async def _watched_ms(plan: Plan) -> float:
    async def scrape(target: Target) -> None:
        while True:
            live = _figure(await _page(target.port), "bridge_calls_live")
            if live != plan.calls:
                raise TargetError(f"the page tells of {live} calls, there are {plan.calls}")
            await asyncio.sleep(SCRAPE_EVERY_S)

    return (await measure("service", plan, settings=ON, beside=scrape)).cpu_ms_per_call_s


async def _page(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.read()).decode()
    finally:
        writer.close()


def _figure(page: str, name: str) -> float:
    """Return the value of a metric without labels.

    Raises:
        TargetError: it is not on the page.
    """
    for line in page.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise TargetError(f"the page has no {name}")


if __name__ == "__main__":
    sys.exit(main())
