"""What the running bridge needs of AWS, wherever it runs: its rights and its settings."""

import pulumi

from components.events import Events
from components.secrets import Secrets
from policies import Statement, allow, bedrock_models
from settings import Settings


def bridge_statements(events: Events, secrets: Secrets, settings: Settings) -> list[Statement]:
    """Return all that the bridge may do.

    It sends events, leaves large ones, reads two secrets, and by setting asks a model of Bedrock
    and lets Polly speak.
    """
    statements = [
        allow(["sqs:SendMessage"], events.queue.arn),
        allow(["s3:PutObject"], pulumi.Output.concat(events.lake.arn, "/oversize/*")),
        allow(
            ["secretsmanager:GetSecretValue"],
            [secrets.audiohook_keys.arn, secrets.openai_api_key.arn],
        ),
    ]
    if settings.bedrock_model:
        models = bedrock_models(settings.bedrock_model, settings.region)
        statements.append(allow(["bedrock:InvokeModelWithResponseStream"], models))
    if settings.may_use_polly:
        # Only a lexicon could be named, and we use none.
        statements.append(allow(["polly:SynthesizeSpeech"], "*"))
    return statements


def bridge_environment(
    events: Events, secrets: Secrets, settings: Settings
) -> dict[str, pulumi.Input[str]]:
    """Return the settings of the service (its README's table) that lead it to this stack."""
    store = "aws-secretsmanager:"
    return {
        "AWS_DEFAULT_REGION": settings.region,
        "EVENTS_URL": pulumi.Output.concat("sqs:", events.queue.url),
        "EVENTS_CLAIM_BUCKET": events.lake.bucket,
        "SECRETS_URL": pulumi.Output.concat(store, secrets.audiohook_keys.name),
        "OPENAI_API_KEY_SECRET": pulumi.Output.concat(store, secrets.openai_api_key.name),
    }
