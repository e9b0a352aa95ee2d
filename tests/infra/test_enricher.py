"""What the program declares where a judge is set: the road to it, and the rights by its kind."""

import json
from typing import Any

import pytest

from tests.infra.stack import ACCOUNT, REGION, Stack, apply
from tests.infra.test_stack import rights

KEY = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:judge-AbCdEf"
JUDGES = {
    "openai": {"judge": "openai", "judgeModel": "gpt-invented"},
    "compatible": {
        "judge": "openai",
        "judgeModel": "m",
        "judgeBaseUrl": "https://llm.example.com/v1",
    },
    "with a key": {
        "judge": "openai",
        "judgeModel": "m",
        "judgeBaseUrl": "https://llm.example.com/v1",
        "judgeApiKeySecret": KEY,
    },
    "model": {"judge": "bedrock", "judgeModel": "amazon.nova-lite-v1:0"},
    "profile": {"judge": "bedrock", "judgeModel": "eu.amazon.nova-lite-v1:0"},
    "comprehend": {"judge": "comprehend", "judgeLanguage": "de"},
}
OF_ALL = {
    "queue/judging": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "table/calls": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
    "bucket/lake/oversize/rows/*": {"s3:GetObject"},
    "bucket/lake/analysis/*": {"s3:PutObject"},
    "eventbus/calls": {"events:PutEvents"},
}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
READ = {"secretsmanager:GetSecretValue"}


@pytest.fixture(scope="module")
def by_judge(functions_zip: str) -> dict[str, Stack]:
    zipped = {"functionsZip": functions_zip}
    return {name: apply(zipped | config) for name, config in JUDGES.items()}


@pytest.fixture(scope="module")
def made(by_judge: dict[str, Stack]) -> Stack:
    return by_judge["openai"]


def settings_of(made: Stack) -> dict[str, Any]:
    function = made.one("lambda/function:Function", "enricher").inputs
    variables: dict[str, Any] = function["environment"]["variables"]
    return {name: value for name, value in variables.items() if name.startswith("JUDGE")}


def test_without_a_judge_there_is_nothing_of_it(functions_zip: str):
    for config in ({}, {"judge": "none"}):
        names = {each.name for each in apply({"functionsZip": functions_zip} | config).resources}

        assert names.isdisjoint({"enricher", "judging", "judging-dead", "dead-judgements"})


def test_the_function_is_told_its_judge(by_judge: dict[str, Stack]):
    own = by_judge["openai"].one("secretsmanager/secret:Secret", "openai-api-key")

    assert {name: settings_of(made) for name, made in by_judge.items()} == {
        "openai": {
            "JUDGE": "openai",
            "JUDGE_MODEL": "gpt-invented",
            "JUDGE_API_KEY_SECRET": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret/{own.name}",
        },
        "compatible": {
            "JUDGE": "openai",
            "JUDGE_MODEL": "m",
            "JUDGE_BASE_URL": "https://llm.example.com/v1",
        },
        "with a key": {
            "JUDGE": "openai",
            "JUDGE_MODEL": "m",
            "JUDGE_BASE_URL": "https://llm.example.com/v1",
            "JUDGE_API_KEY_SECRET": KEY,
        },
        "model": {"JUDGE": "bedrock", "JUDGE_MODEL": "amazon.nova-lite-v1:0"},
        "profile": {"JUDGE": "bedrock", "JUDGE_MODEL": "eu.amazon.nova-lite-v1:0"},
        "comprehend": {"JUDGE": "comprehend", "JUDGE_LANGUAGE": "de"},
    }


def test_the_function_may_ask_its_judge_and_no_other(by_judge: dict[str, Stack]):
    def asking(name: str) -> dict[str, Any]:
        allowed = rights(by_judge[name], "enricher")
        assert {on: allowed.get(on) for on in OF_ALL} == OF_ALL
        return {on: actions for on, actions in allowed.items() if on not in OF_ALL}

    assert asking("openai") == {"secret/openai-api-key": READ, "*": LOGS}
    assert asking("compatible") == {"*": LOGS}
    assert asking("with a key") == {"judge-AbCdEf": READ, "*": LOGS}
    assert asking("comprehend") == {"*": LOGS | {"comprehend:BatchDetectSentiment"}}
    assert asking("model") == {"0": {"bedrock:InvokeModel"}, "*": LOGS}


def test_a_profile_may_use_its_model_wherever_bedrock_does(by_judge: dict[str, Stack]):
    role = by_judge["profile"].one("iam/rolePolicy:RolePolicy", "enricher").inputs["policy"]
    [models] = [
        each["Resource"]
        for each in json.loads(role)["Statement"]
        if each["Action"] == ["bedrock:InvokeModel"]
    ]

    assert models == [
        f"arn:aws:bedrock:{REGION}:*:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0",
    ]


def test_finished_calls_alone_go_to_the_queue_and_no_other_rule_may_send(made: Stack):
    rule = made.one("cloudwatch/eventRule:EventRule", "enricher").inputs
    target = made.one("cloudwatch/eventTarget:EventTarget", "enricher").inputs
    policy = json.loads(made.one("sqs/queuePolicy:QueuePolicy", "judging").inputs["policy"])
    [sending] = [each for each in policy["Statement"] if each["Effect"] == "Allow"]

    assert json.loads(rule["eventPattern"])["detail-type"] == ["CallCompleted"]
    assert rule["eventBusName"] == target["eventBusName"] == "calls-1a2b3c4"
    assert target["arn"] == sending["Resource"]
    assert sending["Principal"] == {"Service": "events.amazonaws.com"}
    assert sending["Condition"]["ArnEquals"]["aws:SourceArn"].endswith("/enricher")


def test_a_call_is_tried_five_times_and_never_by_two_at_once(made: Stack):
    queue = made.one("sqs/queue:Queue", "judging").inputs
    function = made.one("lambda/function:Function", "enricher").inputs
    mapping = made.one("lambda/eventSourceMapping:EventSourceMapping", "enricher").inputs

    assert json.loads(queue["redrivePolicy"])["maxReceiveCount"] == 5
    assert queue["visibilityTimeoutSeconds"] >= 6 * function["timeout"]
    assert function["timeout"] > 2 * 60  # two answers of a minute each
    assert mapping["batchSize"] == 1
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 2 <= mapping["scalingConfig"]["maximumConcurrency"] <= 1000


def test_calls_that_nobody_could_judge_are_told_and_shown(made: Stack):
    alarms = {each.name: each.inputs for each in made.of("cloudwatch/metricAlarm:MetricAlarm")}
    [page] = made.of("cloudwatch/dashboard:Dashboard")

    assert alarms["dead-judgements"]["dimensions"] == {"QueueName": "judging-dead-1a2b3c4"}
    assert alarms.keys() >= {"enricher-errors", "enricher-throttles"}
    assert "judging-1a2b3c4" in page.inputs["dashboardBody"]
    assert made.outputs.keys() >= {"judgingQueueUrl", "deadJudgementsQueueUrl"}
