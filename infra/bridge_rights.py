"""What the running bridge needs of AWS, wherever it runs: its rights and its settings."""

import pulumi

from components.events import Events
from components.secrets import Secrets
from policies import Statement, allow
from settings import Settings


def bridge_statements(events: Events, secrets: Secrets) -> list[Statement]:
    """Return all that the bridge may do: send events, leave large ones, read two secrets."""
    return [
        allow(["sqs:SendMessage"], events.queue.arn),
        allow(["s3:PutObject"], pulumi.Output.concat(events.lake.arn, "/oversize/*")),
        allow(
            ["secretsmanager:GetSecretValue"],
            [secrets.audiohook_keys.arn, secrets.openai_api_key.arn],
        ),
    ]


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
