"""How long callers wait for answers, split into the parts that somebody can do something about.

An answer is timed from the end of the caller's speech to its first sound, whatever comes first: the
answer itself, or the announcement that a function takes a moment. Pure: all times are milliseconds
on the call's clock, whose zero is the caller's `open`.
"""

from dataclasses import dataclass

from service.call_events import AnswerLatency, BargeIn


@dataclass(slots=True)
class _Answer:
    ended_ms: int
    told_ms: int
    item_id: str = ""
    came_ms: int = 0
    ready_ms: int = 0
    left_ms: int = 0
    tools_ms: int = 0
    audible_ms: int | None = None

    def report(self) -> AnswerLatency:
        return AnswerLatency(
            at_ms=self.ended_ms,
            leaving_ms=self.left_ms - self.ended_ms,
            audible_ms=self.audible_ms,
            endpointing_ms=self.told_ms - self.ended_ms,
            model_ms=self.came_ms - self.told_ms - self.tools_ms,
            tools_ms=self.tools_ms,
            pacing_ms=self.ready_ms - self.came_ms,
            own_ms=self.left_ms - self.ready_ms,
        )


class AnswerClock:
    """Times the answers of one call, one after the other.

    Attributes:
        is_awaited: the caller has spoken, and nothing of an answer has left us yet.
    """

    def __init__(self) -> None:
        self.is_awaited = False
        self._next = _Answer(0, 0)
        self._answers: dict[str, _Answer] = {}
        self._tools = 0
        self._tools_since_ms = 0

    def caller_started(self) -> None:
        """The caller speaks again: what was on its way to him will not be heard."""
        self.is_awaited = False

    def caller_stopped(self, ended_ms: int, told_ms: int) -> None:
        """The caller's speech ended at one moment, of which the provider told us at another."""
        self._next = _Answer(min(ended_ms, told_ms), told_ms)
        self._tools_since_ms = told_ms
        self.is_awaited = True

    def audio_came(self, item_id: str, at_ms: int, *, is_news: bool) -> None:
        """Agent audio arrived; `is_news`: by it there may be enough for a packet."""
        answer = self._next
        if not answer.item_id:
            answer.item_id, answer.came_ms = item_id, at_ms
            if self._tools:
                answer.tools_ms += at_ms - self._tools_since_ms
            is_news = True
        if is_news:
            answer.ready_ms = at_ms

    def audio_ended(self, at_ms: int) -> None:
        """All audio of an item is there: it may leave although it fills no packet."""
        self._next.ready_ms = at_ms

    def audio_left(self, at_ms: int, held_until_ms: int) -> None:
        """The answer's first packet was written; pacing had held it back until a moment."""
        answer = self._next
        self.is_awaited = False
        if not answer.item_id:
            return  # something older: none of it is an answer
        answer.ready_ms = min(max(answer.ready_ms, held_until_ms), at_ms)
        answer.left_ms = at_ms
        self._answers.setdefault(answer.item_id, answer)

    def heard(self, item_id: str, began_ms: int, rtt_ms: int) -> None:
        """The caller heard the first sound of an item; `rtt_ms`: the way to him and back."""
        if (answer := self._answers.get(item_id)) and answer.audible_ms is None:
            answer.audible_ms = max(answer.left_ms, began_ms) - answer.ended_ms + rtt_ms

    def tool_began(self, at_ms: int) -> None:
        """A function of ours works; the model waits for it."""
        if not self._tools:
            self._tools_since_ms = max(at_ms, self._next.told_ms)
        self._tools += 1

    def tool_ended(self, at_ms: int) -> None:
        """A function of ours is done."""
        self._tools -= 1
        if not self._tools and self.is_awaited and not self._next.item_id:
            self._next.tools_ms += at_ms - self._tools_since_ms

    def of(self, item_id: str) -> AnswerLatency | None:
        """Return the times of the answer that began with an item; None when none did."""
        answer = self._answers.get(item_id)
        return answer.report() if answer else None

    @property
    def leaving_ms(self) -> tuple[int, ...]:
        """Of all answers, in order: from the end of the caller's speech to the first packet."""
        return tuple(answer.left_ms - answer.ended_ms for answer in self._answers.values())

    @property
    def all(self) -> tuple[AnswerLatency, ...]:
        """All answers that began to leave, in order."""
        return tuple(answer.report() for answer in self._answers.values())


def barge_in(spoke_at_ms: int, stopped_at_ms: int, rtt_ms: int) -> BargeIn:
    """Return the times of an interruption; never negative, for two clocks are compared.

    Our stop travels to the caller as his speech travelled to us: he hears the old speech for a
    round trip more than we see.
    """
    stop_ms = max(0, stopped_at_ms - spoke_at_ms)
    return BargeIn(at_ms=spoke_at_ms, stop_ms=stop_ms, silent_ms=stop_ms + rtt_ms)
