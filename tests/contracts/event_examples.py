"""One example of each event of a call, with every field filled; their JSON: `tests/data/events`."""

from datetime import UTC, datetime

from service.call_events import (
    AnswerLatency,
    BargeIn,
    CallEndedData,
    Caller,
    CallEvent,
    CallPrivacy,
    CallStartedData,
    Connection,
    Cost,
    CostParts,
    Counts,
    Setup,
    Tokens,
    ToolUse,
    Transport,
    TurnData,
)

SESSION = "e160e428-53b2-487c-977d-96989bf5c99d"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
PARTICIPANT = "883efee8-3d6c-4537-b500-6d7ca4b92fa0"
CORRELATION = "9f1b2f0a-6a0e-4b9f-8f0c-0d8f3f6f6a11"
AT = datetime(2026, 11, 22, 9, 30, 15, 250_000, tzinfo=UTC)

STARTED = CallEvent(
    id=f"{SESSION}/started",
    type="call.started.v1",
    subject=CONVERSATION,
    time=AT,
    sessionid=SESSION,
    orgid=ORGANIZATION,
    data=CallStartedData(
        session_id=SESSION,
        conversation_id=CONVERSATION,
        org_id=ORGANIZATION,
        participant_id=PARTICIPANT,
        correlation_id=CORRELATION,
        bot_id="bank",
        caller=Caller(dnis="tel:+15555550100", language="en-US"),
        setup_ms=41,
    ),
)
TURN = CallEvent(
    id=f"{SESSION}/turn/2",
    type="call.turn.v1",
    subject=CONVERSATION,
    time=AT,
    sessionid=SESSION,
    orgid=ORGANIZATION,
    data=TurnData(
        turn_id=f"{SESSION}/turn/2",
        seq=2,
        speaker="agent",
        start_ms=4_100,
        end_ms=5_350,
        text="Your new card is on",
        text_generated="Your new card is on its way.",
        heard_ms=1_250,
        interrupted=True,
        recognised=False,
        item_id="item_Cabc",
    ),
)
ENDED = CallEvent(
    id=f"{SESSION}/ended",
    type="call.ended.v1",
    subject=CONVERSATION,
    time=AT,
    sessionid=SESSION,
    orgid=ORGANIZATION,
    data=CallEndedData(
        session_id=SESSION,
        conversation_id=CONVERSATION,
        org_id=ORGANIZATION,
        bot_id="bank",
        bot_ids=("bank", "cards"),
        started_at=AT,
        duration_ms=61_234,
        setup_ms=41,
        greeting_ms=None,
        end_reason="transfer",
        disposition="escalated",
        errors=("client_429",),
        counts=Counts(
            turns_caller=3,
            turns_agent=4,
            interruptions_by_caller=1,
            dtmf_events=2,
            tool_calls=2,
        ),
        answer_latency_ms=(640, 712),
        barge_in_stop_ms=(180,),
        setup=Setup(
            is_cold=False,
            upgrade_ms=12,
            opened_ms=41,
            model_ready_ms=385,
            greeting_left_ms=None,
            greeting_heard_ms=None,
        ),
        answers=(
            AnswerLatency(
                at_ms=8_120,
                leaving_ms=640,
                audible_ms=735,
                endpointing_ms=505,
                model_ms=121,
                tools_ms=0,
                pacing_ms=12,
                own_ms=2,
            ),
            AnswerLatency(
                at_ms=30_900,
                leaving_ms=712,
                audible_ms=None,
                endpointing_ms=510,
                model_ms=150,
                tools_ms=50,
                pacing_ms=0,
                own_ms=2,
            ),
        ),
        barge_ins=(BargeIn(at_ms=31_700, stop_ms=180, silent_ms=265),),
        tools=(
            ToolUse(name="switch_bot", at_ms=20_500, outcome="ok", duration_ms=3),
            ToolUse(name="stock", at_ms=31_250, outcome="failed", server="shop"),
        ),
        privacy=CallPrivacy(retention="redacted", redactions={"card": 1}),
        connections=(
            Connection(provider="openai", model="gpt-realtime-2.1", ready_ms=420),
            Connection(
                provider="cascade",
                model="cascade/small",
                ready_ms=25_310,
                after="closed_1011",
                lost_ms=24_890,
            ),
        ),
        transport=Transport(
            frames_in=306,
            bytes_in=489_600,
            frames_out=30,
            bytes_out=210_000,
            underruns=0,
            rate_limited=1,
            dropped_in_ms=0,
        ),
        model="gpt-realtime-2.1",
        usage={
            "response.input_token_details.text_tokens": 900.0,
            "response.input_token_details.audio_tokens": 300.0,
            "response.input_token_details.cached_tokens": 640.0,
            "response.output_token_details.text_tokens": 80.0,
            "response.output_token_details.audio_tokens": 400.0,
            "transcription.seconds": 12.5,
        },
        tokens=Tokens(
            input_text=260,
            input_audio=300,
            input_cached=640,
            output_text=80,
            output_audio=400,
        ),
        cost=Cost(
            total=0.038416,
            parts=CostParts(
                input_text=0.00104,
                input_audio=0.0096,
                input_cached=0.000256,
                output_text=0.00192,
                output_audio=0.0256,
                transcription=None,
            ),
            unpriced=("whisper-1",),
            price_date="2026-11",
        ),
        output_variables={
            "BOT_STATUS": "transfer",
            "END_REASON": "transfer",
            "TRANSFER_REASON": "lost card",
            "TRANSFER_TARGET": "cards",
            "SUMMARY": "Wants a person.",
            "PIN": "[masked]",
        },
    ),
)
EXAMPLES = {"call.started.v1": STARTED, "call.turn.v1": TURN, "call.ended.v1": ENDED}
