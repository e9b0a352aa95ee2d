"""What every call of the process shares."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.bots.port import BotService
from service.outbox.port import EventSink
from service.speech.port import SpeechProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class CallServices:
    """The rooms that a call uses, its longest duration, and its clocks.

    `clock` gives monotonic seconds, `wall_clock` the aware UTC time.
    """

    bots: BotService
    speech: SpeechProvider
    events: EventSink
    max_call_s: float
    clock: Callable[[], float]
    wall_clock: Callable[[], datetime]
