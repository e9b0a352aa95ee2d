"""Invents a day of calls as event files, so that the analysis can be tried before the first call.

The same seed gives the same day. The words are invented too: they mean nothing.
Use: python -m scripts.synthetic_day DIR [--calls 2000] [--days 1] [--seed 1]
"""

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from service.call_events import (
    AnswerLatency,
    BargeIn,
    CallEndedData,
    Caller,
    CallEvent,
    CallStartedData,
    Cost,
    CostParts,
    Counts,
    EndReason,
    Tokens,
    Transport,
    TurnData,
    disposition_of,
    to_json,
)

DAY = datetime(2026, 11, 22, tzinfo=UTC)
MODEL = "gpt-realtime-2.1"
ENDS: dict[EndReason, int] = {
    "bot_completed": 30,
    "caller_hangup": 40,
    "transfer": 20,
    "no_input": 4,
    "socket_lost": 3,
    "max_duration": 1,
    "provider_error": 2,
}
"""How often each end is drawn, in per cent; invented."""
BOTS = ("bank", "reception", "bilingual")


def synthetic_day(calls: int, *, seed: int = 1, day: datetime = DAY) -> Iterator[list[CallEvent]]:
    """Yield the events of each call of a day (midnight, UTC), in the order of their starts."""
    chance = random.Random(seed)
    starts = sorted(chance.uniform(8, 20) for _ in range(calls))
    for number, hour in enumerate(starts):
        yield _call(f"synthetic-{seed}-{number:05}", day + timedelta(hours=hour), chance)


def write_day(directory: Path, calls: int, *, seed: int = 1, day: datetime = DAY) -> int:
    """Write the files `dt=YYYY-MM-DD/<session>.ndjson` as the service does; return the events."""
    written = 0
    for events in synthetic_day(calls, seed=seed, day=day):
        path = directory / f"dt={events[0].time:%Y-%m-%d}" / f"{events[0].sessionid}.ndjson"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(to_json(event) + b"\n" for event in events))
        written += len(events)
    return written


def _call(session: str, at: datetime, chance: random.Random) -> list[CallEvent]:
    bot_id = chance.choice(BOTS)
    turns = _turns(session, chance)
    duration_ms = (turns[-1].end_ms if turns else 0) + chance.randrange(200, 5_000)
    started = CallStartedData(
        session_id=session,
        conversation_id=f"conversation-of-{session}",
        org_id="synthetic-org",
        participant_id=f"participant-of-{session}",
        correlation_id=None,
        bot_id=bot_id,
        caller=Caller(dnis="tel:+15555550100", language=chance.choice(["en-US", "de-DE"])),
        setup_ms=chance.randrange(20, 90),
    )
    data: list[tuple[str, int, CallStartedData | TurnData | CallEndedData]] = [
        ("started", 0, started),
        *((f"turn/{turn.seq}", turn.end_ms, turn) for turn in turns),
        ("ended", duration_ms, _ended(started, at, turns, duration_ms, chance)),
    ]
    return [
        CallEvent(
            id=f"{session}/{kind}",
            type=f"call.{kind.partition('/')[0]}.v1",  # type: ignore[arg-type]  # as `kind` says
            subject=started.conversation_id,
            time=at + timedelta(milliseconds=ms),
            sessionid=session,
            orgid=started.org_id,
            data=each,
        )
        for kind, ms, each in data
    ]


def _turns(session: str, chance: random.Random) -> list[TurnData]:
    turns: list[TurnData] = []
    details = random.Random(session)
    clock_ms = 0
    for number in range(1, chance.randrange(0, 24) + 1):
        speaker: Literal["caller", "agent"] = "agent" if number % 2 else "caller"
        wait_ms = round(chance.lognormvariate(6.6, 0.35)) if speaker == "agent" else 400
        length_ms = chance.randrange(600, 6_000)
        is_cut = speaker == "agent" and chance.random() < 0.1
        words = f"{speaker} says something for {length_ms / 1_000:.1f} seconds."
        is_answer = speaker == "agent" and number > 1
        latency = _latency(clock_ms, wait_ms, details) if is_answer else msgspec.UNSET
        clock_ms += wait_ms
        turns.append(
            TurnData(
                turn_id=f"{session}/turn/{number}",
                seq=number,
                speaker=speaker,
                start_ms=clock_ms,
                end_ms=clock_ms + length_ms,
                text=words,
                text_generated=f"{words} The rest is never heard." if is_cut else msgspec.UNSET,
                heard_ms=length_ms,
                interrupted=is_cut,
                item_id=f"item_{number}",
                latency=latency,
            )
        )
        clock_ms += length_ms
    return turns


def _latency(at_ms: int, wait_ms: int, chance: random.Random) -> AnswerLatency:
    own_ms = chance.randrange(0, min(6, wait_ms))
    pacing_ms = min(chance.randrange(0, 40), wait_ms - own_ms)
    endpointing_ms = min(500, wait_ms - own_ms - pacing_ms)
    return AnswerLatency(
        at_ms=at_ms,
        leaving_ms=wait_ms,
        audible_ms=wait_ms + chance.randrange(40, 120),
        endpointing_ms=endpointing_ms,
        model_ms=wait_ms - own_ms - pacing_ms - endpointing_ms,
        tools_ms=0,
        pacing_ms=pacing_ms,
        own_ms=own_ms,
    )


def _barge_ins(turns: list[TurnData], chance: random.Random) -> tuple[BargeIn, ...]:
    stops = [(turn.end_ms, chance.randrange(80, 300)) for turn in turns if turn.interrupted]
    return tuple(
        BargeIn(at_ms=end_ms - stop_ms, stop_ms=stop_ms, silent_ms=stop_ms + 60)
        for end_ms, stop_ms in stops
    )


def _ended(
    started: CallStartedData,
    at: datetime,
    turns: list[TurnData],
    duration_ms: int,
    chance: random.Random,
) -> CallEndedData:
    reason = chance.choices(list(ENDS), weights=list(ENDS.values()))[0]
    was_served = bool(turns) and turns[-1].speaker == "agent" and not turns[-1].interrupted
    agent_turns = [turn for turn in turns if turn.speaker == "agent"]
    tokens, cost = _use(agent_turns, chance)
    answers = [turn.latency for turn in turns if isinstance(turn.latency, AnswerLatency)]
    barge_ins = _barge_ins(turns, random.Random(started.session_id))
    return CallEndedData(
        session_id=started.session_id,
        conversation_id=started.conversation_id,
        org_id=started.org_id,
        bot_id=started.bot_id,
        bot_ids=(started.bot_id,),
        started_at=at,
        duration_ms=duration_ms,
        setup_ms=started.setup_ms,
        greeting_ms=turns[0].start_ms if turns else None,
        end_reason=reason,
        disposition=disposition_of(reason, was_last_word_heard=was_served),
        errors=("provider_lost",) if reason == "provider_error" else (),
        counts=_counts(turns),
        answer_latency_ms=tuple(answer.leaving_ms for answer in answers),
        barge_in_stop_ms=tuple(each.stop_ms for each in barge_ins),
        answers=tuple(answers),
        barge_ins=barge_ins,
        transport=_transport(duration_ms, agent_turns),
        model=MODEL,
        usage={},
        tokens=tokens,
        cost=cost,
        output_variables={"END_REASON": reason},
    )


def _counts(turns: list[TurnData]) -> Counts:
    agents = sum(turn.speaker == "agent" for turn in turns)
    return Counts(
        turns_caller=len(turns) - agents,
        turns_agent=agents,
        interruptions_by_caller=sum(turn.interrupted for turn in turns),
        dtmf_events=0,
        tool_calls=0,
    )


def _transport(duration_ms: int, agent_turns: list[TurnData]) -> Transport:
    return Transport(
        frames_in=duration_ms // 200,
        bytes_in=duration_ms * 8,
        frames_out=len(agent_turns),
        bytes_out=sum(turn.heard_ms for turn in agent_turns) * 8,
        underruns=0,
        rate_limited=0,
        dropped_in_ms=0,
    )


def _use(agent_turns: list[TurnData], chance: random.Random) -> tuple[Tokens, Cost]:
    tokens = Tokens(
        input_text=300 * len(agent_turns),
        input_audio=chance.randrange(50, 400),
        input_cached=200 * len(agent_turns),
        output_text=20 * len(agent_turns),
        output_audio=sum(turn.heard_ms for turn in agent_turns) // 50,
    )
    parts = CostParts(
        input_text=0.0,
        input_audio=0.0,
        input_cached=0.0,
        output_text=0.0,
        output_audio=round(tokens.output_audio * 64e-6, 6),
        transcription=0.0,
    )
    return tokens, Cost(
        total=parts.output_audio, parts=parts, unpriced=(), price_date=f"{DAY:%Y-%m}"
    )


def main() -> None:
    """Write the day and say how many events it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=1, help="so many days, each of --calls")
    parser.add_argument("--seed", type=int, default=1, help="of the first day")
    given = parser.parse_args()
    events = sum(
        write_day(given.directory, given.calls, seed=given.seed + day, day=DAY + timedelta(day))
        for day in range(given.days)
    )
    print(msgspec.json.encode({"calls": given.calls * given.days, "events": events}).decode())


if __name__ == "__main__":
    main()
