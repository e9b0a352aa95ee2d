"""How many tasks there are, and when: the settings of Fargate's scaling."""

import re
import zoneinfo
from dataclasses import dataclass

from configuration import Configuration

CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
MAX_TASKS = 100
"""A bound against slips; a hundred tasks take a thousand calls and more."""
MAX_CALLS_PER_TASK = 400
"""A bound against slips: by the benchmark of the README half of a vCPU, and that without TLS."""
CALLS_PER_TASK = 20
"""By the same benchmark a tenth of the 250 ms of CPU a second that a quarter of a vCPU is."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Business hours as two clock times `HH:MM` on workdays of a time zone."""

    opens_at: str
    closes_at: str
    workdays: str
    time_zone: str

    def cron(self, clock: str) -> str:
        """Return the expression of Application Auto Scaling for a time of these days."""
        hour, minute = clock.split(":")
        return f"cron({int(minute)} {int(hour)} ? * {self.workdays} *)"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Tasks at least and at most; outside `hours`, where there are any, none is kept."""

    min_tasks: int
    max_tasks: int
    calls_per_task: int
    hours: Hours | None


def scaling_of(config: Configuration) -> Scaling:
    """Return the settings of scaling, and note the mistakes in them."""
    scaling = Scaling(
        min_tasks=config.integer("minTasks", 1, least=0, most=MAX_TASKS),
        max_tasks=config.integer("maxTasks", 4, least=1, most=MAX_TASKS),
        calls_per_task=config.integer(
            "callsPerTask", CALLS_PER_TASK, least=1, most=MAX_CALLS_PER_TASK
        ),
        hours=_hours(config),
    )
    if scaling.min_tasks > scaling.max_tasks:
        config.mistake("Set minTasks no higher than maxTasks.")
    if scaling.min_tasks == 0 and scaling.hours:
        config.mistake("Set minTasks to 1 or more: with opensAt it is what runs in those hours.")
    if scaling.min_tasks == 0 and not config.has("wakeToken"):
        config.mistake(
            "Set wakeToken, or minTasks to 1: with no task and nobody to wake one, calls fail."
        )
    return scaling


def _hours(config: Configuration) -> Hours | None:
    opens = config.text("opensAt", CLOCK.pattern, "a time such as 07:30")
    closes = config.text("closesAt", CLOCK.pattern, "a time such as 20:00")
    days = config.text("workdays", r"[A-Z]{3}([-,][A-Z]{3})*", "days such as MON-FRI") or "MON-FRI"
    zone = config.text("timeZone") or "Etc/UTC"
    zones = zoneinfo.available_timezones()
    # A system without the time zones' data cannot tell; AWS then does.
    if zones and zone not in zones:
        config.mistake(f"Set timeZone to a name such as Europe/Berlin, not to {zone!r}.")
    if config.has("opensAt") != config.has("closesAt"):
        config.mistake("Set opensAt and closesAt together.")
    if opens is None or closes is None:
        return None
    if opens >= closes:
        config.mistake("Set closesAt later than opensAt; hours over midnight need minTasks alone.")
    return Hours(opens_at=opens, closes_at=closes, workdays=days, time_zone=zone)
