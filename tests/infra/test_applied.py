"""The program made in an emulated AWS, twice; what it made there, and the functions on it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from service.analytics import functions
from service.analytics.poller import QueuePoller
from service.call_events import CallEvent, to_json
from service.claim_check import CLAIM_ABOVE, checked_in
from tests.analytics.scene import call_of_turns
from tests.analytics.test_judge_openai import Endpoint, answers, endpoint
from tests.analytics.test_judging import ANSWER
from tests.contracts.event_examples import SESSION
from tests.infra import moto_fargate
from tests.infra.api_calls import noted, refused, unused
from tests.infra.moto_provider import Moto
from tests.infra.stack import ACCOUNT, FARGATE, REGION, Stack, apply
from tests.infra.test_enricher import JUDGES
from tests.infra.test_stack import IDENTITY, SECRETS

moto = pytest.importorskip("moto")

assert moto_fargate  # it adds what it makes
pytestmark = pytest.mark.timeout(240)  # 130 resources, and boto3 loads a model per service
ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
HOURS = {"opensAt": "07:30", "closesAt": "20:00"}


class Applied:
    """The stack's outputs, and clients that look at what is there."""

    def __init__(self, provider: Moto, first: Stack, second: Stack) -> None:
        self.provider = provider
        self.first = first
        self.second = second
        self.outputs = second.outputs

    def client(self, name: str) -> Any:
        return self.provider.client(name)


@pytest.fixture(scope="module")
def applied(functions_zip: str) -> Iterator[Applied]:
    everything = IDENTITY | SECRETS | FARGATE | HOURS
    everything |= {"wakeToken": "w" * 32, "alarmEmail": "ops@example.com"} | JUDGES["openai"]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        with moto.mock_aws(config={"lambda": {"use_docker": False}}):
            provider = Moto(REGION)
            zone = provider.client("route53").create_hosted_zone(
                Name="example.com", CallerReference="once"
            )
            everything["hostedZoneId"] = zone["HostedZone"]["Id"].rpartition("/")[2]
            policy = provider.client("iam").create_policy(
                PolicyName="deploy",
                PolicyDocument=json.dumps(ANYTHING),
            )
            everything["githubDeployPolicyArn"] = policy["Policy"]["Arn"]
            everything["githubPreviewPolicyArn"] = policy["Policy"]["Arn"]
            config = {"functionsZip": functions_zip} | everything
            secret = [*SECRETS, "wakeToken"]
            first = apply(config, secret=secret, provider=provider)
            second = apply(config, secret=secret, provider=provider)
            yield Applied(provider, first, second)


def test_a_second_run_changes_nothing(applied: Applied):
    made = [each for each in applied.first.resources if each.type.startswith("aws:")]

    assert (
        applied.provider.made
        == len(made)
        == sum(each.type.startswith("aws:") for each in applied.second.resources)
    )
    assert applied.provider.changed == []
    assert applied.first.outputs == applied.second.outputs


def test_the_functions_are_there_with_their_settings(applied: Applied):
    functions = applied.client("lambda").list_functions()["Functions"]
    by_handler = {each["Handler"]: each for each in functions}

    assert by_handler.keys() == {
        "service.analytics.functions.recorder", "service.analytics.functions.sweeper",
        "service.analytics.functions.exporter", "service.analytics.functions.enricher",
        "handler.wake",
    }  # fmt: skip
    variables = by_handler["service.analytics.functions.recorder"]["Environment"]["Variables"]
    assert variables["TABLE_NAME"] == applied.outputs["tableName"]
    assert variables["LAKE_BUCKET"] == applied.outputs["lakeBucket"]


def test_the_secrets_are_filled_and_the_bridge_is_told_their_names(applied: Applied):
    secrets = applied.client("secretsmanager")
    name = applied.outputs["flyEnv"]["OPENAI_API_KEY_SECRET"].removeprefix("aws-secretsmanager:")

    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "sk-invented"


def test_the_service_is_there_behind_its_load_balancer(applied: Applied):
    [service] = applied.client("ecs").describe_services(
        cluster=applied.outputs["clusterName"], services=[applied.outputs["serviceName"]]
    )["services"]
    [balancer] = service["loadBalancers"]
    targets = applied.client("elbv2").describe_target_group_attributes(
        TargetGroupArn=balancer["targetGroupArn"]
    )["Attributes"]

    assert service["desiredCount"] == 1
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "960"} in targets


def test_lost_letters_go_to_the_dead_ones(applied: Applied):
    sqs = applied.client("sqs")
    attributes = sqs.get_queue_attributes(
        QueueUrl=applied.outputs["queueUrl"], AttributeNames=["RedrivePolicy"]
    )["Attributes"]
    dead = sqs.get_queue_attributes(
        QueueUrl=applied.outputs["deadQueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]

    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == dead["QueueArn"]


@pytest.fixture(scope="module")
def announced(applied: Applied) -> str:
    """Make what is there fit for functions in this process; the URL of the exporter's events."""
    aws_lambda = applied.client("lambda")
    # moto would take the messages to a function that does not run; the poller takes them to ours.
    for mapping in aws_lambda.list_event_source_mappings()["EventSourceMappings"]:
        aws_lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    # It also refuses what the lake's policy refuses without TLS, for it reads no conditions.
    applied.client("s3").delete_bucket_policy(Bucket=applied.outputs["lakeBucket"])
    return for_exporter(applied)


def for_exporter(applied: Applied) -> str:
    """Put a queue in the exporter's place behind its rule: moto knows no functions there."""
    sqs, events = applied.client("sqs"), applied.client("events")
    url = str(sqs.create_queue(QueueName="for-exporter")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    bus = applied.outputs["busName"]
    rules = events.list_rules(EventBusName=bus)["Rules"]
    [name] = [each["Name"] for each in rules if each["Name"].startswith("exporter")]
    [target] = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    assert ":function:exporter" in target["Arn"]
    events.remove_targets(Rule=name, EventBusName=bus, Ids=[target["Id"]])
    target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
    return url


def forget_clients() -> None:
    for name in ("_table", "_lake", "_bus", "_s3", "_judge", "_recorder", "_recorder_handler"):
        getattr(functions, name).cache_clear()


@pytest.fixture
def environment(applied: Applied, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The functions in this process, with the settings that the stack gave them."""
    made = applied.client("lambda").list_functions()["Functions"]
    # The enricher's are those of all functions, and its judge's.
    [enricher] = [each for each in made if each["Handler"].endswith(".enricher")]
    for name, value in enricher["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    forget_clients()
    yield
    forget_clients()


@pytest.mark.usefixtures("environment")
def test_a_call_goes_all_the_way_through_what_the_stack_made(applied: Applied, announced: str):
    sqs, s3 = applied.client("sqs"), applied.client("s3")
    queue, bucket = applied.outputs["queueUrl"], applied.outputs["lakeBucket"]
    for event in call_of_turns(4):
        sqs.send_message(QueueUrl=queue, MessageBody=to_json(event).decode())

    QueuePoller(sqs, queue, functions.recorder).drain()
    [message] = sqs.receive_message(QueueUrl=announced)["Messages"]
    functions.exporter(json.loads(message["Body"]), None)
    swept = functions.sweeper({"time": "2026-11-22T10:15:00Z"}, None)
    use_enricher(applied)

    keys = {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert {key.partition("/dt=")[0] for key in keys} == {
        "calls", "turns", "transcripts", "exports/vcon", "exports/contact_lens", "analysis",
    }  # fmt: skip
    assert all(SESSION in key for key in keys)
    assert swept == {"lost": 0, "with_gaps": 0}
    assert Endpoint.authorization == f"Bearer {SECRETS['openaiApiKey']}"


LARGE, LOST = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"


def large_call(session_id: str) -> list[CallEvent]:
    """A call with a turn that neither a message nor an item can hold."""
    started, turn, *rest = call_of_turns(4, session_id)
    data = msgspec.structs.replace(turn.data, text="word " * 200_000)
    return [started, msgspec.structs.replace(turn, data=data), *rest]


def use_recorder(applied: Applied) -> None:
    sqs, s3 = applied.client("sqs"), applied.client("s3")
    queue, bucket = applied.outputs["queueUrl"], applied.outputs["lakeBucket"]
    for event in [*large_call(LARGE), *large_call(LOST)[:3]]:
        body = to_json(event)
        if len(body) > CLAIM_ABOVE:
            parts = checked_in(body, bucket)
            s3.put_object(Bucket=bucket, Key=parts.key, Body=parts.data)
            body = parts.message
        sqs.send_message(QueueUrl=queue, MessageBody=body.decode())
    QueuePoller(sqs, queue, functions.recorder).drain()


def use_sweeper(applied: Applied) -> None:
    swept = functions.sweeper({"time": "2026-11-22T10:15:00Z"}, None)
    assert swept["lost"] == 1


def use_exporter(applied: Applied) -> None:
    functions.exporter({"detail": {"session_id": LARGE}}, None)


def use_enricher(applied: Applied) -> None:
    """Judge what the rule brought: no lambda may reach the judge's real address from here."""
    sqs, queue = applied.client("sqs"), applied.outputs["judgingQueueUrl"]
    answers(200, {"content": json.dumps(ANSWER)})
    with endpoint() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUDGE_BASE_URL", url)
        QueuePoller(sqs, queue, functions.enricher).drain()


@pytest.mark.usefixtures("environment", "announced")
def test_every_function_may_do_what_it_does_and_nothing_else(applied: Applied):
    iam = applied.client("iam")
    by_lambda = {"logs:CreateLogStream", "logs:PutLogEvents"}
    by_mapping = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    for name, use, of_lambda in (
        ("recorder", use_recorder, by_lambda | by_mapping),
        ("sweeper", use_sweeper, by_lambda),
        ("exporter", use_exporter, by_lambda | {"sqs:SendMessage"}),
        ("enricher", use_enricher, by_lambda | by_mapping),
    ):
        forget_clients()
        role = f"{name}-0a1b2c3"
        policy = iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]

        with noted(REGION, ACCOUNT) as calls:
            use(applied)

        assert refused(calls, policy) == [], name
        assert unused(calls, policy) == of_lambda, name


def test_the_lake_has_the_folders_that_athena_looks_into(applied: Applied):
    tables = applied.client("glue").get_tables(DatabaseName=applied.outputs["glueDatabase"])
    bucket = applied.outputs["lakeBucket"]

    assert {
        each["Name"]: each["Parameters"]["storage.location.template"]
        for each in tables["TableList"]
    } == {name: f"s3://{bucket}/{name}/dt=${{dt}}/" for name in ("calls", "turns", "analysis")}
