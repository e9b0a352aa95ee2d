"""The analysts' questions on a day whose answers are counted here, without SQL, from its events."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from scripts.judge_calls import judge_calls
from scripts.synthetic_day import MODEL, synthetic_day, write_day
from service.analytics.judging import PROMPT_VERSION
from service.analytics.local_calls import record_files
from service.call_documents import Judgement
from service.call_events import CallEndedData, TurnData

FOLDER = Path(__file__).parents[2] / "service" / "analytics" / "sql"
CALLS, SEED = 120, 7
DAY = "2026-11-22"

EVENTS = [event for call in synthetic_day(CALLS, seed=SEED) for event in call]
ENDS = [event.data for event in EVENTS if isinstance(event.data, CallEndedData)]
TURNS = [event.data for event in EVENTS if isinstance(event.data, TurnData)]


class CountingJudge:
    """Thinks by the number of turns."""

    name, model = "counting", "m"

    def judge(self, turns: Sequence[TurnData]) -> Judgement:
        return judged(len(turns))


def judged(turns: int) -> Judgement:
    return Judgement(
        summary="Something was said.",
        intent="opening hours" if turns % 2 else "a delivery",
        resolution="resolved" if turns < 6 else "unresolved",
        sentiments=(),
        scorecard=(),
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("day")
    write_day(folder / "events", CALLS, seed=SEED)
    assert record_files(folder / "events", folder / "analytics").refused == ()
    judge_calls(folder / "analytics", CountingJudge())
    connection = duckdb.connect()
    for table, kind in (("calls", "ndjson.gz"), ("turns", "ndjson.gz"), ("analysis", "json")):
        files = folder / "analytics" / "lake" / table / "*" / f"*.{kind}"
        connection.execute(
            f"CREATE TABLE {table} AS SELECT * FROM read_json_auto('{files}',"
            " hive_partitioning = true, hive_types_autocast = false, sample_size = -1)"
        )
    return connection


def ask(lake: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    asked = lake.execute((FOLDER / f"{name}.sql").read_text())
    columns = [column[0] for column in asked.description or []]
    return [dict(zip(columns, row, strict=True)) for row in asked.fetchall()]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.stem)
def test_query_is_one_statement_in_the_dialect_of_athena_and_of_duckdb(path: Path):
    for dialect in ("athena", "duckdb"):
        [statement] = sqlglot.parse(path.read_text(), dialect=dialect)
        assert statement is not None


def test_containment(lake: duckdb.DuckDBPyConnection):
    of = Counter(end.disposition for end in ENDS)

    [row] = ask(lake, "containment")

    assert (row["dt"], row["calls"]) == (DAY, CALLS)
    assert {name: row[name] for name in of} == dict(of)
    assert float(row["containment_rate"]) == pytest.approx(of["contained"] / CALLS)


def test_handover_reasons(lake: duckdb.DuckDBPyConnection):
    truth = Counter((e.bot_id, e.end_reason) for e in ENDS if e.disposition == "escalated")

    rows = ask(lake, "handover_reasons")

    assert {(row["bot_id"], row["end_reason"]): row["calls"] for row in rows} == dict(truth)
    assert [row["calls"] for row in rows] == sorted(truth.values(), reverse=True)


def test_answer_latency(lake: duckdb.DuckDBPyConnection):
    waits = sorted(wait for end in ENDS for wait in end.answer_latency_ms)

    [row] = ask(lake, "answer_latency")

    assert row == {
        "dt": DAY,
        "answers": len(waits),
        "p50_ms": waits[math.ceil(len(waits) * 0.50) - 1],
        "p95_ms": waits[math.ceil(len(waits) * 0.95) - 1],
        "longest_ms": waits[-1],
    }


def test_cost_per_day(lake: duckdb.DuckDBPyConnection):
    tokens = [end.tokens for end in ENDS if end.tokens]
    usd = sum(end.cost.total or 0 for end in ENDS if end.cost)
    contained = sum(end.disposition == "contained" for end in ENDS)

    [row] = ask(lake, "cost_per_day")

    assert (row["model"], row["calls"], row["unpriced_calls"]) == (MODEL, CALLS, 0)
    assert row["input_tokens"] == sum(
        each.input_text + each.input_audio + each.input_cached for each in tokens
    )
    assert row["output_tokens"] == sum(each.output_text + each.output_audio for each in tokens)
    assert row["usd"] == pytest.approx(usd)
    assert row["usd_per_contained_call"] == pytest.approx(usd / contained)


def test_worst_calls(lake: duckdb.DuckDBPyConnection):
    order = {"failed": 0, "abandoned": 1}
    truth = sorted(
        ENDS,
        key=lambda end: (
            order.get(end.disposition, 2),
            -max(end.answer_latency_ms, default=0),
            end.session_id,
        ),
    )

    rows = ask(lake, "worst_calls")

    assert [row["session_id"] for row in rows] == [end.session_id for end in truth[:50]]
    assert rows[0]["disposition"] == "failed"


def test_silence_and_interruptions(lake: duckdb.DuckDBPyConnection):
    caller = sum(turn.end_ms - turn.start_ms for turn in TURNS if turn.speaker == "caller")
    agent = sum(turn.heard_ms for turn in TURNS if turn.speaker == "agent")

    [row] = ask(lake, "silence_and_interruptions")

    assert row == {
        "dt": DAY,
        "caller_ms": caller,
        "agent_ms": agent,
        "silence_ms": sum(end.duration_ms for end in ENDS) - caller - agent,
        "interruptions": sum(turn.interrupted for turn in TURNS),
    }


def test_judged_intents(lake: duckdb.DuckDBPyConnection):
    spoken = [(e.sessionid, e.data.speaker) for e in EVENTS if isinstance(e.data, TurnData)]
    turns = Counter(session_id for session_id, _ in spoken)
    asked = {session_id for session_id, speaker in spoken if speaker == "caller"}
    truth = Counter(
        (opinion.intent, opinion.resolution, end.disposition)
        for end in ENDS
        if end.session_id in asked
        for opinion in [judged(turns[end.session_id])]
    )

    rows = ask(lake, "judged_intents")

    names = ("intent", "resolution", "disposition")
    assert {tuple(row[name] for name in names): row["judged_calls"] for row in rows} == dict(truth)
    assert [row["judged_calls"] for row in rows] == sorted(truth.values(), reverse=True)
    assert len(truth) > 3
    assert {(row["model"], row["prompt_version"]) for row in rows} == {("m", PROMPT_VERSION)}
