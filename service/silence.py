"""What happens when the caller says nothing: asks again, and at last gives up.

Pure: `now` is monotonic seconds.
"""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SilencePolicy:
    """When and how often a silent caller is asked again.

    Attributes:
        after_s: silence after which something is done; infinite for never.
        reprompts: instructs the model what to say, the first time, the second time, …
        then: after the last reprompt the call is handed to a person, or ended.
    """

    after_s: float = math.inf
    reprompts: tuple[str, ...] = ()
    then: Literal["transfer", "end"] = "transfer"


@dataclass(frozen=True, slots=True)
class Reprompt:
    """Ask the caller again; `instruction` tells the model how."""

    instruction: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nobody seems to be there: hand the call to a person, or end it."""

    then: Literal["transfer", "end"]


class SilenceWatch:
    """Counts how long both sides have been quiet, and how often the caller was asked again."""

    def __init__(self, policy: SilencePolicy) -> None:
        self._policy = policy
        self._reprompted = 0
        self._quiet_since = math.inf  # infinite while it is not quiet
        self._has_given_up = False

    def follow(self, policy: SilencePolicy) -> None:
        """Go by the policy of another bot that took over; clock and count start again.

        A call that was given up stays given up.
        """
        self._policy = policy
        self.caller_acted()

    def observe(self, *, is_quiet: bool, now: float) -> None:
        """Note how it is on the line; the clock starts with the first quiet look.

        `is_quiet`: neither side speaks and nothing is being worked on, such as an answer or a
        tool. A secure pause is not quiet: the caller is busy elsewhere.
        """
        if not is_quiet:
            self._quiet_since = math.inf
        elif self._quiet_since == math.inf:
            self._quiet_since = now

    def caller_acted(self) -> None:
        """Note that the caller spoke or pressed a key: somebody is there.

        The count starts again, and so does the clock with the next quiet look: a key makes no
        sound, and whoever has just pressed one is not asked whether they are there.
        """
        self._reprompted = 0
        self._quiet_since = math.inf

    def poll(self, now: float) -> Reprompt | GiveUp | None:
        """Return what is due, once; None when nothing is.

        A reprompt makes the agent speak, and the clock starts when it is quiet again after that.
        If the agent stays dumb the clock runs from the reprompt, so that a failing model cannot
        leave the caller in silence for ever.
        """
        if self.due_in_s(now) > 0:
            return None
        if self._reprompted == len(self._policy.reprompts):
            self._has_given_up = True
            return GiveUp(self._policy.then)
        self._quiet_since = now
        self._reprompted += 1
        return Reprompt(self._policy.reprompts[self._reprompted - 1])

    def due_in_s(self, now: float) -> float:
        """Seconds until `poll` has something, 0 when now.

        `math.inf` while it is not quiet, when the policy wants nothing, and after giving up.
        """
        if self._has_given_up:
            return math.inf
        return max(0.0, self._quiet_since + self._policy.after_s - now)
