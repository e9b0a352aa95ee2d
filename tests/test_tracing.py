import msgspec
import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.call_events import CallEvent
from service.tracing import CallTraces
from tests.contracts.event_examples import AT, ENDED, STARTED, TURN
from tests.test_metrics import answered

AT_NS = round(AT.timestamp() * 1e9)


class Traced:
    """One call whose events are observed."""

    def __init__(self, *events: CallEvent) -> None:
        self._exporter = InMemorySpanExporter()
        self.traces = CallTraces(SimpleSpanProcessor(self._exporter), lambda: AT)
        self.traceparent = self.traces.begin()
        for event in events:
            self.traces.observe(msgspec.structs.replace(event, traceparent=self.traceparent))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.spans if span.name == name)
        return span


def ms(span: ReadableSpan) -> tuple[int, int]:
    """When it began and ended, since the call opened."""
    assert span.start_time
    assert span.end_time
    return (span.start_time - AT_NS) // 1_000_000, (span.end_time - AT_NS) // 1_000_000


def test_a_call_is_one_span_with_children():
    traced = Traced(STARTED, TURN, ENDED)
    call = traced.span("call")

    assert call.parent is None
    assert [span.name for span in traced.spans] == [
        f"{TURN.data.speaker} turn",  # type: ignore[union-attr]
        "connect",
        "connect",
        "tool",
        "tool",
        "call",
    ]
    for span in traced.spans[:-1]:
        assert span.parent
        assert span.parent.span_id == call.context.span_id


def test_spans_have_the_times_of_the_call():
    traced = Traced(STARTED, TURN, ENDED)

    assert ms(traced.span("call")) == (0, 61_234)
    assert [ms(span) for span in traced.spans if span.name == "connect"] == [
        (0, 420),
        (24_890, 25_310),
    ]
    assert ms(traced.spans[0]) == (TURN.data.start_ms, TURN.data.end_ms)  # type: ignore[union-attr]
    assert [ms(span) for span in traced.spans if span.name == "tool"] == [
        (20_500, 20_503),
        (31_250, 31_250),
    ]


def test_an_answers_span_has_the_parts_of_the_wait():
    traced = Traced(answered())

    attributes = dict(traced.span("agent turn").attributes or {})
    assert attributes["latency.leaving_ms"] == 700
    assert attributes["latency.endpointing_ms"] == 500


def test_the_traceparent_names_the_calls_own_span():
    traced = Traced(STARTED, ENDED)
    context = traced.span("call").context

    assert context.trace_flags.sampled
    flags = f"{context.trace_flags:02x}"
    assert traced.traceparent == f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags}"


def test_a_failed_call_is_an_error():
    failed = msgspec.structs.replace(
        ENDED, data=msgspec.structs.replace(ENDED.data, disposition="failed")
    )

    assert Traced(failed).span("call").status.status_code is StatusCode.ERROR
    assert Traced(ENDED).span("call").status.status_code is StatusCode.UNSET


def test_no_span_tells_what_was_said():
    traced = Traced(STARTED, TURN, ENDED)
    told = " ".join(span.to_json() for span in traced.spans)

    said = TURN.data.text  # type: ignore[union-attr]
    assert said
    assert said not in told
    assert "tel:" not in told


def test_nothing_of_an_ended_call_is_kept():
    traced = Traced(STARTED, ENDED)
    late = msgspec.structs.replace(TURN, traceparent=traced.traceparent)

    traced.traces.observe(late)
    traced.traces.observe(TURN)  # of a call that is not traced
    traced.traces.close()

    assert traced.traces._calls == {}
    assert len(traced.spans) == 5


def test_a_call_can_be_traced_while_another_is():
    traced = Traced()
    other = traced.traces.begin()

    traced.traces.observe(msgspec.structs.replace(ENDED, traceparent=other))

    assert len({traced.traceparent, other}) == 2
    assert list(traced.traces._calls) == [traced.traceparent]
