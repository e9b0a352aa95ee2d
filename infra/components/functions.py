"""The serverless functions behind the queue, and what starts them."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.enricher import Enricher
from components.events import COMPLETED, FUNCTION_TIMEOUT_S, Events
from components.function import Function
from components.queue import RECEIVE, dead_letter_queue
from components.secrets import Secrets
from policies import Statement, allow
from settings import Settings

BATCH = 50
WAIT_S = 5
"""Events of a call come in bursts: this long they are gathered, for fewer runs."""
AT_ONCE = 10
"""Batches at a time at most: a flood of events waits in the queue, not at the table."""
SWEEP_EVERY = "rate(15 minutes)"
SWEEP_TIMEOUT_S = 300
FROM_RECORDER = ("calls/*", "turns/*", "transcripts/*", "oversize/rows/*")
"""What the recorder writes in the lake (`service/analytics/documents.py`, `aws.py`)."""


class Functions(pulumi.ComponentResource):
    """Recorder, sweeper, exporter, and by setting the enricher.

    `by_name` has their resources, `dead` what the exporter failed at.
    """

    def __init__(self, name: str, events: Events, secrets: Secrets, settings: Settings) -> None:
        super().__init__("audiobridge:index:Functions", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._events = events
        self._settings = settings
        self._code = pulumi.FileArchive(str(settings.functions_zip))
        self.by_name = {
            "recorder": self._recorder(),
            "sweeper": self._sweeper(),
        }
        self.dead = dead_letter_queue("exports-dead", self._child)
        self.by_name["exporter"] = self._exporter()
        self.enricher = self._enricher(secrets)
        if self.enricher:
            self.by_name["enricher"] = self.enricher.function
        self.register_outputs({})

    def _recorder(self) -> aws.lambda_.Function:
        events = self._events
        function = self._make(
            "recorder",
            [
                allow(RECEIVE, events.queue.arn),
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
        self._rule(
            "exporter",
            function,
            event_bus_name=self._events.bus.name,
            event_pattern=pulumi.Output.json_dumps(COMPLETED),
        )
        return function

    def _enricher(self, secrets: Secrets) -> Enricher | None:
        if self._settings.judge is None:
            return None
        return Enricher(
            "enricher",
            parent=self,
            code=self._code,
            environment=self._environment(),
            events=self._events,
            secrets=secrets,
            settings=self._settings,
            judge=self._settings.judge,
        )

    def _environment(self) -> dict[str, pulumi.Input[str]]:
        return {
            "TABLE_NAME": self._events.table.name,
            "LAKE_BUCKET": self._events.lake.bucket,
            "BUS_NAME": self._events.bus.name,
            "RETENTION_DAYS": str(self._settings.retention_days),
        }

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
            environment=self._environment(),
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
