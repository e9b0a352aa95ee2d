"""Invents a day of calls as event files, so that the analysis can be tried before the first call.

The same seed gives the same day. The words are invented too: they mean nothing.
Use: python -m scripts.synthetic_day DIR [--calls 2000] [--seed 1]
"""

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from service.call_events import (
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


def write_day(directory: Path, calls: int, *, seed: int = 1) -> int:
    """Write the files `dt=YYYY-MM-DD/<session>.ndjson` as the service does; return the events."""
    written = 0
    for events in synthetic_day(calls, seed=seed):
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
    clock_ms = 0
    for number in range(1, chance.randrange(0, 24) + 1):
        speaker: Literal["caller", "agent"] = "agent" if number % 2 else "caller"
        clock_ms += round(chance.lognormvariate(6.6, 0.35)) if speaker == "agent" else 400
        length_ms = chance.randrange(600, 6_000)
        turns.append(
            TurnData(
                turn_id=f"{session}/turn/{number}",
                seq=number,
                speaker=speaker,
                start_ms=clock_ms,
                end_ms=clock_ms + length_ms,
                text=f"{speaker} says something for {length_ms / 1_000:.1f} seconds.",
                heard_ms=length_ms,
                interrupted=speaker == "agent" and chance.random() < 0.1,
                item_id=f"item_{number}",
            )
        )
        clock_ms += length_ms
    return turns


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
        answer_latency_ms=tuple(
            answer.start_ms - said.end_ms
            for said, answer in zip(turns[1::2], turns[2::2], strict=False)
        ),
        barge_in_stop_ms=(),
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
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    events = write_day(given.directory, given.calls, seed=given.seed)
    print(msgspec.json.encode({"calls": given.calls, "events": events}).decode())


if __name__ == "__main__":
    main()
