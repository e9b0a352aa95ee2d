"""The stack's settings: typed, checked at preview, every mistake said in one sentence.

Alone it reads Pulumi's configuration. What each setting means and costs: README.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from configuration import Configuration, SettingsError
from judging import JudgeSettings, judge_of
from policies import MODEL_ID
from scaling import Scaling, scaling_of

ROOT = Path(__file__).parents[1]
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)
"""What CloudWatch Logs can keep, up to seven years. Source: PutRetentionPolicy."""
MEMORY_OF_CPU = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192)}
"""Smallest and largest MiB for each CPU size of Fargate. Source: ECS task size table."""
IMAGE = re.compile(r".+@sha256:[0-9a-f]{64}")
SECRET = re.compile(r"arn:aws:secretsmanager:[\w-]+:\d+:secret:[^:]+")
WAKE_TOKEN_CHARACTERS = 32
"""At least; `openssl rand -hex 16` makes as many."""

__all__ = ["FargateSettings", "Scaling", "Settings", "SettingsError"]


@dataclass(frozen=True, kw_only=True)
class FargateSettings:
    """What the bridge on ECS Fargate needs.

    `image`: with its digest; None until one was pushed. `vpc_id` and `subnet_ids`: given ones, or
    None and none for a VPC of our own. `certificate_arn` or `hosted_zone_id` is there, or both.
    `environment`: further settings of the service by name; `secret_environment`: ARNs of secrets
    that hold such. `cpu` in 1/1024 vCPU, `memory` in MiB.
    """

    domain: str
    image: str | None
    certificate_arn: str | None
    hosted_zone_id: str | None
    vpc_id: str | None
    subnet_ids: tuple[str, ...]
    cpu: int
    memory: int
    scaling: Scaling
    wake_token: pulumi.Output[str] | None
    environment: Mapping[str, str]
    secret_environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the stack is made from.

    `judge` is None where nobody judges calls, `fargate` where the bridge runs elsewhere.
    `bedrock_model`, `may_use_polly`: who answers and speaks when the bridge itself is the cascade.
    """

    region: str
    retention_days: int
    log_retention_days: int
    protect_data: bool
    functions_zip: Path
    alarm_email: str | None
    audiohook_keys: pulumi.Output[str] | None = field(repr=False)
    openai_api_key: pulumi.Output[str] | None = field(repr=False)
    bedrock_model: str | None
    may_use_polly: bool
    fly_org: str | None
    fly_app: str | None
    github_repository: str | None
    github_provider_arn: str | None
    github_deploy_policy_arn: str | None
    github_preview_policy_arn: str | None
    judge: JudgeSettings | None
    fargate: FargateSettings | None

    @classmethod
    def load(cls) -> "Settings":
        """Read the stack's configuration.

        Raises:
            SettingsError: with one sentence per mistake, each of which says what to do.
        """
        config = Configuration()
        settings = cls._read(config)
        _check_identity(settings, config)
        config.raise_mistakes()
        return settings

    @classmethod
    def _read(cls, config: Configuration) -> "Settings":
        return cls(
            region=config.region(),
            retention_days=config.integer("retentionDays", 365, least=1, most=3650),
            log_retention_days=config.one_of("logRetentionDays", 30, LOG_DAYS),
            protect_data=config.flag("protectData", default=True),
            functions_zip=_functions_zip(config),
            alarm_email=config.text("alarmEmail", r"[^@\s]+@[^@\s]+", "an e-mail address"),
            audiohook_keys=config.secret("audiohookKeys"),
            openai_api_key=config.secret("openaiApiKey"),
            bedrock_model=config.text("bedrockModel", MODEL_ID, "a model's id, not an ARN"),
            may_use_polly=config.flag("polly", default=False),
            fly_org=config.text("flyOrg", r"[a-z0-9-]+", "the slug that `fly orgs list` shows"),
            fly_app=config.text("flyApp", r"[a-z0-9-]+", "the name of the Fly app"),
            github_repository=config.text("githubRepository", r"[\w.-]+/[\w.-]+", "OWNER/NAME"),
            github_provider_arn=config.text(
                "githubProviderArn", r"arn:aws:iam::\d+:oidc-provider/.+", "the provider's ARN"
            ),
            github_deploy_policy_arn=config.text(
                "githubDeployPolicyArn", r"arn:aws:iam::(\d+|aws):policy/.+", "a policy's ARN"
            ),
            github_preview_policy_arn=config.text(
                "githubPreviewPolicyArn", r"arn:aws:iam::(\d+|aws):policy/.+", "a policy's ARN"
            ),
            judge=judge_of(config, SECRET.pattern),
            fargate=_fargate(config),
        )


def _functions_zip(config: Configuration) -> Path:
    path = ROOT / (config.text("functionsZip") or "build/functions.zip")
    if not path.is_file():
        config.mistake(
            f"The functions' zip {path.name} is missing: run `python -m scripts.package_functions`"
            " at the root of the repository, or set functionsZip to where it is."
        )
    return path


def _check_identity(settings: Settings, config: Configuration) -> None:
    if bool(settings.fly_org) != bool(settings.fly_app):
        config.mistake("Set flyOrg and flyApp together: Fly's tokens are trusted for one app.")
    if not settings.github_repository:
        for name in ("githubProviderArn", "githubDeployPolicyArn", "githubPreviewPolicyArn"):
            if config.has(name):
                config.mistake(f"Set githubRepository, too: {name} is for its workflows.")


FARGATE_ONLY = (
    "domain", "image", "certificateArn", "hostedZoneId", "vpcId", "subnetIds", "cpu", "memory",
    "minTasks", "maxTasks", "callsPerTask", "opensAt", "closesAt", "workdays", "timeZone",
    "wakeToken", "environment", "secretEnvironment",
)  # fmt: skip


def _fargate(config: Configuration) -> FargateSettings | None:
    if not config.flag("fargate", default=False):
        for name in FARGATE_ONLY:
            if config.has(name):
                config.mistake(f"Set fargate to true, or remove {name}: it is for Fargate alone.")
        return None
    settings = FargateSettings(
        domain=config.text("domain", r"(?:[a-z0-9-]+\.)+[a-z]{2,}", "a host name") or "",
        image=config.text("image"),
        certificate_arn=config.text("certificateArn", r"arn:aws:acm:.+", "a certificate's ARN"),
        hosted_zone_id=config.text("hostedZoneId", r"[A-Z0-9]+", "the zone's id in Route 53"),
        vpc_id=config.text("vpcId", r"vpc-[0-9a-f]+", "a VPC's id"),
        subnet_ids=config.texts("subnetIds"),
        cpu=config.one_of("cpu", 256, tuple(MEMORY_OF_CPU)),
        memory=config.integer("memory", 512, least=512, most=8192),
        scaling=scaling_of(config),
        wake_token=config.secret("wakeToken"),
        environment=config.environment("environment"),
        secret_environment=config.environment("secretEnvironment"),
    )
    _check_fargate(settings, config)
    return settings


def _check_fargate(settings: FargateSettings, config: Configuration) -> None:
    if not settings.domain and not config.has("domain"):
        config.mistake("Set domain: Fargate needs the host name that Genesys will call.")
    if not (settings.certificate_arn or settings.hosted_zone_id):
        config.mistake(
            "Set hostedZoneId (Route 53 then proves the certificate and leads the domain here) or"
            " certificateArn: Genesys calls over TLS alone."
        )
    if settings.image and not IMAGE.fullmatch(settings.image):
        config.mistake("Give image with its digest (…@sha256:…): a tag may change under a task.")
    if bool(settings.vpc_id) != bool(settings.subnet_ids):
        config.mistake("Set vpcId and subnetIds together, or neither for a VPC of our own.")
    elif settings.vpc_id and len(settings.subnet_ids) < 2:
        config.mistake("Give two or more subnetIds in different zones: a load balancer needs them.")
    least, most = MEMORY_OF_CPU[settings.cpu]
    if not least <= settings.memory <= most:
        config.mistake(f"Set memory between {least} and {most}: Fargate has no other for this cpu.")
    _check_secrets(settings, config)


def _check_secrets(settings: FargateSettings, config: Configuration) -> None:
    for name, arn in settings.secret_environment.items():
        # What is no ARN may be the secret itself: it is not repeated.
        if not SECRET.fullmatch(arn):
            config.mistake(f"Set secretEnvironment.{name} to the ARN of a secret, not to its text.")
    token = config.plain("wakeToken")
    if token is not None and len(token) < WAKE_TOKEN_CHARACTERS:
        config.mistake(
            f"Make wakeToken {WAKE_TOKEN_CHARACTERS} characters or longer: it is public."
        )
