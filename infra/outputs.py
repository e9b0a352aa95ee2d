"""What the stack tells: names and addresses for people and tools, and what to do next."""

import pulumi

from bridge_rights import bridge_environment
from components.analytics import Analytics
from components.events import Events
from components.identity import Identity
from components.secrets import Secrets
from settings import Settings


def export(
    settings: Settings,
    events: Events,
    secrets: Secrets,
    analytics: Analytics,
    identity: Identity,
) -> None:
    """Export every output; README.md says what each is for."""
    pulumi.export("queueUrl", events.queue.url)
    pulumi.export("deadQueueUrl", events.dead.url)
    pulumi.export("tableName", events.table.name)
    pulumi.export("lakeBucket", events.lake.bucket)
    pulumi.export("busName", events.bus.name)
    pulumi.export("athenaWorkgroup", analytics.workgroup.name)
    pulumi.export("glueDatabase", analytics.database.name)
    pulumi.export("audiohookKeysSecret", secrets.audiohook_keys.name)
    pulumi.export("openaiApiKeySecret", secrets.openai_api_key.name)
    bridge = bridge_environment(events, secrets, settings)
    if identity.fly_role:
        pulumi.export("flyEnv", bridge | {"AWS_ROLE_ARN": identity.fly_role.arn})
    if identity.deploy_role:
        pulumi.export("githubDeployRoleArn", identity.deploy_role.arn)
