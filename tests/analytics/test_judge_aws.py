import json
from typing import Any

import boto3
import msgspec
import pytest
from botocore.stub import ANY, Stubber

from service.analytics.judge_aws import BedrockJudge, ComprehendJudge
from service.analytics.judging import (
    INSTRUCTIONS,
    JudgeBusyError,
    JudgeRefusedError,
    JudgeSetupError,
    MalformedAnswerError,
)
from tests.analytics.test_judging import ANSWER, turns_of


def client_of(service: str) -> Any:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client(service, region_name="us-east-1", **keys)


def converse_answer(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}] if text else []}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }


def bedrock(answer: dict[str, Any]) -> BedrockJudge:
    client = client_of("bedrock-runtime")
    stubber = Stubber(client)
    expected = {
        "modelId": "m",
        "system": [{"text": INSTRUCTIONS}],
        "messages": ANY,
        "inferenceConfig": {"maxTokens": 4_000},
    }
    stubber.add_response("converse", answer, expected)
    stubber.activate()
    return BedrockJudge(client, "m")


def test_bedrock_judges():
    judgement = bedrock(converse_answer(json.dumps(ANSWER))).judge(turns_of(2))
    assert judgement.resolution == "resolved"


def test_bedrock_refuses_and_babbles():
    with pytest.raises(JudgeRefusedError):
        bedrock(converse_answer("", "guardrail_intervened")).judge(turns_of(2))
    for text in ("", json.dumps(ANSWER)[:40]):
        with pytest.raises(MalformedAnswerError):
            bedrock(converse_answer(text, "max_tokens")).judge(turns_of(2))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", JudgeBusyError),
        ("ServiceUnavailable", JudgeBusyError),
        ("InternalFailure", JudgeBusyError),
        ("AccessDeniedException", JudgeSetupError),
    ],
)
def test_errors_of_bedrock_say_whether_to_wait_or_to_look(code: str, kind: type[Exception]):
    client = client_of("bedrock-runtime")
    stubber = Stubber(client)
    stubber.add_client_error("converse", code, "words 1")
    stubber.activate()
    with pytest.raises(kind, match=code) as caught:
        BedrockJudge(client, "m").judge(turns_of(2))
    assert "words 1" not in str(caught.value)


def test_comprehend_gives_sentiments_of_the_callers_turns_in_batches():
    client = client_of("comprehend")
    stubber = Stubber(client)
    turns = turns_of(60)  # thirty of them the caller's
    for size in (25, 5):
        results = [{"Index": i, "Sentiment": "NEGATIVE"} for i in reversed(range(size))]
        expected = {"LanguageCode": "de", "TextList": ANY}
        answer = {"ResultList": results, "ErrorList": []}
        stubber.add_response("batch_detect_sentiment", answer, expected)
    stubber.activate()
    judgement = ComprehendJudge(client, "de").judge(turns)
    assert [one.turn for one in judgement.sentiments] == list(range(1, 60, 2))
    assert {one.sentiment for one in judgement.sentiments} == {"negative"}
    assert (judgement.summary, judgement.resolution) == (None, None)


def test_a_turn_that_comprehend_fails_at_is_not_left_out():
    client = client_of("comprehend")
    stubber = Stubber(client)
    failed = {"Index": 0, "ErrorCode": "INTERNAL_SERVER_ERROR", "ErrorMessage": "words 1"}
    stubber.add_response("batch_detect_sentiment", {"ResultList": [], "ErrorList": [failed]})
    stubber.activate()
    with pytest.raises(JudgeBusyError, match="INTERNAL_SERVER_ERROR") as caught:
        ComprehendJudge(client, "en").judge(turns_of(2))
    assert "words 1" not in str(caught.value)


def test_a_long_turn_is_cut_at_a_whole_character():
    client = client_of("comprehend")
    stubber = Stubber(client)
    expected = {"LanguageCode": "en", "TextList": ["x" + "é" * 2_499]}
    stubber.add_response("batch_detect_sentiment", {"ResultList": [], "ErrorList": []}, expected)
    stubber.activate()
    [turn] = turns_of(1)
    long = msgspec.structs.replace(turn, text="x" + "é" * 4_000)
    assert ComprehendJudge(client, "en").judge([long]).sentiments == ()
    stubber.assert_no_pending_responses()
