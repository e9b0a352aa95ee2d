import json
from typing import Any

import pytest

from service.analytics.judging import (
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
    "scorecard": [{"id": "polite", "passed": True, "reason": "Yes.", "evidence_turns": [2]}],
}


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
    ],
)
def test_another_answer_is_malformed_and_not_quoted(text: str):
    with pytest.raises(MalformedAnswerError) as caught:
        judgement_of(text, turns_of(2))
    assert "sorry" not in str(caught.value)


def test_invented_evidence_is_dropped_and_decides_nothing():
    invented = ANSWER | {
        "sentiments": [{"turn": 2, "sentiment": "negative"}, {"turn": 9, "sentiment": "mixed"}],
        "scorecard": [{"id": "polite", "passed": False, "reason": "No.", "evidence_turns": [9]}],
    }
    judgement = judgement_of(json.dumps(invented), turns_of(2))
    assert judgement.sentiments == ()
    assert (judgement.scorecard[0].passed, judgement.scorecard[0].evidence_turns) == (None, ())


def test_a_short_call_is_asked_about_whole():
    assert [one["turn"] for one in json.loads(question_of(selected(turns_of(3))))] == [1, 2, 3]


def test_a_long_call_loses_its_middle():
    turns = turns_of(9)  # seven characters each
    assert [one.seq for one in selected(turns, 28)] == [1, 7, 8, 9]
