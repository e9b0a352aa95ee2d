"""What the stack tells: names and addresses for people and tools, and what to do next."""

import pulumi

from bridge_rights import bridge_environment
from components.analytics import Analytics
from components.events import Events
from components.functions import Functions
from components.identity import Identity
from components.secrets import Secrets
from fargate import Fargate
from settings import Settings


def export(
    settings: Settings,
    events: Events,
    secrets: Secrets,
    functions: Functions,
    analytics: Analytics,
    identity: Identity,
    fargate: Fargate | None,
) -> None:
    """Export every output; README.md says what each is for."""
    pulumi.export("queueUrl", events.queue.url)
    pulumi.export("deadQueueUrl", events.dead.url)
    pulumi.export("deadExportsQueueUrl", functions.dead.url)
    if functions.enricher:
        pulumi.export("judgingQueueUrl", functions.enricher.queue.url)
        pulumi.export("deadJudgementsQueueUrl", functions.enricher.dead.url)
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
    for use in ("deploy", "preview", "push"):
        role = getattr(identity, f"{use}_role")
        if role:
            pulumi.export(f"github{use.capitalize()}RoleArn", role.arn)
    if fargate:
        _export_fargate(fargate)


def _export_fargate(fargate: Fargate) -> None:
    pulumi.export("repositoryUrl", fargate.registry.repository.repository_url)
    if fargate.balancer and fargate.bridge:
        pulumi.export("endpoint", f"wss://{fargate.settings.domain}")
        pulumi.export("balancerAddress", fargate.balancer.balancer.dns_name)
        pulumi.export("clusterName", fargate.bridge.cluster.name)
        pulumi.export("serviceName", fargate.bridge.service.name)
    if fargate.wake:
        pulumi.export("wakeUrl", fargate.wake.url)
