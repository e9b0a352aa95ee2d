import json
from collections import Counter
from datetime import datetime, timedelta

import pytest

from service.audiohook.counters import Counters
from service.audiohook.messages import Open
from service.audiohook.upgrade import CallIdentity
from service.call_events import AnswerLatency, CallEvent, to_json
from service.call_record import CallRecord
from service.call_services import CallServices
from service.outbox.port import OutboxState
from service.receipt import Receipt
from service.transcript import Turn
from tests.contracts.event_examples import (
    AT,
    CONVERSATION,
    CORRELATION,
    ORGANIZATION,
    PARTICIPANT,
    SESSION,
)
from tests.fake_speech import FakeProvider
from tests.plain_bot import PLAIN_BOT, Bots

IDENTITY = CallIdentity(
    session_id=SESSION,
    organization_id=ORGANIZATION,
    correlation_id=CORRELATION,
    api_key_masked="SGVs…",
    bot_id="bank%2Fretail",
)
OPENING = Open(
    organization_id=ORGANIZATION,
    conversation_id=CONVERSATION,
    participant_id=PARTICIPANT,
    ani="tel:+15555550199",
    ani_name="Jane Doe",
    dnis="tel:+15555550100",
    language="en-US",
    input_variables={"account": "0815"},
)


class Sink:
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def emit(self, event: CallEvent) -> None:
        self.events.append(event)

    def waiting(self) -> OutboxState:
        return OutboxState()

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


class Ticking:
    """A wall clock that is a second later each time."""

    def __init__(self) -> None:
        self.now = AT - timedelta(seconds=1)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def record(sink: Sink) -> CallRecord:
    services = CallServices(
        bots=Bots(),
        speech=FakeProvider(),
        events=sink,
        max_call_s=600.0,
        clock=lambda: 0.0,
        wall_clock=Ticking(),
    )
    return CallRecord(SESSION, IDENTITY, OPENING, services)


def end(record: CallRecord) -> None:
    record.ended(
        Receipt(bot_ids=["default"]),
        end_reason="bot_completed",
        duration_ms=5_000,
        turns=[],
        counters=Counters(),
        output_variables={"BOT_STATUS": "completed"},
    )


def written(sink: Sink) -> list[dict[str, object]]:
    return [json.loads(to_json(event)) for event in sink.events]


def test_id_is_made_of_session_kind_and_number(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)
    record.turn(Turn(1, "agent", "a", 0, 0), None)
    record.turn(Turn(2, "caller", "c", 0, 0), None)
    end(record)

    assert [(event.id, event.type) for event in sink.events] == [
        (f"{SESSION}/started", "call.started.v1"),
        (f"{SESSION}/turn/1", "call.turn.v1"),
        (f"{SESSION}/turn/2", "call.turn.v1"),
        (f"{SESSION}/ended", "call.ended.v1"),
    ]


def test_every_event_names_its_call(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)
    record.turn(Turn(1, "agent", "a", 0, 0), None)
    end(record)

    assert {(event.subject, event.sessionid, event.orgid) for event in sink.events} == {
        (CONVERSATION, SESSION, ORGANIZATION)
    }


def test_events_carry_the_time_at_which_they_are_emitted(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)
    end(record)

    assert [event.time - AT for event in sink.events] == [
        timedelta(seconds=1),
        timedelta(seconds=2),
    ]


def test_started_tells_where_the_call_came_in(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)

    (event,) = written(sink)
    assert event["data"] == {
        "session_id": SESSION,
        "conversation_id": CONVERSATION,
        "org_id": ORGANIZATION,
        "participant_id": PARTICIPANT,
        "correlation_id": CORRELATION,
        "bot_id": "default",
        "caller": {"dnis": "tel:+15555550100", "language": "en-US"},
        "setup_ms": 5,
    }


def test_number_name_and_variables_of_the_caller_are_not_published(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)
    end(record)

    text = json.dumps(written(sink))
    assert not any(private in text for private in ("5555550199", "Jane", "0815", "SGVs"))


def test_turn_tells_what_was_heard_beside_what_was_generated(sink: Sink, record: CallRecord):
    record.turn(
        Turn(
            3,
            "agent",
            "item_1",
            100,
            900,
            text="one two three",
            heard="one two",
            heard_ms=800,
            was_interrupted=True,
        ),
        AnswerLatency(
            at_ms=0,
            leaving_ms=95,
            audible_ms=100,
            endpointing_ms=50,
            model_ms=30,
            tools_ms=0,
            pacing_ms=10,
            own_ms=5,
        ),
    )

    (event,) = written(sink)
    assert event["data"] == {
        "turn_id": f"{SESSION}/turn/3",
        "seq": 3,
        "speaker": "agent",
        "start_ms": 100,
        "end_ms": 900,
        "text": "one two",
        "text_generated": "one two three",
        "heard_ms": 800,
        "interrupted": True,
        "item_id": "item_1",
        "latency": {
            "at_ms": 0,
            "leaving_ms": 95,
            "audible_ms": 100,
            "endpointing_ms": 50,
            "model_ms": 30,
            "tools_ms": 0,
            "pacing_ms": 10,
            "own_ms": 5,
        },
    }


def test_generated_words_are_told_only_where_they_differ(sink: Sink, record: CallRecord):
    record.turn(Turn(1, "caller", "c", 0, 9, text="Hi", heard="Hi", is_recognised=False), None)

    (event,) = written(sink)
    assert isinstance(event["data"], dict)
    assert "text_generated" not in event["data"]
    assert event["data"]["recognised"] is False


def test_ended_dates_the_beginning(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)

    data = record.ended(
        Receipt(bot_ids=["default"]),
        end_reason="drain",
        duration_ms=5_000,
        turns=[Turn(1, "agent", "a", 0, 0)],
        counters=Counters(audio_frames_in=3),
        output_variables={},
    )

    assert sink.events[-1].data == data
    assert (data.started_at, data.duration_ms, data.disposition) == (AT, 5_000, "escalated")
    assert (data.bot_id, data.transport.frames_in, data.counts.turns_agent) == ("default", 3, 1)


def test_ended_tells_what_the_call_cost_by_the_shipped_prices(sink: Sink, record: CallRecord):
    record.started(PLAIN_BOT, setup_ms=5)

    data = record.ended(
        Receipt(
            bot_ids=["default"],
            model="gpt-realtime-2.1",
            usage=Counter({"response.output_token_details.audio_tokens": 1_200}),
        ),
        end_reason="bot_completed",
        duration_ms=5_000,
        turns=[],
        counters=Counters(),
        output_variables={},
    )

    assert data.cost
    assert data.cost.total == 0.0768
