"""How a call ends by our own will: the first reason counts, and a farewell comes before the end.

Pure: `now` is monotonic seconds. The farewell's deadlines are `farewell`'s.
"""

from collections.abc import Callable

from service.call_events import EndReason
from service.farewell import Farewell


class Ending:
    """The end of one call, once it has begun.

    Attributes:
        reason: why the call ended; None while it goes on, and while a farewell is still said:
            the caller may hang up before.
        farewell: the end under way.
    """

    def __init__(
        self,
        *,
        may_begin: Callable[[], bool],
        on_begin: Callable[[], None],
        on_withdraw: Callable[[], None],
    ) -> None:
        """Wait for an end.

        Args:
            may_begin: tells whether the call is open and not ending by itself.
            on_begin: called when the farewell begins.
            on_withdraw: called when the call goes on after all.
        """
        self.reason: EndReason | None = None
        self.farewell: Farewell | None = None
        self._may_begin = may_begin
        self._on_begin = on_begin
        self._on_withdraw = on_withdraw

    @property
    def is_under_way(self) -> bool:
        """True when no end can begin any more, or not yet."""
        return self.farewell is not None or not self._may_begin()

    def begin(
        self, reason: EndReason, now: float, *, is_asked: bool = False, is_said: bool = False
    ) -> None:
        """End the call once the caller has heard everything; the first reason stays.

        A failure is noted at once. `is_asked`: the model was told to say farewell; `is_said`: all
        was said.
        """
        if not self.is_under_way:
            if reason == "provider_error":
                self.note(reason)
            self.farewell = Farewell(reason, now, is_asked or is_said, is_said)
            self._on_begin()
        elif self.farewell and is_said:
            self.farewell.is_said = True

    def withdraw(self) -> bool:
        """Let the call go on, if its end was a goodbye that is still being said; True if so.

        Whoever breaks into a goodbye is not done. Other ends do not depend on what callers say.
        """
        is_goodbye = self.farewell is not None and self.farewell.reason == "bot_completed"
        if not is_goodbye or self.reason is not None:
            return False
        self.farewell = None
        self._on_withdraw()
        return True

    def note(self, reason: EndReason) -> None:
        """Set the reason, unless there is one."""
        self.reason = self.reason or reason

    def turn_done(self) -> None:
        """Note that the model has said what it was asked for."""
        if self.farewell:
            self.farewell.is_said = self.farewell.is_asked

    def is_over_in_s(self, now: float, drained_in_s: float) -> float:
        """Seconds until we may disconnect; infinite when no farewell is under way."""
        return self.farewell.is_over_in_s(now, drained_in_s) if self.farewell else float("inf")
