"""The last seconds of a call that we end: the farewell is said and heard, then we disconnect.

Pure: `now` is monotonic seconds.
"""

from dataclasses import dataclass

from service.call_events import EndReason

SAY_DEADLINE_S = 10.0
"""For the model to finish its farewell; a caller who waits longer thinks the line is dead."""
HEAR_DEADLINE_S = 30.0
"""For the farewell to be heard: longer than any farewell."""


@dataclass(slots=True)
class Farewell:
    """An end in progress.

    `is_asked`: the model was told to say it; `is_said`: the model has nothing more to say.
    """

    reason: EndReason
    began_at: float
    is_asked: bool
    is_said: bool

    def is_over_in_s(self, now: float, drained_in_s: float) -> float:
        """Return the seconds until we may disconnect; 0 when now.

        Args:
            now: monotonic seconds.
            drained_in_s: seconds until all queued speech has been heard, 0 when it has.
        """
        hard_s = self.began_at + HEAR_DEADLINE_S - now
        say_s = 0.0 if self.is_said else self.began_at + SAY_DEADLINE_S - now
        return max(0.0, min(hard_s, max(say_s, drained_in_s)))
