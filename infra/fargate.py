"""The bridge on ECS Fargate, by setting: what belongs together there, in its order."""

import pulumi

from components.autoscaling import Autoscaling
from components.balancer import Balancer
from components.bridge import Bridge
from components.events import Events
from components.network import Network
from components.registry import Registry
from components.secrets import Secrets
from components.wake import Wake
from settings import FargateSettings, Settings


class Fargate:
    """`registry` always; without an image nothing else is made, and the rest is None."""

    balancer: Balancer | None = None
    bridge: Bridge | None = None
    wake: Wake | None = None

    def __init__(
        self, events: Events, secrets: Secrets, settings: Settings, fargate: FargateSettings
    ) -> None:
        self.settings = fargate
        self.registry = Registry("registry")
        if fargate.image is None:
            pulumi.log.warn(
                "The repository is made, and no service yet: push an image to it (the output"
                " repositoryUrl says where), `pulumi config set image URL@sha256:…`, and"
                " `pulumi up` again."
            )
            return
        network = Network("network", fargate)
        self.balancer = Balancer("balancer", network, fargate)
        self.bridge = Bridge(
            "bridge",
            events=events,
            secrets=secrets,
            network=network,
            balancer=self.balancer,
            repository=self.registry.repository,
            settings=settings,
            fargate=fargate,
        )
        Autoscaling("autoscaling", self.bridge, fargate.scaling)
        if fargate.wake_token is not None:
            self.wake = Wake(
                "wake",
                bridge=self.bridge,
                balancer=self.balancer,
                token=fargate.wake_token,
                log_retention_days=settings.log_retention_days,
            )
