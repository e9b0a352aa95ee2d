"""What somebody is told of: dead letters, a late queue, failing functions, refused callers."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.balancer import Balancer
from components.events import Events
from components.functions import Functions
from fargate import Fargate
from settings import Settings

LATE_S = 900
"""A recorded call is worth a report within minutes: a queue that is this late is stuck."""
PERIOD_S = 300


class Alarms(pulumi.ComponentResource):
    """Alarms that publish to `topic`, which an e-mail address may follow."""

    def __init__(
        self,
        name: str,
        events: Events,
        functions: Functions,
        fargate: Fargate | None,
        settings: Settings,
    ) -> None:
        super().__init__("audiobridge:index:Alarms", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self.topic = aws.sns.Topic("alarms", opts=self._child)
        if settings.alarm_email:
            aws.sns.TopicSubscription(
                "alarms",
                topic=self.topic.arn,
                protocol="email",
                endpoint=settings.alarm_email,
                opts=self._child,
            )
        self._queues(events, functions)
        self._functions(functions)
        if fargate and fargate.balancer:
            self._callers(fargate.balancer)
        self.register_outputs({})

    def _queues(self, events: Events, functions: Functions) -> None:
        dead = {"dead-letters": events.dead, "dead-exports": functions.dead}
        if functions.enricher:
            dead["dead-judgements"] = functions.enricher.dead
        for name, queue in dead.items():
            self.above(
                name,
                0,
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": queue.name},
                why="Something could not be processed; see the function's log, then redrive it.",
            )
        self.above(
            "late",
            LATE_S,
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": events.queue.name},
            why="Events of calls wait for the recorder; see its log and its throttles.",
        )

    def _functions(self, functions: Functions) -> None:
        for name, function in functions.by_name.items():
            for metric in ("Errors", "Throttles"):
                self.above(
                    f"{name}-{metric.lower()}",
                    0,
                    namespace="AWS/Lambda",
                    metric=metric,
                    statistic="Sum",
                    dimensions={"FunctionName": function.name},
                    why=f"The function {name} fails or is held back; see its log.",
                )

    def _callers(self, balancer: Balancer) -> None:
        of_balancer = {"LoadBalancer": balancer.balancer.arn_suffix}
        refused = "Callers were refused: no task takes calls, or all are full."
        for name, metric in (
            ("no-task", "HTTPCode_ELB_5XX_Count"),
            ("full", "HTTPCode_Target_5XX_Count"),
        ):
            self.above(
                name,
                0,
                namespace="AWS/ApplicationELB",
                metric=metric,
                statistic="Sum",
                dimensions=of_balancer,
                why=refused,
            )
        self.above(
            "unhealthy",
            0,
            namespace="AWS/ApplicationELB",
            metric="UnHealthyHostCount",
            dimensions=of_balancer | {"TargetGroup": balancer.target_group.arn_suffix},
            why="A task does not answer /livez; ECS replaces it. See its log.",
        )

    def above(
        self,
        name: str,
        threshold: float,
        *,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, pulumi.Input[str]],
        why: str,
        statistic: str = "Maximum",
    ) -> None:
        """Make an alarm for a metric above a threshold; silence is no alarm."""
        aws.cloudwatch.MetricAlarm(
            name,
            alarm_description=why,
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            period=PERIOD_S,
            evaluation_periods=1,
            comparison_operator="GreaterThanThreshold",
            threshold=threshold,
            treat_missing_data="notBreaching",
            alarm_actions=[self.topic.arn],
            ok_actions=[self.topic.arn],
            opts=self._child,
        )
