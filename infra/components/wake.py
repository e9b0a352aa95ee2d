"""Wake-ahead: an address that Architect calls before the call, for a service that sleeps."""

import hashlib
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.balancer import Balancer
from components.bridge import Bridge
from components.functions import Function
from policies import allow

HANDLER = Path(__file__).parents[1] / "wake" / "handler.py"
TIMEOUT_S = 10
"""Architect's data actions wait longer; the answer takes well under a second."""


class Wake(pulumi.ComponentResource):
    """`url`: POST or GET it with `Authorization: Bearer <wakeToken>`; it answers `{"ready": …}`."""

    def __init__(
        self,
        name: str,
        *,
        bridge: Bridge,
        balancer: Balancer,
        token: pulumi.Output[str],
        log_retention_days: int,
    ) -> None:
        super().__init__("audiobridge:index:Wake", name)
        digest = token.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
        function = Function(
            "wake",
            parent=self,
            code=pulumi.AssetArchive({"handler.py": pulumi.FileAsset(str(HANDLER))}),
            handler="handler.wake",
            environment={
                "CLUSTER": bridge.cluster.name,
                "SERVICE": bridge.service.name,
                "TARGET_GROUP": balancer.target_group.arn,
                "TOKEN_SHA256": digest,
            },
            statements=[
                allow(["ecs:DescribeServices", "ecs:UpdateService"], bridge.service.arn),
                # This one knows no resources.
                allow(["elasticloadbalancing:DescribeTargetHealth"], "*"),
            ],
            log_retention_days=log_retention_days,
            timeout_s=TIMEOUT_S,
        ).function
        self.url = self._address(function)
        self.register_outputs({})

    def _address(self, function: aws.lambda_.Function) -> pulumi.Output[str]:
        """Give the function an address for everybody; the token decides who is served."""
        child = pulumi.ResourceOptions(parent=self)
        # Lambda wants both permissions.
        aws.lambda_.Permission(
            "wake-address",
            action="lambda:InvokeFunctionUrl",
            function=function.name,
            principal="*",
            function_url_auth_type="NONE",
            opts=child,
        )
        aws.lambda_.Permission(
            "wake",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="*",
            invoked_via_function_url=True,
            opts=child,
        )
        address = aws.lambda_.FunctionUrl(
            "wake", function_name=function.name, authorization_type="NONE", opts=child
        )
        return address.function_url
