"""The last seconds of a call that we end: the farewell is said and heard, then we disconnect.

Pure: `now` is monotonic seconds.
"""

from dataclasses import dataclass

from service.call_events import EndReason

SAY_DEADLINE_S = 10.0
"""For the model to finish its farewell; a caller who waits longer thinks the line is dead."""
HEAR_DEADLINE_S = 12.0
"""For a farewell to be heard when time is up; the process may be killed soon after (drain)."""
LONGEST_DEADLINE_S = 200.0
"""Otherwise: more than the playout buffer holds, so that all that was said is heard."""
LONG_ANSWER_S = 4.0
"""When time is up an answer that goes on longer than this is cut, or it would delay the end."""


@dataclass(slots=True)
class Farewell:
    """An end in progress.

    `is_asked`: the model was told to say it; `is_said`: the model has nothing more to say.
    """

    reason: EndReason
    began_at: float
    is_asked: bool
    is_said: bool

    @property
    def is_time_up(self) -> bool:
        """True when neither the caller nor the agent chose the end."""
        return self.reason in ("drain", "max_duration")

    def is_over_in_s(self, now: float, drained_in_s: float) -> float:
        """Return the seconds until we may disconnect; 0 when now.

        Args:
            now: monotonic seconds.
            drained_in_s: seconds until all queued speech has been heard, 0 when it has.
        """
        longest_s = HEAR_DEADLINE_S if self.is_time_up else LONGEST_DEADLINE_S
        hard_s = self.began_at + longest_s - now
        say_s = 0.0 if self.is_said else self.began_at + SAY_DEADLINE_S - now
        return max(0.0, min(hard_s, max(say_s, drained_in_s)))
