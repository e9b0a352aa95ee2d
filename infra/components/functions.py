"""The serverless functions behind the queue: recorder, sweeper, exporter, and what starts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.events import DETAIL_TYPE, EVENT_SOURCE, FUNCTION_TIMEOUT_S, KEEP_DEAD_S, Events
from policies import Statement, allow, document, role_for, tls_only
from settings import Settings

RUNTIME = "python3.13"
"""For which `scripts/package_functions.py` makes the zip."""
MEMORY_MB = 256
BATCH = 50
WAIT_S = 5
"""Events of a call come in bursts: this long they are gathered, for fewer runs."""
AT_ONCE = 10
"""Batches at a time at most: a flood of events waits in the queue, not at the table."""
SWEEP_EVERY = "rate(15 minutes)"
SWEEP_TIMEOUT_S = 300
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
FROM_RECORDER = ("calls/*", "turns/*", "transcripts/*", "oversize/rows/*")
"""What the recorder writes in the lake (`service/analytics/documents.py`, `aws.py`)."""


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
        timeout_s: int = FUNCTION_TIMEOUT_S,
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


class Functions(pulumi.ComponentResource):
    """All functions; `by_name` has their resources, `dead` what the exporter failed at."""

    def __init__(self, name: str, events: Events, settings: Settings) -> None:
        super().__init__("audiobridge:index:Functions", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._events = events
        self._settings = settings
        self._code = pulumi.FileArchive(str(settings.functions_zip))
        self.by_name = {
            "recorder": self._recorder(),
            "sweeper": self._sweeper(),
        }
        self.dead = self._dead()
        self.by_name["exporter"] = self._exporter()
        self.register_outputs({})

    def _recorder(self) -> aws.lambda_.Function:
        events = self._events
        receive = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        function = self._make(
            "recorder",
            [
                allow(receive, events.queue.arn),
                *self._recording(),
                allow(["dynamodb:GetItem"], events.table.arn),
                allow(["s3:GetObject"], self._lake("oversize/*")),
            ],
        )
        aws.lambda_.EventSourceMapping(
            "recorder",
            event_source_arn=events.queue.arn,
            function_name=function.arn,
            batch_size=BATCH,
            maximum_batching_window_in_seconds=WAIT_S,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": AT_ONCE},
            opts=self._child,
        )
        return function

    def _sweeper(self) -> aws.lambda_.Function:
        by_day = pulumi.Output.concat(self._events.table.arn, "/index/day")
        function = self._make(
            "sweeper",
            [
                *self._recording(),
                allow(["dynamodb:Query"], by_day),
                allow(["s3:GetObject"], self._lake("oversize/rows/*")),
            ],
            timeout_s=SWEEP_TIMEOUT_S,
        )
        # A rule of EventBridge, not of its Scheduler: its event has the `time` that is swept at.
        self._rule("sweeper", function, schedule_expression=SWEEP_EVERY)
        return function

    def _exporter(self) -> aws.lambda_.Function:
        function = self._make(
            "exporter",
            [
                allow(["dynamodb:Query"], self._events.table.arn),
                allow(["s3:PutObject"], self._lake("exports/*")),
                allow(["s3:GetObject"], self._lake("oversize/rows/*")),
                allow(["sqs:SendMessage"], self.dead.arn),
            ],
        )
        aws.lambda_.FunctionEventInvokeConfig(
            "exporter",
            function_name=function.name,
            maximum_retry_attempts=2,
            destination_config={"on_failure": {"destination": self.dead.arn}},
            opts=self._child,
        )
        pattern = {"source": [EVENT_SOURCE], "detail-type": [DETAIL_TYPE]}
        self._rule(
            "exporter",
            function,
            event_bus_name=self._events.bus.name,
            event_pattern=pulumi.Output.json_dumps(pattern),
        )
        return function

    def _recording(self) -> list[Statement]:
        events = self._events
        return [
            allow(["dynamodb:PutItem", "dynamodb:Query"], events.table.arn),
            allow(["s3:PutObject"], [self._lake(keys) for keys in FROM_RECORDER]),
            allow(["events:PutEvents"], events.bus.arn),
        ]

    def _lake(self, keys: str) -> pulumi.Output[str]:
        return pulumi.Output.concat(self._events.lake.arn, "/", keys)

    def _make(
        self, name: str, statements: Sequence[Statement], timeout_s: int = FUNCTION_TIMEOUT_S
    ) -> aws.lambda_.Function:
        made = Function(
            name,
            parent=self,
            code=self._code,
            handler=f"service.analytics.functions.{name}",
            environment={
                "TABLE_NAME": self._events.table.name,
                "LAKE_BUCKET": self._events.lake.bucket,
                "BUS_NAME": self._events.bus.name,
                "RETENTION_DAYS": str(self._settings.retention_days),
            },
            statements=statements,
            log_retention_days=self._settings.log_retention_days,
            timeout_s=timeout_s,
        )
        return made.function

    def _rule(self, name: str, function: aws.lambda_.Function, **when: Any) -> None:
        rule = aws.cloudwatch.EventRule(name, opts=self._child, **when)
        aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            arn=function.arn,
            event_bus_name=when.get("event_bus_name"),
            opts=self._child,
        )

    def _dead(self) -> aws.sqs.Queue:
        dead = aws.sqs.Queue(
            "exports-dead",
            message_retention_seconds=KEEP_DEAD_S,
            sqs_managed_sse_enabled=True,
            opts=self._child,
        )
        aws.sqs.QueuePolicy(
            "exports-dead",
            queue_url=dead.id,
            policy=document(tls_only("sqs:*", dead.arn)),
            opts=self._child,
        )
        return dead
