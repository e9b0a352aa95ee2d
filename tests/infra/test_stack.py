"""What the program declares: that it fits together, and the values that AWS does not check."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.stack import FARGATE, Resource, Stack, apply

IDENTITY = {
    "flyOrg": "acme",
    "flyApp": "bridge",
    "githubRepository": "acme/bridge",
    "githubDeployPolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
    "githubPreviewPolicyArn": "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
}
SECRETS = {"audiohookKeys": '{"key": "c2VjcmV0"}', "openaiApiKey": "sk-invented"}


@pytest.fixture(scope="module")
def made(functions_zip: str) -> Stack:
    config = {"functionsZip": functions_zip} | IDENTITY | SECRETS
    return apply(config, secret=list(SECRETS))


@pytest.fixture(scope="module")
def plain(functions_zip: str) -> Stack:
    return apply({"functionsZip": functions_zip, "protectData": "false", "retentionDays": "30"})


def rights(made: Stack, name: str) -> dict[str, Any]:
    """Actions of a role's policy by the resource that they are allowed on."""
    document = json.loads(made.one("iam/rolePolicy:RolePolicy", name).inputs["policy"])
    allowed: dict[str, Any] = {}
    for statement in document["Statement"]:
        on = statement["Resource"]
        for resource in on if isinstance(on, list) else [on]:
            allowed.setdefault(resource.rpartition(":")[2], set()).update(statement["Action"])
    return allowed


def test_every_resource_belongs_to_a_component_of_ours(made: Stack):
    for each in made.resources:
        if each.type.startswith("aws:"):
            assert "audiobridge:index:" in each.parent, each.name


def test_a_message_is_hidden_longer_than_its_function_works(made: Stack):
    queue = made.one("sqs/queue:Queue", "calls").inputs
    recorder = made.one("lambda/function:Function", "recorder").inputs

    assert queue["visibilityTimeoutSeconds"] >= 6 * recorder["timeout"]


def test_dead_letters_are_kept_longer_than_letters_and_come_from_one_queue(made: Stack):
    queue = made.one("sqs/queue:Queue", "calls").inputs
    dead = made.one("sqs/queue:Queue", "dead").inputs
    [allowed] = made.of("sqs/redriveAllowPolicy:RedriveAllowPolicy")

    assert dead["messageRetentionSeconds"] == 14 * 86_400
    assert queue["messageRetentionSeconds"] < dead["messageRetentionSeconds"]
    assert json.loads(queue["redrivePolicy"])["maxReceiveCount"] == 5
    assert json.loads(allowed.inputs["redriveAllowPolicy"])["redrivePermission"] == "byQueue"


def test_every_queue_is_encrypted_and_for_tls_alone(made: Stack):
    queues = made.of("sqs/queue:Queue")
    policies = [json.loads(p.inputs["policy"]) for p in made.of("sqs/queuePolicy:QueuePolicy")]

    assert len(policies) == len(queues) == 3
    assert all(queue.inputs["sqsManagedSseEnabled"] for queue in queues)
    assert all(
        p["Statement"][0]["Condition"]["Bool"] == {"aws:SecureTransport": "false"} for p in policies
    )


def test_the_lake_is_private_and_forgets(plain: Stack):
    block = plain.one("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "lake").inputs
    [lifecycle] = plain.of("s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")

    assert [value for key, value in block.items() if key != "bucket"] == [True] * 4
    assert [rule["expiration"]["days"] for rule in lifecycle.inputs["rules"]] == [30, 7]
    assert plain.one("cloudwatch/eventArchive:EventArchive", "calls").inputs["retentionDays"] == 30


def test_the_table_is_the_one_that_the_functions_use(made: Stack):
    table = made.one("dynamodb/table:Table", "calls").inputs

    assert (table["hashKey"], table["rangeKey"], table["ttl"]["attributeName"]) == (
        "pk",
        "sk",
        "expires",
    )
    assert {
        each["name"]: [key["attributeName"] for key in each["keySchemas"]]
        for each in table["globalSecondaryIndexes"]
    } == {"day": ["day", "started_at"], "conversation": ["conversation_id", "started_at"]}


@pytest.mark.parametrize("name", ["recorder", "sweeper", "exporter"])
def test_a_function_is_ours_and_its_log_ends(made: Stack, name: str):
    function = made.one("lambda/function:Function", name)
    log = made.one("cloudwatch/logGroup:LogGroup", name).inputs

    assert function.inputs["handler"] == f"service.analytics.functions.{name}"
    assert function.inputs["architectures"] == ["arm64"]
    assert function.inputs["environment"]["variables"].keys() == {
        "TABLE_NAME", "LAKE_BUCKET", "BUS_NAME", "RETENTION_DAYS",
    }  # fmt: skip
    assert log["retentionInDays"] == 30
    # AWS refuses a mapping for a role that may not receive yet.
    assert any("rolePolicy" in urn for urn in function.depends_on)


def test_the_recorder_may_do_what_it_does(made: Stack):
    assert rights(made, "recorder") == {
        "queue/calls": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
        "table/calls": {"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query"},
        "bucket/lake/calls/*": {"s3:PutObject"},
        "bucket/lake/turns/*": {"s3:PutObject"},
        "bucket/lake/transcripts/*": {"s3:PutObject"},
        "bucket/lake/oversize/rows/*": {"s3:PutObject"},
        "bucket/lake/oversize/*": {"s3:GetObject"},
        "eventbus/calls": {"events:PutEvents"},
        "*": {"logs:CreateLogStream", "logs:PutLogEvents"},
    }


def test_the_sweeper_finds_calls_by_day_and_the_exporter_writes_exports_alone(made: Stack):
    assert rights(made, "sweeper")["table/calls/index/day"] == {"dynamodb:Query"}
    assert rights(made, "exporter") == {
        "table/calls": {"dynamodb:Query"},
        "bucket/lake/exports/*": {"s3:PutObject"},
        "bucket/lake/oversize/rows/*": {"s3:GetObject"},
        "queue/exports-dead": {"sqs:SendMessage"},
        "*": {"logs:CreateLogStream", "logs:PutLogEvents"},
    }


def test_refused_records_stay_on_the_queue_and_batches_are_bounded(made: Stack):
    mapping = made.one("lambda/eventSourceMapping:EventSourceMapping", "recorder").inputs

    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 2 <= mapping["scalingConfig"]["maximumConcurrency"] <= 1000


def test_secrets_and_data_are_guarded(made: Stack, plain: Stack):
    def guarded(stack: Stack) -> set[str]:
        return {each.name for each in stack.resources if each.is_protected and each.is_retained}

    assert guarded(made) == {"calls", "lake", "audiohook-keys", "openai-api-key"}
    assert made.one("dynamodb/table:Table", "calls").inputs["deletionProtectionEnabled"]
    assert guarded(plain) == set()


def test_values_of_secrets_are_marked_as_such_and_absent_without_settings(
    made: Stack, plain: Stack
):
    versions = made.of("secretsmanager/secretVersion:SecretVersion")

    assert [each.sensitive for each in versions] == [{"secretString"}] * 2
    assert plain.of("secretsmanager/secretVersion:SecretVersion") == []
    assert "sk-invented" not in repr(made.outputs)


def trust(role: Resource) -> dict[str, Any]:
    [statement] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    condition: dict[str, Any] = statement["Condition"]
    return condition


def test_fly_is_trusted_for_one_app_and_github_for_one_environment(made: Stack):
    assert trust(made.one("iam/role:Role", "fly")) == {
        "StringEquals": {"oidc.fly.io/acme:aud": "sts.amazonaws.com"},
        "StringLike": {"oidc.fly.io/acme:sub": "acme:bridge:*"},
    }
    assert trust(made.one("iam/role:Role", "deploy")) == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/bridge:environment:production",
        }
    }


def test_pull_requests_get_a_role_of_their_own(made: Stack):
    subjects = trust(made.one("iam/role:Role", "preview"))["StringEquals"]
    attached = made.one("iam/rolePolicyAttachment:RolePolicyAttachment", "preview").inputs

    assert "repo:acme/bridge:environment:preview" in subjects.values()
    assert attached["policyArn"].endswith("/ViewOnlyAccess")
    assert made.outputs.keys() >= {"githubDeployRoleArn", "githubPreviewRoleArn"}


def test_the_bridge_may_send_leave_large_events_and_read_two_secrets(made: Stack):
    assert rights(made, "fly") == {
        "queue/calls": {"sqs:SendMessage"},
        "bucket/lake/oversize/*": {"s3:PutObject"},
        "secret/audiohook-keys": {"secretsmanager:GetSecretValue"},
        "secret/openai-api-key": {"secretsmanager:GetSecretValue"},
    }


def test_the_bridge_may_ask_bedrock_and_polly_where_they_are_its_cascade(functions_zip: str):
    """Source: API reference of Bedrock: ConverseStream needs the right to InvokeModelWith…"""
    cascade = {"bedrockModel": "amazon.nova-lite-v1:0", "polly": "true"}
    told = apply({"functionsZip": functions_zip} | IDENTITY | FARGATE | cascade)

    for role in ("fly", "task"):
        statements = json.loads(told.one("iam/rolePolicy:RolePolicy", role).inputs["policy"])
        allowed = {action: s["Resource"] for s in statements["Statement"] for action in s["Action"]}
        assert allowed["bedrock:InvokeModelWithResponseStream"] == [
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
        ]
        assert allowed["polly:SynthesizeSpeech"] == "*"


def test_nobody_is_trusted_without_settings(plain: Stack):
    assert plain.of("iam/openIdConnectProvider:OpenIdConnectProvider") == []
    assert "flyEnv" not in plain.outputs


def test_fly_is_told_its_settings(made: Stack):
    assert made.outputs["flyEnv"].keys() == {
        "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "EVENTS_URL", "EVENTS_CLAIM_BUCKET", "SECRETS_URL",
        "OPENAI_API_KEY_SECRET",
    }  # fmt: skip
    assert made.outputs["flyEnv"]["EVENTS_URL"].startswith("sqs:https://")


def test_partitions_are_reckoned_from_dates_that_the_lake_still_has(plain: Stack):
    for table in ("calls", "turns", "analysis"):
        inputs = plain.one("glue/catalogTable:CatalogTable", table).inputs

        assert inputs["parameters"]["projection.dt.range"] == "NOW-30DAYS,NOW"
        template = inputs["parameters"]["storage.location.template"]
        assert template == f"s3://lake-1a2b3c4/{table}/dt=${{dt}}/"
        assert inputs["partitionKeys"] == [{"name": "dt", "type": "string"}]


def test_the_questions_are_the_analysts_files_and_know_their_database(made: Stack):
    folder = Path(__file__).parents[2] / "service" / "analytics" / "sql"
    asked = {each.name: each.inputs for each in made.of("athena/namedQuery:NamedQuery")}

    assert asked.keys() == {path.stem for path in folder.glob("*.sql")}
    assert asked["containment"]["query"] == (folder / "containment.sql").read_text()
    assert asked["containment"]["database"] == "calls-1a2b3c4"
    assert all(1 <= len(inputs["description"]) <= 1024 for inputs in asked.values())


def test_a_question_costs_at_most_cents(made: Stack):
    [workgroup] = made.of("athena/workgroup:Workgroup")
    configuration = workgroup.inputs["configuration"]

    assert configuration["enforceWorkgroupConfiguration"] is True
    assert 10 * 2**20 <= configuration["bytesScannedCutoffPerQuery"] <= 10 * 2**30


def test_dead_letters_lateness_and_failures_are_told(made: Stack):
    alarms = {each.name: each.inputs for each in made.of("cloudwatch/metricAlarm:MetricAlarm")}

    assert alarms.keys() == {
        "dead-letters", "dead-exports", "late", "recorder-errors", "recorder-throttles",
        "sweeper-errors", "sweeper-throttles", "exporter-errors", "exporter-throttles",
    }  # fmt: skip
    assert alarms["dead-letters"]["dimensions"] == {"QueueName": "dead-1a2b3c4"}
    assert all(each["alarmActions"] == alarms["late"]["okActions"] for each in alarms.values())
    assert all(each["treatMissingData"] == "notBreaching" for each in alarms.values())


def test_an_address_is_told_where_one_is_set(functions_zip: str, plain: Stack):
    config = {"functionsZip": functions_zip, "alarmEmail": "ops@example.com"}
    [followed] = apply(config).of("sns/topicSubscription:TopicSubscription")

    assert followed.inputs["endpoint"] == "ops@example.com"
    assert plain.of("sns/topicSubscription:TopicSubscription") == []


def test_graphs_of_the_dashboard_lie_side_by_side(made: Stack):
    [page] = made.of("cloudwatch/dashboard:Dashboard")
    graphs = json.loads(page.inputs["dashboardBody"])["widgets"]

    places = [(each["x"], each["y"]) for each in graphs]
    assert len(set(places)) == len(graphs) >= 6
    assert all(each["x"] + each["width"] <= 24 for each in graphs)
    assert {each["properties"]["region"] for each in graphs} == {"us-east-1"}


def test_the_bridge_is_told_settings_that_it_has(functions_zip: str):
    example = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    settings = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    config = {"functionsZip": functions_zip} | IDENTITY | FARGATE
    told = apply(config)

    [task] = told.of("ecs/taskDefinition:TaskDefinition")
    [container] = json.loads(task.inputs["containerDefinitions"])
    names = {each["name"] for each in container["environment"]} | told.outputs["flyEnv"].keys()
    assert names - settings == {"AWS_DEFAULT_REGION"}  # botocore reads it by itself
