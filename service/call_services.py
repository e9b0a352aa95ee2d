"""What every call of the process shares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from service.bots.port import BotService
from service.budget import Budget
from service.outbox.port import EventSink
from service.price_list import prices_of
from service.recordings import Recordings
from service.speech.port import SpeechProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class CallServices:
    """The rooms that a call uses, its limits, and its clocks.

    `clock` gives monotonic seconds, `wall_clock` the aware UTC time. `budget_usd` is 0 where a call
    may cost anything; `budget_model` goes on where it is spent, empty for nobody. `recordings` are
    heard when nobody can speak. `begin_trace` returns the `traceparent` of a call that opens now;
    None: no call is traced.
    """

    bots: BotService
    speech: SpeechProvider
    events: EventSink
    max_call_s: float
    clock: Callable[[], float]
    wall_clock: Callable[[], datetime]
    budget_usd: float = 0.0
    budget_model: str = ""
    recordings: Recordings = field(default_factory=lambda: Recordings({}))
    begin_trace: Callable[[], str] | None = None

    def new_budget(self) -> Budget:
        """Return the budget of one call."""
        return Budget(self.budget_usd, prices_of, self.budget_model)
