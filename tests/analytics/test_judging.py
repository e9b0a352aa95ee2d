import json
from typing import Any

import msgspec
import pytest

from service.analytics.judging import (
    CRITERIA,
    INSTRUCTIONS,
    MAX_CHARACTERS,
    MalformedAnswerError,
    judgement_of,
    question_of,
    selected,
)
from service.call_events import TurnData
from tests.analytics.scene import turn

ANSWER: dict[str, Any] = {
    "summary": "The caller asked for the opening hours.",
    "intent": "opening hours",
    "resolution": "resolved",
    "sentiments": [{"turn": 1, "sentiment": "neutral"}],
    "scorecard": [
        {"id": criterion, "passed": True, "reason": "Yes.", "evidence_turns": [2]}
        for criterion in ("understood", "correct", "polite", "efficient", "closed_well")
    ],
}


def with_scores(**change: Any) -> dict[str, Any]:
    """The answer with another first line in its scorecard."""
    first, *others = ANSWER["scorecard"]
    return ANSWER | {"scorecard": [first | change, *others]}


def turns_of(count: int) -> list[TurnData]:
    turns = (turn(number).data for number in range(1, count + 1))
    return [data for data in turns if isinstance(data, TurnData)]


def test_an_answer_is_read_also_within_a_fence():
    for text in (json.dumps(ANSWER), f"```json\n{json.dumps(ANSWER)}\n```"):
        judgement = judgement_of(text, turns_of(2))
        assert judgement.resolution == "resolved"
        assert judgement.scorecard[0].passed is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I am sorry.",
        "[]",
        "{}",
        json.dumps(ANSWER | {"resolution": "maybe"}),
        json.dumps(ANSWER | {"summary": None}),
        "[" * 100_000,
        json.dumps(ANSWER | {"sentiments": [{"turn": 2, "sentiment": "negative"}]}),  # the agent's
        json.dumps(ANSWER | {"sentiments": [{"turn": 9, "sentiment": "negative"}]}),
        json.dumps(with_scores(evidence_turns=[9], reason="I am sorry.")),
        json.dumps(with_scores(id="polite")),
        json.dumps(with_scores(id="sorry")),
        json.dumps(ANSWER | {"scorecard": []}),
    ],
)
def test_another_answer_is_malformed_and_not_quoted(text: str):
    with pytest.raises(MalformedAnswerError) as caught:
        judgement_of(text, turns_of(2))
    assert "sorry" not in str(caught.value)


def test_a_score_without_evidence_is_undecided():
    judgement = judgement_of(json.dumps(with_scores(evidence_turns=[])), turns_of(2))
    assert [score.passed for score in judgement.scorecard] == [None, True, True, True, True]


def test_the_question_names_each_line_of_the_scorecard():
    assert all(f'"{criterion}"' in INSTRUCTIONS for criterion in CRITERIA)


def test_a_short_call_is_asked_about_whole():
    assert [one["turn"] for one in json.loads(question_of(selected(turns_of(3))))] == [1, 2, 3]


def test_a_long_call_loses_its_middle():
    turns = turns_of(17)  # seven or eight characters each
    chosen = selected(turns, 64)
    assert [one.seq for one in chosen] == [1, 2, 12, 13, 14, 15, 16, 17]
    assert sum(len(one.text) for one in chosen) <= 64


def test_a_turn_of_any_length_is_asked_about():
    [turn] = turns_of(1)
    long = msgspec.structs.replace(turn, text="x" * 100_000)
    [chosen] = selected([long])
    assert 5_000 < len(chosen.text) <= MAX_CHARACTERS // 8
    assert chosen.text.endswith("x […]")
    assert "[…]" in INSTRUCTIONS
