from collections import Counter
from dataclasses import replace

import pytest

from service.audiohook.counters import Counters
from service.call_events import (
    BargeIn,
    CallEndedData,
    Connection,
    EndReason,
    Setup,
    ToolUse,
    Transport,
)
from service.prices import PriceTable
from service.receipt import MAX_ERRORS, MAX_TOOL_USES, Arrival, Receipt, was_last_word_heard
from service.transcript import Speaker, Turn
from service.turns import Turns
from tests.contracts.event_examples import AT
from tests.plain_bot import PLAIN_BOT

PRICES = PriceTable.load()


def turn(speaker: Speaker, *, cut: bool = False) -> Turn:
    return Turn(1, speaker, "item", 0, 0, was_interrupted=cut)


def end(
    receipt: Receipt,
    reason: EndReason = "caller_hangup",
    turns: list[Turn] | None = None,
    counters: Counters | None = None,
) -> CallEndedData:
    receipt.bot_ids = receipt.bot_ids or ["bot"]
    return receipt.ended(
        ids=("session", "conversation", "organization"),
        started_at=AT,
        duration_ms=9_000,
        end_reason=reason,
        turns=turns or [],
        counters=counters or Counters(),
        output_variables={"BOT_STATUS": "completed"},
        prices=PRICES,
    )


def test_greeting_is_timed_by_the_first_audio_that_leaves():
    receipt = Receipt()
    unsaid = end(receipt).greeting_ms

    receipt.agent_audio_left(800, 450, 0)
    receipt.agent_audio_left(1_600, 500, 0)

    assert unsaid is None
    assert end(receipt).greeting_ms == 450


def test_interruptions_are_counted_and_timed():
    receipt = Receipt()

    receipt.caller_interrupted(1_000, 1_250, 0)
    receipt.caller_interrupted(4_000, 4_100, 40)

    assert end(receipt).barge_in_stop_ms == (250, 100)
    assert end(receipt).counts.interruptions_by_caller == 2
    assert end(receipt).barge_ins[1] == BargeIn(at_ms=4_000, stop_ms=100, silent_ms=140)


def test_setup_is_told_step_by_step():
    receipt = Receipt(setup_ms=30)
    receipt.arrived(Arrival(5.0, is_cold=True), 5.012)
    before = end(receipt).setup
    receipt.connected(Connection(provider="openai", model="model", ready_ms=400))
    receipt.agent_audio_left(800, 700, 0)
    receipt.agent_audio_heard("greeting", 710, rtt_ms=60)
    receipt.connected(
        Connection(provider="azure", model="another model", ready_ms=9_000, after="closed_1011")
    )

    assert before == Setup(
        is_cold=True, upgrade_ms=12, opened_ms=30,
        model_ready_ms=None, greeting_left_ms=None, greeting_heard_ms=None,
    )  # fmt: skip
    assert end(receipt).setup == Setup(
        is_cold=True, upgrade_ms=12, opened_ms=30,
        model_ready_ms=400, greeting_left_ms=700, greeting_heard_ms=770,
    )  # fmt: skip


def test_lists_of_latencies_repeat_the_details():
    receipt = Receipt()
    receipt.answers.caller_stopped(2_000, 2_500)
    receipt.answers.audio_came("a", 2_600, is_news=True)
    receipt.agent_audio_left(800, 2_700, 0)

    assert end(receipt).answer_latency_ms == (700,)
    assert [answer.leaving_ms for answer in end(receipt).answers] == [700]


def test_counts_of_both_sides_come_from_the_turns():
    receipt = Receipt(dtmf_events=3, tool_calls=2)

    counts = end(receipt, turns=[turn("agent"), turn("caller"), turn("agent")]).counts

    assert (counts.turns_agent, counts.turns_caller) == (2, 1)
    assert (counts.dtmf_events, counts.tool_calls) == (3, 2)


def test_transport_tells_both_directions():
    receipt = Receipt(underruns=4, rate_limited=1, dropped_in_bytes=1_607)
    receipt.agent_audio_left(800, 0, 0)
    receipt.agent_audio_left(1_600, 0, 0)

    transport = end(receipt, counters=Counters(audio_frames_in=7, audio_bytes_in=99)).transport

    assert transport == Transport(
        frames_in=7,
        bytes_in=99,
        frames_out=2,
        bytes_out=2_400,
        underruns=4,
        rate_limited=1,
        dropped_in_ms=200,
    )


def test_usage_is_summed_by_name():
    receipt = Receipt()

    receipt.usage.update({"response.input_tokens": 10, "response.output_tokens": 4})
    receipt.usage.update({"response.input_tokens": 5, "transcription.seconds": 1.5})

    assert end(receipt).usage == {
        "response.input_tokens": 15,
        "response.output_tokens": 4,
        "transcription.seconds": 1.5,
    }


def test_end_tells_tokens_and_cost_of_the_usage():
    receipt = Receipt(model="gpt-realtime-2.1")
    receipt.transcribed_by("gpt-transcribe")
    receipt.usage.update({"response.output_token_details.audio_tokens": 1_200})
    receipt.usage.update({"transcription.seconds": 60.0})

    data = end(receipt)

    assert data.tokens
    assert data.cost
    assert (data.tokens.output_audio, data.tokens.input_text) == (1_200, 0)
    # A minute of speech: 1,200 tokens at 64 USD a million. A minute of listening: 0.0045 USD.
    assert data.cost.total == 0.0768 + 0.0045
    assert data.cost.unpriced == ()


def test_call_that_never_had_a_model_costs_nothing():
    cost = end(Receipt()).cost

    assert cost
    assert (cost.total, cost.unpriced) == (0.0, ())


def test_each_model_that_writes_down_words_is_noted_once():
    receipt = Receipt()

    for model in ("gpt-transcribe", "", "other", "gpt-transcribe"):
        receipt.transcribed_by(model)

    assert receipt.transcription_models == ["gpt-transcribe", "other"]


def test_models_of_all_bots_that_are_followed_are_noted():
    turns = Turns(replace(PLAIN_BOT, transcription_model="gpt-transcribe"))

    turns.follow(replace(PLAIN_BOT, transcription_model="other"))

    assert turns.receipt.transcription_models == ["gpt-transcribe", "other"]


def test_words_of_two_transcription_models_cannot_be_told_apart_and_have_no_price():
    receipt = Receipt(model="gpt-realtime-2.1", usage=Counter({"transcription.seconds": 60}))

    for model in ("gpt-transcribe", "gpt-live-transcribe"):
        receipt.transcribed_by(model)

    cost = end(receipt).cost
    assert cost
    assert (cost.total, cost.parts.transcription) == (0.0, None)
    assert cost.unpriced == ("gpt-transcribe", "gpt-live-transcribe")


def test_receipt_carries_what_it_was_given():
    data = end(Receipt(setup_ms=30, errors=["client_429"], model="gpt-realtime-2.1"), "transfer")

    assert (data.session_id, data.conversation_id) == ("session", "conversation")
    assert (data.org_id, data.bot_id) == ("organization", "bot")
    assert (data.started_at, data.duration_ms, data.setup_ms) == (AT, 9_000, 30)
    assert (data.end_reason, data.disposition) == ("transfer", "escalated")
    assert (data.errors, data.model) == (("client_429",), "gpt-realtime-2.1")
    assert data.output_variables == {"BOT_STATUS": "completed"}


@pytest.mark.parametrize(
    ("turns", "is_heard"),
    [
        ([], False),
        ([turn("caller")], False),
        ([turn("agent")], True),
        ([turn("agent", cut=True)], False),
        ([turn("agent"), turn("caller")], False),
        ([turn("caller"), turn("agent")], True),
        ([turn("caller"), turn("agent", cut=True)], False),
        ([turn("caller"), turn("agent"), turn("agent", cut=True)], True),
        ([turn("agent"), turn("caller"), turn("agent", cut=True)], False),
    ],
)
def test_caller_was_served_when_an_agent_turn_was_heard_after_the_last_caller_turn(
    turns: list[Turn], is_heard: bool
):
    assert was_last_word_heard(turns) is is_heard
    assert (end(Receipt(), turns=turns).disposition == "contained") is is_heard


def test_first_bot_answered_the_call_and_all_that_served_it_are_named():
    data = end(Receipt(bot_ids=["reception", "bank", "reception"]))

    assert data.bot_id == "reception"
    assert data.bot_ids == ("reception", "bank", "reception")


def test_functions_are_listed_in_the_order_of_their_ends():
    receipt = Receipt()
    uses = [ToolUse(name=name, at_ms=0, outcome="ok") for name in ("slow", "quick")]

    for use in uses:
        receipt.add_tool_use(use)

    assert end(receipt).tools == tuple(uses)
    assert end(receipt).counts.tool_calls == 2


def test_all_functions_are_counted_and_so_many_are_listed():
    receipt = Receipt()

    for _ in range(MAX_TOOL_USES + 5):
        receipt.add_tool_use(ToolUse(name="look_up", at_ms=0, outcome="ok"))

    assert len(end(receipt).tools) == MAX_TOOL_USES
    assert end(receipt).counts.tool_calls == MAX_TOOL_USES + 5


def test_only_so_many_errors_are_listed():
    receipt = Receipt()

    were_noted = [receipt.add_error("client_500") for _ in range(MAX_ERRORS + 2)]

    assert were_noted == [True] * MAX_ERRORS + [False] * 2
    assert len(end(receipt).errors) == MAX_ERRORS


@pytest.mark.parametrize(
    ("was_given_up", "disposition"), [(False, "escalated"), (True, "abandoned")]
)
def test_silent_caller_is_handed_over_or_given_up(was_given_up: bool, disposition: str):
    assert end(Receipt(was_given_up=was_given_up), "no_input").disposition == disposition
