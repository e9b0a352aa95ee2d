"""A serverless function with its role and its log."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from policies import Statement, allow, role_for

RUNTIME = "python3.13"
"""For which `scripts/package_functions.py` makes the zip."""
MEMORY_MB = 256
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")


class Function(pulumi.ComponentResource):
    """A function with its role and its log; `statements` are all that it may do besides logging."""

    def __init__(
        self,
        name: str,
        *,
        parent: pulumi.Resource,
        code: pulumi.Archive,
        handler: str,
        environment: Mapping[str, pulumi.Input[str]],
        statements: Sequence[Statement],
        log_retention_days: int,
        timeout_s: int,
    ) -> None:
        super().__init__(
            "audiobridge:index:Function", name, opts=pulumi.ResourceOptions(parent=parent)
        )
        child = pulumi.ResourceOptions(parent=self)
        # Made by us and named to the function: Lambda's own would keep everything for ever.
        log = aws.cloudwatch.LogGroup(name, retention_in_days=log_retention_days, opts=child)
        log_streams = pulumi.Output.concat(log.arn, ":*")
        role, policy = role_for(
            name, "lambda.amazonaws.com", [allow(LOG_ACTIONS, log_streams), *statements], self
        )
        self.function = aws.lambda_.Function(
            name,
            code=code,
            handler=handler,
            runtime=RUNTIME,
            architectures=["arm64"],
            memory_size=MEMORY_MB,
            timeout=timeout_s,
            role=role.arn,
            environment={"variables": environment},
            logging_config={"log_format": "Text", "log_group": log.name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({})
