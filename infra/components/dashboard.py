"""One page in CloudWatch: calls now, the road of the events, the functions."""

from typing import Any

import pulumi
import pulumi_aws as aws

from components.bridge import Bridge
from components.events import Events
from components.functions import Functions
from fargate import Fargate
from settings import Settings

NAMESPACE = "AudioConnectorBridge"
"""Of the service's own figures, which it writes with `METRICS=emf` (`service/logs.py`)."""
WIDTH, HEIGHT = 12, 6
"""Two graphs a row: a page is 24 wide."""


class Dashboard(pulumi.ComponentResource):
    """The page; `name` is what CloudWatch calls it."""

    def __init__(
        self,
        name: str,
        events: Events,
        functions: Functions,
        fargate: Fargate | None,
        settings: Settings,
    ) -> None:
        super().__init__("audiobridge:index:Dashboard", name)
        self._region = settings.region
        self._graphs: list[dict[str, Any]] = []
        self._calls()
        self._road(events, functions)
        self._functions(functions)
        if fargate and fargate.bridge:
            self._tasks(fargate.bridge)
        page = aws.cloudwatch.Dashboard(
            "bridge",
            dashboard_name=f"audioconnector-bridge-{pulumi.get_stack()}",
            dashboard_body=pulumi.Output.json_dumps({"widgets": self._graphs}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = page.dashboard_name
        self.register_outputs({})

    def _calls(self) -> None:
        live = [[NAMESPACE, "ActiveCalls"], [NAMESPACE, "MaxCalls"]]
        self.graph("Calls now, and at most, per task (average)", live, "Average")

    def _road(self, events: Events, functions: Functions) -> None:
        sqs, visible = "AWS/SQS", "ApproximateNumberOfMessagesVisible"
        name = "QueueName"
        queues = [events.queue, events.dead, functions.dead]
        if functions.enricher:
            queues += [functions.enricher.queue, functions.enricher.dead]
        self.graph(
            "Oldest event that waits (s)",
            [[sqs, "ApproximateAgeOfOldestMessage", name, events.queue.name]],
            "Maximum",
        )
        self.graph(
            "Events waiting, and dead",
            [[sqs, visible, name, each.name] for each in queues],
            "Maximum",
        )

    def _functions(self, functions: Functions) -> None:
        for metric, statistic in (("Invocations", "Sum"), ("Errors", "Sum"), ("Duration", "p95")):
            self.graph(
                f"Functions: {metric.lower()}",
                [
                    ["AWS/Lambda", metric, "FunctionName", function.name, {"label": name}]
                    for name, function in functions.by_name.items()
                ],
                statistic,
            )

    def _tasks(self, bridge: Bridge) -> None:
        where = ["ClusterName", bridge.cluster.name, "ServiceName", bridge.service.name]
        loads = [["AWS/ECS", metric, *where] for metric in ("CPUUtilization", "MemoryUtilization")]
        self.graph("Tasks: load (%)", loads, "Maximum")

    def graph(self, title: str, metrics: list[list[Any]], statistic: str) -> None:
        """Add a graph behind the others."""
        number = len(self._graphs)
        self._graphs.append(
            {
                "type": "metric",
                "x": number % 2 * WIDTH,
                "y": number // 2 * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": {
                    "title": title,
                    "metrics": metrics,
                    "stat": statistic,
                    "period": 60,
                    "region": self._region,
                },
            }
        )
