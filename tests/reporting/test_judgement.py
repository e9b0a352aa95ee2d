from dataclasses import replace
from typing import Any

import msgspec
import pytest

from scripts.reporting.call_page import call_body
from scripts.reporting.calls import Call
from service.call_documents import CallAnalysisData, Judgement
from tests.analytics.test_judging import ANSWER, with_scores
from tests.reporting.reader import read
from tests.reporting.scene import a_call
from tests.reporting.test_markup import ATTACKS


def judged(answer: dict[str, Any] | None = ANSWER, **changes: Any) -> Call:
    call = a_call(4)
    analysis = CallAnalysisData(
        session_id=call.ended.session_id,
        conversation_id=call.ended.conversation_id,
        org_id=call.ended.org_id,
        bot_id=call.ended.bot_id,
        started_at=call.ended.started_at,
        judge="openai",
        model="gpt-invented",
        prompt_version="2",
        status="judged",
        status_reason=None,
        turns=4,
        turns_judged=4,
        judgement=msgspec.convert(answer, Judgement) if answer else None,
    )
    return replace(call, analysis=msgspec.structs.replace(analysis, **changes))


def test_a_judgement_is_shown_as_an_opinion_with_whose_it_is():
    page = read(call_body(judged()))

    assert "An opinion of gpt-invented (openai), no fact. " in page.text
    for word in ("The caller asked for the opening hours.", "opening hours", "closed well", "Yes."):
        assert word in page.text
    assert "1 turn neutral" in page.text


def test_evidence_leads_to_its_turns_where_they_are_shown():
    answer = with_scores(evidence_turns=[3, 700])
    page = read(call_body(judged(answer), prefix="c7"))

    assert {"href": "#c7t3"} in page.of("a")
    assert "#c7t700" not in page.values("href")
    assert "700" in page.text


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("refused", "the endpoint filters the answer", "refused to judge this call: the endpoint"),
        ("malformed", "the answer has no text", "could not be used: the answer has no text."),
        ("nothing_said", None, "no words of the caller are known."),
    ],
)
def test_why_there_is_no_judgement_is_told(status: str, reason: str | None, told: str):
    text = read(call_body(judged(None, status=status, status_reason=reason, turns_judged=0))).text

    assert told in text


def test_a_judgement_of_a_part_says_so():
    assert "It was shown 2 of 4 turns." in read(call_body(judged(turns_judged=2))).text


def test_what_a_judge_has_no_opinion_of_is_left_out():
    sentiments_alone = ANSWER | {"summary": None, "intent": None, "resolution": None}

    assert "Judgement" in read(call_body(judged(sentiments_alone | {"scorecard": []}))).text


def test_a_call_that_nobody_judged_says_nothing_of_it():
    assert "Judgement" not in read(call_body(a_call(4))).text


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_word_of_a_model_becomes_a_tag(attack: str):
    plain = read(call_body(judged()))
    answer = with_scores(reason=attack, id=attack) | {"summary": attack, "intent": attack}

    page = read(call_body(judged(answer)))

    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]


def test_a_judgement_of_any_length_is_bounded():
    long = with_scores(reason="x" * 1_000_000, evidence_turns=[1] * 10_000)
    long["scorecard"] *= 1_000

    assert len(call_body(judged(long))) < 200_000
