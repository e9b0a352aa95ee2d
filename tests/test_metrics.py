import re
from datetime import datetime, timedelta

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from service.call_events import AnswerLatency, CallEndedData, CallEvent, Connection, TurnData
from service.gate import GateCounts
from service.live_calls import LiveCalls
from service.metrics import ERROR_CLASSES, ERROR_KINDS, Metrics, error_kind
from service.outbox.port import OutboxState
from tests.contracts.event_examples import ENDED, STARTED, TURN

ANSWER = AnswerLatency(
    at_ms=0, leaving_ms=700, audible_ms=750,
    endpointing_ms=500, model_ms=150, tools_ms=0, pacing_ms=40, own_ms=10,
)  # fmt: skip

NOW = ENDED.time + timedelta(hours=1)


class Page:
    """The figures on a page, by their whole names."""

    def __init__(self, metrics: Metrics) -> None:
        body, self.content_type = metrics.page("")
        self.text = body.decode()
        self._values = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def __getitem__(self, name: str) -> float:
        name, _, labels = name.partition("{")
        pairs = re.findall(r'(\w+)="([^"]*)"', labels)
        return self._values[(f"bridge_{name}", *sorted(pairs))]


STATES = {"openai": "open", "cascade": "half_open"}


def metrics_of(
    *events: CallEvent,
    gate: GateCounts | None = None,
    max_calls: int = 9,
    outbox: OutboxState | None = None,
) -> Metrics:
    outbox = outbox or OutboxState()
    metrics = Metrics(
        LiveCalls(max_calls), gate or GateCounts(), lambda: outbox, lambda: STATES, lambda: NOW
    )
    for event in events:
        metrics.observe(event)
    return metrics


def answered(answer: AnswerLatency = ANSWER) -> CallEvent:
    turn = TurnData(
        turn_id="t", seq=1, speaker="agent", start_ms=0, end_ms=1,
        text="", heard_ms=1, interrupted=False, item_id="i", latency=answer,
    )  # fmt: skip
    return CallEvent(
        id="i",
        type="call.turn.v1",
        subject="c",
        time=TURN.time,
        sessionid="s",
        orgid="o",
        data=turn,
    )


def test_calls_are_counted_by_how_they_ended():
    page = Page(metrics_of(STARTED, STARTED, ENDED))

    assert page["calls_started_total"] == 2
    assert page['calls_ended_total{reason="transfer",disposition="escalated"}'] == 1
    assert page["call_duration_seconds_sum"] == pytest.approx(61.234)


def test_waits_and_their_parts_are_told_turn_by_turn():
    page = Page(metrics_of(TURN, answered(), answered()))

    assert page["answer_seconds_count"] == 2
    assert page['answer_seconds_bucket{le="0.6"}'] == 0
    assert page['answer_seconds_bucket{le="0.8"}'] == 2
    assert page["answer_audible_seconds_sum"] == pytest.approx(1.5)
    parts = {
        part: page[f'answer_part_seconds_sum{{part="{part}"}}']
        for part in ("endpointing", "model", "tools", "pacing", "own")
    }
    assert sum(parts.values()) == pytest.approx(page["answer_seconds_sum"])


def test_the_end_of_a_call_tells_its_setup_money_and_faults():
    page = Page(metrics_of(ENDED))

    assert page['setup_seconds_sum{step="model_ready",start="warm"}'] == pytest.approx(0.385)
    assert page['tool_calls_total{outcome="ok"}'] == 1
    assert page['tool_calls_total{outcome="failed"}'] == 1
    assert page['call_errors_total{kind="client"}'] == 1
    assert page["rate_limit_hits_total"] == 1
    assert page["barge_in_stop_seconds_count"] == 1
    assert page['model_tokens_total{kind="output_audio"}'] > 0
    assert page["cost_usd_total"] > 0


def test_state_of_the_process_is_read_when_asked():
    gate = GateCounts(admitted=3, undelayed=1)
    gate.refused["bad_signature"] = 2
    metrics = metrics_of(gate=gate, max_calls=7)
    metrics.lag.observe(0.03)
    before = Page(metrics)
    gate.admitted += 1

    assert (before["upgrades_admitted_total"], Page(metrics)["upgrades_admitted_total"]) == (3, 4)
    assert before['upgrades_refused_total{cause="bad_signature"}'] == 2
    assert before['upgrades_refused_total{cause="full"}'] == 0
    assert before["refusals_undelayed_total"] == 1
    assert (before["calls_live"], before["calls_max"], before["draining"]) == (0, 7, 0)
    assert before['event_loop_lag_seconds_bucket{le="0.05"}'] == 1


def test_page_can_be_had_in_the_open_metrics_form():
    body, content_type = metrics_of().page("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("internal", "internal"),
        ("client_429", "client"),
        ("client: bad json", "client"),
        ("closed_1011", "closed"),
        ("http_503", "http"),
        ("tool_without_schema:what-a-bot-named", "tool"),
        ("input_cut:what-a-bot-named", "input"),
        ("a word of the provider", "provider"),
        ("", "provider"),
    ],
)
def test_every_error_gets_one_of_a_fixed_set_of_labels(word: str, kind: str):
    assert error_kind(word) == kind
    assert kind in {*ERROR_KINDS, *ERROR_CLASSES, "provider"}


def test_nothing_that_was_said_or_named_is_on_the_page():
    page = Page(metrics_of(STARTED, TURN, ENDED))

    said = [TURN.sessionid, TURN.subject, TURN.orgid, "bank", "stock", "shop", "tel:"]
    assert [word for word in said if word in page.text] == []


def test_outbox_tells_what_it_has_not_delivered():
    state = OutboxState(depth=7, oldest_at=NOW - timedelta(seconds=90), given_up=2)

    page = Page(metrics_of(outbox=state))

    figures = [page[f"outbox_{name}"] for name in ("depth", "oldest_seconds", "given_up_total")]
    assert figures == [7, 90, 2]


@pytest.mark.parametrize("oldest_at", [None, NOW + timedelta(seconds=5)])
def test_outbox_without_an_old_event_shows_no_age(oldest_at: datetime | None):
    assert Page(metrics_of(outbox=OutboxState(0, oldest_at)))["outbox_oldest_seconds"] == 0


def test_providers_are_shown_and_counted_by_their_names():
    assert isinstance(ENDED.data, CallEndedData)
    data = structs.replace(
        ENDED.data,
        connections=(
            Connection(provider="openai", model="m", ready_ms=1),
            Connection(provider="openai", model="m", ready_ms=2, after="closed_1011"),
            Connection(provider="openai", model="m", ready_ms=3),
            Connection(provider="cascade", model="m", ready_ms=4, after="http_503"),
        ),
    )
    page = Page(metrics_of(structs.replace(ENDED, data=data)))

    assert page['provider_up{provider="openai"}'] == 0
    assert page['provider_up{provider="cascade"}'] == 1
    assert page['conversations_lost_total{provider="openai"}'] == 2
    assert page['provider_switches_total{to="cascade"}'] == 1
