"""What a bot does by the clock alone: asks a silent caller again, warns of the end, gives up.

Pure: `now` is monotonic seconds.
"""

import math

from service.bots.port import Bot
from service.silence import GiveUp, Reprompt, SilenceWatch


class Manners:
    """The silence policy and the limits of the bot that speaks now."""

    def __init__(self, bot: Bot) -> None:
        self._limits = bot.limits
        self._silence = SilenceWatch(bot.silence)
        self._must_end_at = math.inf
        self._ends_at = math.inf
        self._warns_at = math.inf
        self._was_warned = False

    def begin(self, opened_at: float, max_call_s: float) -> None:
        """Let the call's time run, whatever its bots allow; call `follow` next."""
        self._must_end_at = opened_at + max_call_s

    def follow(self, bot: Bot, now: float) -> None:
        """Go by the manners of a bot that speaks from now on; its own limit counts from now."""
        limits = bot.limits
        self._limits = limits
        self._silence.follow(bot.silence)
        self._ends_at = min(self._must_end_at, now + limits.max_call_s)
        warns_at = self._ends_at - limits.warn_before_s
        is_warned = limits.warning and not self._was_warned and warns_at > now
        self._warns_at = warns_at if is_warned else math.inf

    def caller_acted(self) -> None:
        """Note that the caller spoke or pressed a key."""
        self._silence.caller_acted()

    def poll(self, now: float, *, is_callers_turn: bool, is_held: bool) -> str | GiveUp | None:
        """Return what is due: an instruction for the model, the end of patience, or nothing.

        Args:
            now: monotonic seconds.
            is_callers_turn: nobody speaks, and nothing is worked on.
            is_held: the line is paused, and nothing may be said.
        """
        self._silence.observe(is_quiet=is_callers_turn, now=now)
        step = self._silence.poll(now)
        if isinstance(step, Reprompt):
            return step.instruction
        if step is None and not is_held and now >= self._warns_at:
            self._was_warned, self._warns_at = True, math.inf
            return self._limits.warning
        return step

    def due_in_s(self, now: float, *, is_held: bool) -> float:
        """Seconds until `poll` has something; infinite when it never has."""
        warns_in_s = math.inf if is_held else self._warns_at - now
        return min(self._silence.due_in_s(now), warns_in_s)

    def is_over_in_s(self, now: float) -> float:
        """Seconds until the call, or its present bot, has lasted as long as it may."""
        return self._ends_at - now
