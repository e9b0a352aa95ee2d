"""Which responses of a session run: one in the default conversation, any number beside it.

Source: openai_realtime spec 9 and 17.7.
"""

from collections.abc import Callable

from scripts.emulators.realtime_core import SessionCore
from scripts.emulators.realtime_request import ResponseRequest
from scripts.emulators.realtime_responses import ResponseRun
from scripts.emulators.realtime_wire import ApiError, Json


class Replies:
    """Starts and cancels responses by the server's rules of concurrency."""

    def __init__(self, core: SessionCore) -> None:
        self._core = core
        self._active: ResponseRun | None = None
        self._beside: dict[str, ResponseRun] = {}
        self._has_spoken = False
        self.on_started: Callable[[], None] = lambda: None
        self.on_spoken: Callable[[float], None] = lambda audio_ms: None

    @property
    def is_responding(self) -> bool:
        """Whether the default conversation has a response in progress."""
        return self._active is not None

    @property
    def has_spoken(self) -> bool:
        """Whether there is assistant audio, with which the voice is frozen."""
        return self._has_spoken or (self._active is not None and self._active.audio_ms > 0)

    def create(self, params: Json) -> None:
        """Starts a response.

        Args:
            params: A checked `response` of a `response.create`; empty means all as the session.

        Raises:
            ApiError: The default conversation has one already, or `input` cannot be resolved.
        """
        request = ResponseRequest.of(params, self._core)
        if request.is_out_of_band:
            run = ResponseRun(self._core, request, self._done_beside)
            self._beside[run.id] = run
            return
        if self._active is not None:
            raise ApiError(
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        self._active = ResponseRun(self._core, request, self._done)
        self.on_started()

    def answer_turn(self) -> None:
        """Starts the response to a caller's turn; an `error` says so if one still runs."""
        try:
            self.create({})
        except ApiError as error:
            self._core.emit_error(error)

    def interrupt(self) -> None:
        """Cancels the default conversation's response because the caller speaks."""
        if self._active is not None:
            self._active.cancel("turn_detected")

    def settle(self) -> None:
        """Ends a response that is being cancelled now: a turn that ended comes after it."""
        if self._active is not None and self._active.is_cancelling:
            self._active.finish_cancel()

    def cancel(self, response_id: str | None) -> None:
        """Cancels a response for the client; without an id the default conversation's.

        Raises:
            ApiError: There is no such response in progress.
        """
        run = self._active
        if response_id is not None and (run is None or run.id != response_id):
            run = self._beside.get(response_id)
        if run is None:
            raise ApiError(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        run.cancel("client_cancelled")

    def _done(self, run: ResponseRun) -> None:
        self._has_spoken = self.has_spoken
        self._active = None
        self.on_spoken(run.audio_ms)

    def _done_beside(self, run: ResponseRun) -> None:
        del self._beside[run.id]
