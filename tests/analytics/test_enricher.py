import json
from collections.abc import Sequence
from typing import Any

import pytest

from service.analytics.enricher import CallNotThereError, Enricher
from service.analytics.forgetting import forget_conversation
from service.analytics.judging import (
    JudgeBusyError,
    JudgeRefusedError,
    MalformedAnswerError,
    judgement_of,
)
from service.analytics.rows import call_of
from service.call_documents import Judgement
from service.call_events import TurnData
from tests.analytics.scene import DAY, RETENTION, Files, KilledError, World, call_of_turns
from tests.analytics.test_judging import ANSWER
from tests.contracts.event_examples import CONVERSATION, SESSION

KEY = f"analysis/{DAY}/{SESSION}.json"


class FakeJudge:
    """Answers, or raises, one thing after another."""

    name, model = "fake", "m1"

    def __init__(self, *answers: Exception | str) -> None:
        self.answers = list(answers)

    def judge(self, turns: Sequence[TurnData]) -> Judgement:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return judgement_of(answer, turns)


class Listener:
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def call_analyzed(self, event: bytes) -> None:
        self.heard.append(json.loads(event))


def world_of(turns: int = 2) -> World:
    world = World()
    for event in call_of_turns(turns):
        world.recorder().record(event)
    return world


def enricher(world: World, judge: FakeJudge, bus: Listener) -> Enricher:
    return Enricher(judge, table=world, lake=Files(world), bus=bus, retention=RETENTION)


def test_a_judgement_is_kept_with_whose_it_is():
    world, bus = world_of(), Listener()
    enricher(world, FakeJudge(json.dumps(ANSWER)), bus).enrich(SESSION)
    document = json.loads(world.lake[KEY])
    assert bus.heard == [document]
    data = document["data"]
    assert (data["status"], data["judge"], data["model"]) == ("judged", "fake", "m1")
    assert (data["turns"], data["turns_judged"], data["prompt_version"]) == (2, 2, "2")
    assert data["judgement"] == ANSWER
    assert world.has(SESSION, "ANALYSIS#fake#m1#2")


def test_the_facts_of_the_call_stay_what_they_were():
    world = world_of()
    before = call_of(world.rows(SESSION))
    enricher(world, FakeJudge(json.dumps(ANSWER)), Listener()).enrich(SESSION)
    assert call_of(world.rows(SESSION)) == before


def test_a_judged_call_is_not_judged_again():
    world = world_of()
    judge = FakeJudge(json.dumps(ANSWER))
    assert enricher(world, judge, Listener()).enrich(SESSION) is not None
    assert enricher(world, judge, Listener()).enrich(SESSION) is None


def test_a_malformed_answer_is_asked_for_once_more():
    world = world_of()
    judge = FakeJudge(MalformedAnswerError(), json.dumps(ANSWER))
    analysis = enricher(world, judge, Listener()).enrich(SESSION)
    assert analysis is not None
    assert analysis.data.status == "judged"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((MalformedAnswerError("a"), MalformedAnswerError("why")), "malformed"),
        ((JudgeRefusedError("why"),), "refused"),
    ],
)
def test_no_judgement_is_said_to_be_none(answers: tuple[Exception, ...], status: str):
    world = world_of()
    enricher(world, FakeJudge(*answers), Listener()).enrich(SESSION)
    data = json.loads(world.lake[KEY])["data"]
    assert (data["status"], data["judgement"], data["turns_judged"]) == (status, None, 0)
    assert data["status_reason"] == "why"


def test_nobody_is_asked_about_a_call_in_which_nobody_spoke():
    world = world_of(turns=0)
    analysis = enricher(world, FakeJudge(), Listener()).enrich(SESSION)
    assert analysis is not None
    assert analysis.data.status == "nothing_said"


def test_a_busy_judge_leaves_nothing_behind():
    world = world_of()
    with pytest.raises(JudgeBusyError):
        enricher(world, FakeJudge(JudgeBusyError()), Listener()).enrich(SESSION)
    assert KEY not in world.lake


def test_a_function_killed_before_its_last_write_judges_again():
    world, bus = world_of(), Listener()
    world.writes_left = 1
    with pytest.raises(KilledError):
        enricher(world, FakeJudge(json.dumps(ANSWER)), bus).enrich(SESSION)
    world.writes_left = 9
    enricher(world, FakeJudge(json.dumps(ANSWER)), bus).enrich(SESSION)
    assert bus.heard[0] == bus.heard[1]
    assert world.has(SESSION, "ANALYSIS#fake#m1#2")


def test_a_call_that_is_not_there_is_said():
    with pytest.raises(CallNotThereError):
        enricher(World(), FakeJudge(), Listener()).enrich(SESSION)


def test_a_forgotten_call_leaves_no_judgement():
    world = world_of()
    enricher(world, FakeJudge(json.dumps(ANSWER)), Listener()).enrich(SESSION)
    forget_conversation(CONVERSATION, table=world, lake=Files(world))
    assert world.lake == {}
    assert world.parts == {}
