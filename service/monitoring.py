"""What watches the service from the side: the parts that `service.wiring` puts together."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from service.live_calls import LiveCalls
from service.logs import log_cloudwatch
from service.observers import Observer

CLOUDWATCH_EVERY_S = 60.0
"""CloudWatch keeps one value a minute of what costs nothing extra."""


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """What `/metrics` shows, and on which port alone; None: on any.

    `render` takes an `Accept` header and returns the page and its content type.
    """

    render: Callable[[str], tuple[bytes, str]]
    port: int | None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Nothing by default.

    Attributes:
        page: for `/metrics`; None: there is none.
        observers: of the events of all calls.
        watching: what goes on beside the calls, until it is cancelled.
        observe_lag: of the event loop, in seconds, each of them.
        begin_trace: of a call; None: no call is traced.
        closing: what is to be done after the last call.
    """

    page: MetricsPage | None = None
    observers: tuple[Observer, ...] = ()
    watching: tuple[Callable[[], Awaitable[None]], ...] = ()
    observe_lag: Callable[[float], None] | None = None
    begin_trace: Callable[[], str] | None = None
    closing: tuple[Callable[[], Awaitable[None]], ...] = ()


async def log_active_calls(calls: LiveCalls, wall_clock: Callable[[], datetime]) -> None:
    """Write a line for CloudWatch each minute, which the scaling of a fleet goes by."""
    while True:
        log_cloudwatch({"ActiveCalls": len(calls), "MaxCalls": calls.max_calls}, wall_clock())
        await asyncio.sleep(CLOUDWATCH_EVERY_S)
