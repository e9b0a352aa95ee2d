"""One round: a fresh target under the load of N calls, and what that cost.

Both ends of all calls live in this process, so that one clock times what lies between them.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass

from scripts.benchmark.caller import Heard, LeanCaller
from scripts.benchmark.model import LeanModel
from scripts.benchmark.stamps import Crossings
from scripts.benchmark.target import (
    API_KEY,
    CLIENT_SECRET,
    Target,
    TargetError,
    TargetName,
    cpu_s,
    machine_busy_s,
    running,
)
from scripts.benchmark.turn import BYTES_PER_MS, PERIOD_S
from scripts.emulators.genesys_setup import CallSetup

CONNECTING_AT_ONCE = 20
MODEL_DEADLINE_S = 10.0
"""For the target to open its sockets to the model, after all calls are open."""
GRACE_S = 0.5
"""After the window, for what was on its way to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The load of one round.

    Attributes:
        calls: at once.
        seconds: measured; multiples of a turn's period carry the same talk every time.
        frame_ms: of caller audio.
        warm_up_s: before the window, under full load; by default a whole turn of every call.
    """

    calls: int = 150
    seconds: float = 20.0
    frame_ms: int = 200
    warm_up_s: float = PERIOD_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed. Shares are of one core; latencies in milliseconds.

    Attributes:
        heard_share: agent audio that callers got, in seconds per second of a call.
        others_share: of the machine, used by neither the target nor the load.
        load_late_p99_ms: of caller frames against their schedule: when the load itself lags, the
            latencies are not the target's.
    """

    cpu_ms_per_call_s: float
    up_p50_ms: float
    up_p99_ms: float
    down_p50_ms: float
    down_p99_ms: float
    idle_mb: float
    per_call_kb: float
    ready_s: float
    target_share: float
    load_share: float
    others_share: float
    load_late_p50_ms: float
    load_late_p99_ms: float
    heard_share: float
    frames: int
    frames_lost: int
    answers: int
    answers_lost: int


async def measure(
    name: TargetName,
    plan: Plan,
    *,
    settings: Mapping[str, str] | None = None,
    beside: Callable[[Target], Coroutine[None, None, None]] | None = None,
) -> Round:
    """Return what a target costs under the plan's load.

    Args:
        name: of the target.
        plan: of the load.
        settings: on top of the usual ones.
        beside: what goes on with the target while it is measured, until it is cancelled.

    Raises:
        TargetError: the target failed, refused a call or did not answer one.
    """
    up, down = Crossings(), Crossings()
    model = LeanModel(up, down)
    await model.start()
    try:
        async with running(name, model.base_url, settings) as target:
            load = _Load(plan, model, up, down, beside)
            return await load.run(target)
    finally:
        await model.aclose()


async def start_up_s(name: TargetName) -> float:
    """Return how long a target needs to take calls; none is made.

    Raises:
        TargetError: it did not become ready.
    """
    async with running(name, "ws://127.0.0.1:9/v1") as target:
        return target.ready_s


def percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one value."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


@dataclass(frozen=True, slots=True)
class _Usage:
    """The processor time used so far, seconds, and the moment (monotonic seconds)."""

    at: float
    target_s: float
    load_s: float
    machine_s: float

    @staticmethod
    def now(target: Target) -> "_Usage":
        return _Usage(time.monotonic(), target.cpu_s(), cpu_s(os.getpid()), machine_busy_s())

    def since(self, before: "_Usage") -> "_Usage":
        return _Usage(
            self.at - before.at,
            self.target_s - before.target_s,
            self.load_s - before.load_s,
            self.machine_s - before.machine_s,
        )


class _Load:
    def __init__(
        self,
        plan: Plan,
        model: LeanModel,
        up: Crossings,
        down: Crossings,
        beside: Callable[[Target], Coroutine[None, None, None]] | None,
    ) -> None:
        self._plan = plan
        self._beside = beside
        self._model = model
        self._up = up
        self._down = down
        self._heard = Heard()

    async def run(self, target: Target) -> Round:
        idle_bytes = target.rss_bytes()
        callers = await self._connect(target.url)
        self._begin(callers)
        await asyncio.sleep(self._plan.warm_up_s)
        used, load_bytes = await self._window(target)
        await asyncio.sleep(GRACE_S)
        for caller in callers:
            caller.end()
        self._model.end()
        await _together(caller.hang_up() for caller in callers)
        return self._round(used, idle_bytes, load_bytes - idle_bytes, target.ready_s)

    async def _connect(self, url: str) -> list[LeanCaller]:
        setups = [
            CallSetup(url, API_KEY, CLIENT_SECRET, frame_ms=self._plan.frame_ms)
            for _ in range(self._plan.calls)
        ]
        callers = [
            LeanCaller(number, setup, up=self._up, down=self._down, heard=self._heard)
            for number, setup in enumerate(setups)
        ]
        for first in range(0, len(callers), CONNECTING_AT_ONCE):
            some = callers[first : first + CONNECTING_AT_ONCE]
            await _together(caller.connect(unix_s=_unix_s()) for caller in some)
        deadline = time.monotonic() + MODEL_DEADLINE_S
        while self._model.sessions < len(callers):
            if time.monotonic() > deadline:
                raise TargetError("the target did not connect every call to the model")
            await asyncio.sleep(0.01)
        return callers

    def _begin(self, callers: list[LeanCaller]) -> None:
        """Start all calls, their frames and turns spread evenly: real calls are not in step."""
        at = time.monotonic()
        for number, caller in enumerate(callers):
            caller.begin(at + self._plan.frame_ms / 1_000 * number / len(callers))
        self._model.begin(at)

    async def _window(self, target: Target) -> tuple[_Usage, int]:
        self._count(True)
        before = _Usage.now(target)
        company = asyncio.create_task(self._beside(target)) if self._beside else None
        await asyncio.sleep(self._plan.seconds)
        if company:
            await _end_of(company)
        used = _Usage.now(target).since(before)
        self._count(False)
        return used, target.rss_bytes()

    def _count(self, is_counting: bool) -> None:
        self._up.is_counting = self._down.is_counting = self._heard.is_counting = is_counting

    def _round(self, used: _Usage, idle_bytes: int, grown_bytes: int, ready_s: float) -> Round:
        up, down, heard, calls = self._up, self._down, self._heard, self._plan.calls
        if not up.took_ms or not down.took_ms:
            raise TargetError("no audio came through the target")
        call_s = calls * used.at
        return Round(
            cpu_ms_per_call_s=used.target_s * 1_000 / call_s,
            up_p50_ms=percentile(up.took_ms, 50),
            up_p99_ms=percentile(up.took_ms, 99),
            down_p50_ms=percentile(down.took_ms, 50),
            down_p99_ms=percentile(down.took_ms, 99),
            idle_mb=idle_bytes / 1e6,
            per_call_kb=grown_bytes / 1e3 / calls,
            ready_s=ready_s,
            target_share=used.target_s / used.at,
            load_share=used.load_s / used.at,
            others_share=(used.machine_s - used.target_s - used.load_s) / used.at,
            load_late_p50_ms=percentile(heard.late_ms, 50),
            load_late_p99_ms=percentile(heard.late_ms, 99),
            heard_share=heard.agent_bytes / BYTES_PER_MS / 1_000 / call_s,
            frames=len(up.took_ms) + up.under_way,
            frames_lost=up.under_way,
            answers=len(down.took_ms) + down.under_way,
            answers_lost=down.under_way,
        )


async def _together(acts: Iterable[Coroutine[None, None, None]]) -> None:
    """Do something for several calls at once; what fails for one fails for all."""
    try:
        async with asyncio.TaskGroup() as group:
            for act in acts:
                group.create_task(act)
    except ExceptionGroup as failures:
        raise TargetError(f"a call failed: {failures.exceptions[0]!r}") from failures


async def _end_of(company: asyncio.Task[None]) -> None:
    """End what went on beside the load; what failed in it is raised."""
    company.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await company


def _unix_s() -> int:
    return int(time.time())  # noqa: TID251 - the edge: signatures carry the wall clock
