"""Settings that cannot work fail the preview: a sentence for each, which says what to do."""

import re

import botocore.session
import pytest
import yaml

from tests.infra.stack import DIGEST, FARGATE, INFRA, PROJECT, apply, pulumi

SOURCES = "".join(
    (INFRA / name).read_text() for name in ("settings.py", "scaling.py", "judging.py")
)


SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:judge-AbCdEf"


def sentences(config: dict[str, str], functions_zip: str, secret: list[str] | None = None) -> str:
    with pytest.raises(pulumi.RunError) as refused:
        apply({"functionsZip": functions_zip} | config, secret=secret or [])
    return str(refused.value)


BAD = {
    "unknown": ({"retentoinDays": "3"}, "Remove or correct retentoinDays"),
    "number": ({"retentionDays": "0"}, "Set retentionDays to a whole number from 1 to 3650"),
    "choice": ({"logRetentionDays": "31"}, "Set logRetentionDays to one of 1, 3, 5"),
    "flag": ({"protectData": "yes"}, "Set protectData to true or false"),
    "open secret": ({"openaiApiKey": "sk-1"}, "Set openaiApiKey with --secret"),
    "half of fly": ({"flyOrg": "acme"}, "Set flyOrg and flyApp together"),
    "repository": ({"githubRepository": "acme"}, "Set githubRepository to OWNER/NAME"),
    "fargate's own": ({"domain": "a.example.com"}, "Set fargate to true, or remove domain"),
    "no region": ({"aws:region": ""}, "Set the region"),
    "tag": (FARGATE | {"image": "bridge:latest"}, "Give image with its digest"),
    "half a VPC": (FARGATE | {"vpcId": "vpc-0a"}, "Set vpcId and subnetIds together"),
    "one subnet": (
        FARGATE | {"vpcId": "vpc-0a", "subnetIds": '["subnet-1"]'},
        "Give two or more subnetIds",
    ),
    "subnets": (FARGATE | {"subnetIds": "subnet-1"}, "Set subnetIds as a list of texts"),
    "memory": (FARGATE | {"memory": "4096"}, "Set memory between 512 and 2048"),
    "upside down": (FARGATE | {"minTasks": "5"}, "Set minTasks no higher than maxTasks"),
    "never": (FARGATE | {"minTasks": "0"}, "Set wakeToken, or minTasks to 1"),
    "half a day": (FARGATE | {"opensAt": "07:30"}, "Set opensAt and closesAt together"),
    "clock": (FARGATE | {"opensAt": "7", "closesAt": "20:00"}, "Set opensAt to a time such as"),
    "zone": (FARGATE | {"timeZone": "Berlin"}, "Set timeZone to a name such as"),
    "night": (FARGATE | {"opensAt": "20:00", "closesAt": "07:00"}, "Set closesAt later"),
    "secret": (
        FARGATE | {"secretEnvironment": '{"TOOL_SECRETS": "sk-1"}'},
        "Set secretEnvironment.TOOL_SECRETS to the ARN",
    ),
    "judge": ({"judge": "gpt"}, "Set judge to none, openai, bedrock or comprehend"),
    "judge without model": ({"judge": "openai"}, "Set judgeModel: which model judges by openai?"),
    "model without judge": ({"judgeModel": "m"}, "Set judge to openai or bedrock, or remove"),
    "key of bedrock": (
        {"judge": "bedrock", "judgeModel": "m", "judgeApiKeySecret": SECRET_ARN},
        "Set judge to openai, or remove judgeApiKeySecret",
    ),
    "key in the open": (
        {"judge": "openai", "judgeModel": "m", "judgeApiKeySecret": "sk-1"},
        "Set judgeApiKeySecret to the ARN of a secret, not to its text.",
    ),
    "judge without TLS": (
        {"judge": "openai", "judgeModel": "m", "judgeBaseUrl": "http://a.example.com/v1"},
        "Set judgeBaseUrl to an address with https://",
    ),
    "ARN of a model": (
        {"judge": "bedrock", "judgeModel": "arn:aws:bedrock:us-east-1::foundation-model/m"},
        "Set judgeModel to an id of Bedrock",
    ),
    "language": (
        {"judge": "comprehend", "judgeLanguage": "xx"},
        "Set judgeLanguage to ar or de or en",
    ),
    "ARN for the cascade": (
        {"bedrockModel": "arn:aws:bedrock:us-east-1::foundation-model/m"},
        "Set bedrockModel to a model's id, not an ARN",
    ),
    "policy alone": (
        {"githubPreviewPolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        "Set githubRepository, too: githubPreviewPolicyArn",
    ),
    "environment": (FARGATE | {"environment": '{"log level": "x"}'}, "Set environment as texts"),
}


@pytest.mark.parametrize(("config", "sentence"), BAD.values(), ids=BAD)
def test_mistake_is_said_in_one_sentence(config: dict[str, str], sentence: str, functions_zip: str):
    said = sentences(config, functions_zip).splitlines()

    assert len(said) == 1, said
    assert sentence in said[0]
    assert "sk-1" not in said[0]


def test_fargate_needs_a_domain_and_its_certificate(functions_zip: str):
    said = sentences({"fargate": "true"}, functions_zip)

    assert "Set domain: Fargate needs the host name that Genesys will call." in said
    assert "Set hostedZoneId" in said


def test_all_mistakes_are_said_at_once(functions_zip: str):
    config = {"retentionDays": "x", "image": f"a@{DIGEST}", "nonsense": "1"}

    assert len(sentences(config, functions_zip).splitlines()) == 3


def test_missing_zip_is_said_with_the_command_that_makes_it():
    assert "python -m scripts.package_functions" in sentences({}, "/nowhere/functions.zip")


def test_short_token_is_refused_and_not_repeated(functions_zip: str):
    said = sentences(FARGATE | {"wakeToken": "too-short"}, functions_zip, ["wakeToken"])

    assert said.startswith("Make wakeToken 32 characters or longer")
    assert "too-short" not in said


def test_secrets_among_the_open_settings_are_refused(functions_zip: str):
    config = FARGATE | {"environment": '{"TOOL_SECRETS": "sk-1"}'}

    said = sentences(config, functions_zip, ["environment"])

    assert said == "Keep secrets out of environment: name them in secretEnvironment by ARN."


def test_project_file_says_nothing_that_pulumi_refuses():
    """Source: `Project.Validate` of Pulumi: keys of other namespaces have a `value` alone."""
    project = yaml.safe_load((INFRA / "Pulumi.yaml").read_text(encoding="utf-8"))

    assert project["name"] == PROJECT
    for key, about in project["config"].items():
        assert key.partition(":")[0] != PROJECT
        assert about.keys() == {"value"}


def test_every_setting_is_in_the_readme():
    read = set(re.findall(r'config\.\w+\(\s*"(\w+)"', SOURCES))
    page = (INFRA / "README.md").read_text(encoding="utf-8")

    assert len(read) > 25
    assert {name for name in read if f"`{name}`" not in page} == set()


def test_languages_are_those_that_comprehend_knows():
    from judging import LANGUAGES  # it needs Pulumi: this module was skipped by now without

    shape = botocore.session.get_session().get_service_model("comprehend").shape_for("LanguageCode")

    assert set(shape.enum) == set(LANGUAGES)
