"""The service in numbers, for Prometheus: what `GET /metrics` shows.

Nothing is counted while audio flows. What calls tell comes from their events, what the process is
like at the moment is read when somebody asks. No label has a value that a caller, a bot or a
provider could choose; buckets never change with load, so that instances can be added up.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.call_events import AnswerLatency, CallEndedData, CallEvent, Setup, TurnData
from service.gate import GateCounts
from service.live_calls import LiveCalls
from service.outbox.port import OutboxState

WAIT_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Seconds that a caller waits: fine where answers usually begin, coarse where all is lost."""
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
DURATION_BUCKETS = (5, 15, 30, 60, 120, 180, 300, 600, 900)
TOKEN_KINDS = (
    "input_text", "input_audio", "input_image", "input_cached", "output_text", "output_audio",
)  # fmt: skip
ERROR_KINDS = frozenset({
    "internal", "session_reduced", "unreachable", "connect_timeout", "session_refused",
    "session_unanswered", "session_expired", "response_refused", "model_silent", "not_pcmu",
    "switch_failed",
})  # fmt: skip
"""Words of ours for what went wrong on a call, shown as they are."""
ERROR_CLASSES = ("client", "http", "closed", "tool", "input")
"""The others by their first word: reports of the client, a provider's statuses and close codes,
functions without a schema, input variables that could not be used. What is left is `provider`."""


class Metrics:
    """Counts what calls tell, and shows it together with the state of the process.

    Attributes:
        lag: seconds that the event loop was late; give `lag.observe` each of them.
    """

    def __init__(
        self,
        calls: LiveCalls,
        gate: GateCounts,
        outbox: Callable[[], OutboxState],
        providers: Callable[[], Mapping[str, str]],
        wall_clock: Callable[[], datetime],
    ) -> None:
        """Count from now on.

        `outbox` tells what was not delivered, `providers` by name whether each is tried (`open`:
        it is not), `wall_clock` the aware time.
        """
        self._registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self._registry)
        self._registry.register(_State(calls, gate))
        self._registry.register(_Outbox(outbox, wall_clock))
        self._registry.register(_Providers(providers))
        self._make_counters()
        self._make_histograms()

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page in the form that an `Accept` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def observe(self, event: CallEvent) -> None:
        """Count what an event tells."""
        match event.data:
            case TurnData():
                if event.data.latency:
                    self._count_answer(event.data.latency)
            case CallEndedData():
                self._count_call(event.data)
            case _:
                self._started.inc()

    def _make_counters(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"bridge_{name}", text, labels, registry=self._registry)

        self._started = counter("calls_started", "Calls that were opened.")
        self._ended = counter("calls_ended", "Calls that ended.", "reason", "disposition")
        self._errors = counter("call_errors", "What went wrong on calls.", "kind")
        self._lost = counter(
            "conversations_lost", "Conversations with a provider that broke off.", "provider"
        )
        self._switches = counter(
            "provider_switches", "Calls that went on with another provider.", "to"
        )
        self._tools = counter("tool_calls", "Functions that models called.", "outcome")
        self._underruns = counter("playout_underruns", "Gaps that callers heard in answers.")
        self._limited = counter("rate_limit_hits", "Complaints of the caller's side: too much.")
        self._dropped = counter("caller_audio_dropped_seconds", "Caller audio that was dropped.")
        self._tokens = counter("model_tokens", "Tokens of the speech models.", "kind")
        self._cost = counter("cost_usd", "Cost of the models by list prices.")
        self._unpriced = counter("calls_unpriced", "Calls whose speech model has no price.")

    def _make_histograms(self) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                f"bridge_{name}_seconds", text, labels, buckets=buckets, registry=self._registry
            )

        self.lag = histogram("event_loop_lag", "How late the event loop was.", LAG_BUCKETS)
        self._answers = histogram(
            "answer", "From the end of the caller's speech to the first packet.", WAIT_BUCKETS
        )
        self._audible = histogram(
            "answer_audible", "From the end of the caller's speech to a sound.", WAIT_BUCKETS
        )
        self._parts = histogram("answer_part", "Parts of the wait.", WAIT_BUCKETS, "part")
        self._stops = histogram(
            "barge_in_stop", "From the start of the caller's speech to our stop.", WAIT_BUCKETS
        )
        self._setup = histogram("setup", "How calls come about.", WAIT_BUCKETS, "step", "start")
        self._duration = histogram("call_duration", "Length of calls.", DURATION_BUCKETS)

    def _count_answer(self, answer: AnswerLatency) -> None:
        self._answers.observe(answer.leaving_ms / 1_000)
        if answer.audible_ms is not None:
            self._audible.observe(answer.audible_ms / 1_000)
        for part in ("endpointing", "model", "tools", "pacing", "own"):
            self._parts.labels(part).observe(getattr(answer, f"{part}_ms") / 1_000)

    def _count_call(self, ended: CallEndedData) -> None:
        self._ended.labels(ended.end_reason, ended.disposition).inc()
        self._duration.observe(ended.duration_ms / 1_000)
        for word in ended.errors:
            self._errors.labels(error_kind(word)).inc()
        for before, after in pairwise(ended.connections):
            if after.after:
                self._lost.labels(before.provider).inc()
            if after.provider != before.provider:
                self._switches.labels(after.provider).inc()
        for use in ended.tools:
            self._tools.labels("ok" if use.outcome == "ok" else "failed").inc()
        for barge_in in ended.barge_ins:
            self._stops.observe(barge_in.stop_ms / 1_000)
        self._underruns.inc(ended.transport.underruns)
        self._limited.inc(ended.transport.rate_limited)
        self._dropped.inc(ended.transport.dropped_in_ms / 1_000)
        if ended.setup:
            self._count_setup(ended.setup)
        self._count_cost(ended)

    def _count_setup(self, setup: Setup) -> None:
        start = "cold" if setup.is_cold else "warm"
        for step in ("upgrade", "opened", "model_ready", "greeting_left", "greeting_heard"):
            if (took_ms := getattr(setup, f"{step}_ms")) is not None:
                self._setup.labels(step, start).observe(took_ms / 1_000)

    def _count_cost(self, ended: CallEndedData) -> None:
        if ended.tokens:
            for kind in TOKEN_KINDS:
                self._tokens.labels(kind).inc(getattr(ended.tokens, kind))
        if ended.cost and ended.cost.total is not None:
            self._cost.inc(ended.cost.total)
        elif ended.cost and ended.cost.unpriced:
            self._unpriced.inc()


class _State:
    """Reads what is true at the moment of a scrape."""

    def __init__(self, calls: LiveCalls, gate: GateCounts) -> None:
        self._calls = calls
        self._gate = gate

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, and the counts that others keep."""
        yield GaugeMetricFamily("bridge_calls_live", "Calls now.", len(self._calls))
        yield GaugeMetricFamily("bridge_calls_max", "Calls at most.", self._calls.max_calls)
        yield GaugeMetricFamily(
            "bridge_draining", "1: the process takes no more calls.", self._calls.is_draining
        )
        yield CounterMetricFamily(
            "bridge_upgrades_admitted", "Upgrades that may become a call.", self._gate.admitted
        )
        refused = CounterMetricFamily(
            "bridge_upgrades_refused", "Upgrades that were refused.", labels=["cause"]
        )
        for cause, count in sorted(self._gate.refused.items()):
            refused.add_metric([cause], count)
        for refusal in ("draining", "full", "overloaded"):
            refused.add_metric([refusal], self._calls.turned_away[refusal])
        yield refused
        yield CounterMetricFamily(
            "bridge_refusals_undelayed",
            "Refusals that left at once because too many waited: an attack.",
            self._gate.undelayed,
        )


class _Outbox:
    """Reads at a scrape what the outbox has not delivered."""

    def __init__(
        self, outbox: Callable[[], OutboxState], wall_clock: Callable[[], datetime]
    ) -> None:
        self._outbox = outbox
        self._wall_clock = wall_clock

    def collect(self) -> Iterator[Metric]:
        """Yield how many events wait and for how long, and how many were given up."""
        state = self._outbox()
        waited_s = 0.0
        if state.oldest_at is not None:
            waited_s = max((self._wall_clock() - state.oldest_at).total_seconds(), 0.0)
        yield GaugeMetricFamily("bridge_outbox_depth", "Events not delivered yet.", state.depth)
        yield GaugeMetricFamily(
            "bridge_outbox_oldest_seconds", "Age of the oldest of them.", waited_s
        )
        yield CounterMetricFamily(
            "bridge_outbox_given_up", "Events that were lost or set aside.", state.given_up
        )


class _Providers:
    """Reads at a scrape which providers are tried."""

    def __init__(self, providers: Callable[[], Mapping[str, str]]) -> None:
        self._providers = providers

    def collect(self) -> Iterator[Metric]:
        """Yield 1 for each that new calls may try."""
        up = GaugeMetricFamily(
            "bridge_provider_up", "1: calls try this provider. 0: it is down.", labels=["provider"]
        )
        for name, state in self._providers().items():
            up.add_metric([name], float(state != "open"))
        yield up


def error_kind(word: str) -> str:
    """Return the label for a word of `CallEndedData.errors`: one of a fixed set."""
    if word in ERROR_KINDS:
        return word
    first = word.replace(":", "_").partition("_")[0]
    return first if first in ERROR_CLASSES else "provider"
