"""Traces of calls for OpenTelemetry: one span a call, with children made from its events.

Nothing is measured here: the times are the call's own. Spans are made when an event tells of
something that is over, so a call pays for a few objects and for nothing while audio flows. The
standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, …) are read by the SDK.
Attributes are ids, times and counts, never what was said.
"""

from collections.abc import Callable
from datetime import datetime

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.call_events import AnswerLatency, CallEndedData, CallEvent, CallStartedData, TurnData

NAME = "audioconnector-bridge"
PARTS = ("leaving", "audible", "endpointing", "model", "tools", "pacing", "own")
_NS_PER_MS = 1_000_000

Attributes = dict[str, str | int | float | bool]


class CallTraces:
    """The traces of the calls that are live."""

    def __init__(self, processor: SpanProcessor, wall_clock: Callable[[], datetime]) -> None:
        """Give finished spans to `processor`; `wall_clock` gives the aware UTC time."""
        resource = Resource.create({SERVICE_NAME: NAME})  # OTEL_SERVICE_NAME wins
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME)
        self._wall_clock = wall_clock
        self._calls: dict[str, _Trace] = {}

    def begin(self) -> str:
        """Begin the trace of a call that opens now; return its W3C `traceparent`."""
        at_ns = round(self._wall_clock().timestamp() * 1e9)
        span = self._tracer.start_span("call", kind=SpanKind.SERVER, start_time=at_ns)
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
        traceparent = carrier["traceparent"]
        self._calls[traceparent] = _Trace(self, span, at_ns)
        return traceparent

    def observe(self, event: CallEvent) -> None:
        """Add what an event tells to the trace that it names; the last one ends the trace."""
        trace = self._calls.get(event.traceparent or "")
        if trace is None:
            return
        match event.data:
            case CallStartedData():
                trace.began(event.data)
            case TurnData():
                trace.add_turn(event.data)
            case CallEndedData():
                del self._calls[str(event.traceparent)]
                trace.end(event.data)

    def child(
        self, parent: Span, name: str, start_ns: int, end_ns: int, attributes: Attributes
    ) -> None:
        """Make a span of something that is over."""
        span = self._tracer.start_span(
            name, set_span_in_context(parent), start_time=start_ns, attributes=attributes
        )
        span.end(end_ns)

    def close(self) -> None:
        """Send what is left; may take as long as the exporter's deadline."""
        self._provider.shutdown()


class _Trace:
    """One call. Times of events are milliseconds since its `open`, which is `at_ns`."""

    def __init__(self, traces: CallTraces, span: Span, at_ns: int) -> None:
        self._traces = traces
        self._span = span
        self._at_ns = at_ns

    def began(self, started: CallStartedData) -> None:
        self._span.set_attributes(
            {
                "call.session_id": started.session_id,
                "call.conversation_id": started.conversation_id,
                "call.organization_id": started.org_id,
                "call.bot_id": started.bot_id,
            }
        )

    def add_turn(self, turn: TurnData) -> None:
        attributes: Attributes = {
            "turn.number": turn.seq,
            "turn.heard_ms": turn.heard_ms,
            "turn.interrupted": turn.interrupted,
        }
        if turn.latency:
            attributes |= _parts(turn.latency)
        self._add(f"{turn.speaker} turn", turn.start_ms, turn.end_ms, attributes)

    def end(self, ended: CallEndedData) -> None:
        self._add_connects(ended)
        for use in ended.tools:
            about: Attributes = {"tool.name": use.name, "tool.outcome": use.outcome}
            self._add("tool", use.at_ms, use.at_ms + (use.duration_ms or 0), about)
        self._span.set_attributes(
            {
                "call.end_reason": ended.end_reason,
                "call.disposition": ended.disposition,
                "call.interruptions": len(ended.barge_ins),
                "call.errors": ended.errors,
            }
        )
        if ended.disposition == "failed":
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(self._ns(ended.duration_ms))

    def _add_connects(self, ended: CallEndedData) -> None:
        is_cold = ended.setup is not None and ended.setup.is_cold
        for number, it in enumerate(ended.connections):
            about: Attributes = {"provider": it.provider, "model": it.model}
            about |= {"connect.after": it.after} if number else {"process.cold": is_cold}
            began_ms = it.lost_ms if number else 0
            self._add("connect", it.ready_ms if began_ms is None else began_ms, it.ready_ms, about)

    def _add(self, name: str, start_ms: int, end_ms: int, attributes: Attributes) -> None:
        self._traces.child(self._span, name, self._ns(start_ms), self._ns(end_ms), attributes)

    def _ns(self, call_ms: int) -> int:
        return self._at_ns + call_ms * _NS_PER_MS


def _parts(latency: AnswerLatency) -> Attributes:
    times = {part: getattr(latency, f"{part}_ms") for part in PARTS}
    return {f"latency.{part}_ms": ms for part, ms in times.items() if ms is not None}
