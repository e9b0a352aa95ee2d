"""The bridge on Fargate: what keeps calls alive, who may reach it, how it grows and sleeps."""

import json
from typing import Any

import pytest

from tests.infra.stack import ACCOUNT, DIGEST, FARGATE, REGION, Stack, apply

HOURS = {"opensAt": "07:30", "closesAt": "20:00", "timeZone": "Europe/Berlin", "minTasks": "2"}
GENESYS_SESSION_S = 900
"""The longest session of an AudioConnector by default."""


@pytest.fixture(scope="module")
def made(functions_zip: str) -> Stack:
    config = {"functionsZip": functions_zip} | FARGATE
    return apply(config | {"environment": '{"LOG_LEVEL": "debug", "MAX_CALL_SECONDS": 600}'})


@pytest.fixture(scope="module")
def asleep(functions_zip: str) -> Stack:
    config = {"functionsZip": functions_zip, "minTasks": "0", "wakeToken": "w" * 32}
    return apply(config | FARGATE, secret=["wakeToken"])


@pytest.fixture(scope="module")
def by_hours(functions_zip: str) -> Stack:
    return apply({"functionsZip": functions_zip} | FARGATE | HOURS)


def container(made: Stack) -> dict[str, Any]:
    [task] = made.of("ecs/taskDefinition:TaskDefinition")
    [only] = json.loads(task.inputs["containerDefinitions"])
    return dict(only)


def service(made: Stack) -> dict[str, Any]:
    [only] = made.of("ecs/service:Service")
    return only.inputs


def test_a_first_run_makes_the_repository_and_no_service_and_says_what_is_next(
    functions_zip: str, caplog: pytest.LogCaptureFixture
):
    config = {"functionsZip": functions_zip} | FARGATE
    del config["image"]

    first = apply(config)

    assert first.outputs["repositoryUrl"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bridge"
    assert first.of("ecr/repository:Repository")[0].inputs["imageTagMutability"] == "IMMUTABLE"
    assert first.of("ecs/service:Service") == first.of("lb/loadBalancer:LoadBalancer") == []
    assert "pulumi config set image URL@sha256:…" in caplog.text


def test_a_leaving_task_keeps_its_calls_to_their_end(made: Stack):
    [targets] = made.of("lb/targetGroup:TargetGroup")

    assert GENESYS_SESSION_S < targets.inputs["deregistrationDelay"] <= 3600
    assert service(made)["availabilityZoneRebalancing"] == "DISABLED"
    assert service(made)["deploymentMinimumHealthyPercent"] == 100


def test_a_stopped_task_has_time_to_hand_its_callers_over(made: Stack):
    drain = next(e for e in container(made)["environment"] if e["name"] == "DRAIN_SECONDS")

    assert int(drain["value"]) < container(made)["stopTimeout"] <= 120


def test_a_full_task_is_not_taken_for_a_broken_one(made: Stack):
    [targets] = made.of("lb/targetGroup:TargetGroup")

    assert targets.inputs["healthCheck"]["path"] == "/livez"
    assert targets.inputs["healthCheck"]["timeout"] < targets.inputs["healthCheck"]["interval"]


def test_the_image_is_run_by_its_digest_on_arm(made: Stack):
    [task] = made.of("ecs/taskDefinition:TaskDefinition")

    assert container(made)["image"].endswith(DIGEST)
    assert task.inputs["runtimePlatform"]["cpuArchitecture"] == "ARM64"


def test_tasks_are_told_their_settings_and_those_of_the_stack(made: Stack):
    told = {each["name"]: each["value"] for each in container(made)["environment"]}

    assert told["METRICS"] == "emf"
    assert "secrets" not in container(made)
    assert told["TASK_PROTECTION"] == "ecs"
    assert told["MAX_CALLS"] == "20"
    assert told["EVENTS_URL"].startswith("sqs:")
    assert (told["LOG_LEVEL"], told["MAX_CALL_SECONDS"]) == ("debug", "600")


def test_nothing_but_the_load_balancer_reaches_a_task(made: Stack):
    entries = made.of("vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    [to_tasks] = [e.inputs for e in entries if e.inputs["securityGroupId"] == "tasks-id"]

    assert to_tasks["referencedSecurityGroupId"] == "balancer-id"
    assert "cidrIpv4" not in to_tasks
    assert {e.inputs["fromPort"] for e in entries} == {80, 443, 8080}


def test_callers_come_by_tls_and_plain_ones_are_sent_there(made: Stack):
    plain = made.one("lb/listener:Listener", "http").inputs
    tls = made.one("lb/listener:Listener", "https").inputs

    assert plain["defaultActions"][0]["redirect"]["protocol"] == "HTTPS"
    assert tls["sslPolicy"].startswith("ELBSecurityPolicy-TLS13")
    assert made.outputs["endpoint"] == "wss://bridge.example.com"


def test_a_service_waits_for_its_listener(made: Stack):
    [only] = made.of("ecs/service:Service")

    assert any(urn.endswith("Listener::https") for urn in only.depends_on)


def test_a_given_certificate_and_network_are_taken(functions_zip: str):
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    config = {
        "functionsZip": functions_zip,
        "certificateArn": certificate,
        "vpcId": "vpc-0a1b",
        "subnetIds": '["subnet-1", "subnet-2"]',
    }
    given = apply(config | {k: v for k, v in FARGATE.items() if k != "hostedZoneId"})

    assert given.of("ec2/vpc:Vpc") == given.of("acm/certificate:Certificate") == []
    assert given.of("route53/record:Record") == []
    assert given.one("lb/listener:Listener", "https").inputs["certificateArn"] == certificate
    assert service(given)["networkConfiguration"]["subnets"] == ["subnet-1", "subnet-2"]


def test_tasks_follow_calls_before_they_are_full(made: Stack):
    [policy] = made.of("appautoscaling/policy:Policy")
    follows = policy.inputs["targetTrackingScalingPolicyConfiguration"]

    assert follows["targetValue"] == pytest.approx(0.6 * 20)
    assert follows["customizedMetricSpecification"] == {
        "namespace": "AudioConnectorBridge", "metricName": "ActiveCalls", "statistic": "Average",
    }  # fmt: skip
    assert made.of("appautoscaling/scheduledAction:ScheduledAction") == []


def test_business_hours_keep_tasks_and_the_rest_keeps_none(by_hours: Stack):
    actions = {
        e.name: e.inputs for e in by_hours.of("appautoscaling/scheduledAction:ScheduledAction")
    }

    assert actions["opens"]["schedule"] == "cron(30 7 ? * MON-FRI *)"
    assert actions["opens"]["scalableTargetAction"] == {"minCapacity": 2, "maxCapacity": 4}
    assert actions["closes"]["schedule"] == "cron(0 20 ? * MON-FRI *)"
    assert actions["closes"]["scalableTargetAction"]["minCapacity"] == 0
    assert {each["timezone"] for each in actions.values()} == {"Europe/Berlin"}


def test_a_sleeping_service_can_be_woken_by_who_has_the_token(asleep: Stack):
    function = asleep.one("lambda/function:Function", "wake")
    variables = function.inputs["environment"]["variables"]

    assert asleep.of("appautoscaling/target:Target")[0].inputs["minCapacity"] == 0
    assert asleep.outputs["wakeUrl"] == "https://wake.example.com/"
    assert len(variables["TOKEN_SHA256"]) == 64
    assert "w" * 32 not in json.dumps([each.inputs for each in asleep.resources])


def test_a_service_that_never_sleeps_has_no_address_to_wake_it(made: Stack):
    assert made.of("lambda/functionUrl:FunctionUrl") == []


def test_refused_callers_are_told(made: Stack):
    names = {each.name for each in made.of("cloudwatch/metricAlarm:MetricAlarm")}

    assert {"no-task", "full", "unhealthy"} <= names


def test_a_task_may_do_what_the_bridge_does_and_protect_itself(made: Stack):
    document = json.loads(made.one("iam/rolePolicy:RolePolicy", "task").inputs["policy"])
    allowed = {action for each in document["Statement"] for action in each["Action"]}
    [protection] = [
        each for each in document["Statement"] if "ecs:UpdateTaskProtection" in each["Action"]
    ]

    assert allowed == {
        "sqs:SendMessage", "s3:PutObject", "secretsmanager:GetSecretValue",
        "ecs:UpdateTaskProtection", "ecs:GetTaskProtection",
    }  # fmt: skip
    assert protection["Resource"].endswith(":task/bridge/*")


def test_secret_settings_come_from_secrets_that_the_starter_may_read(functions_zip: str):
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:tools-AbCdEf"
    config = {"secretEnvironment": json.dumps({"TOOL_SECRETS": arn}), "functionsZip": functions_zip}
    told = apply(config | FARGATE)

    document = json.loads(told.one("iam/rolePolicy:RolePolicy", "starter").inputs["policy"])
    assert container(told)["secrets"] == [{"name": "TOOL_SECRETS", "valueFrom": arn}]
    assert document["Statement"][-1]["Resource"] == [arn]


def test_the_workflow_may_push_to_this_repository_alone(functions_zip: str):
    config = {"functionsZip": functions_zip, "githubRepository": "acme/bridge"}
    pushed = apply(config | FARGATE)

    document = json.loads(pushed.one("iam/rolePolicy:RolePolicy", "push").inputs["policy"])
    allowed = {s["Action"][0]: s["Resource"] for s in document["Statement"]}
    assert allowed["ecr:GetAuthorizationToken"] == "*"
    assert allowed["ecr:BatchCheckLayerAvailability"].endswith("repository/bridge")
    assert "githubPushRoleArn" in pushed.outputs
