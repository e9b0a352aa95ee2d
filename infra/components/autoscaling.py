"""How the number of tasks follows the calls and the clock."""

import pulumi
import pulumi_aws as aws

from components.bridge import Bridge
from scaling import Hours, Scaling

FULL_AT = 0.6
"""Share of a task's calls that is aimed at: a new task takes minutes, the rest is for them."""
OUT_S, IN_S = 60, 900
"""Seconds to wait before the next step up, and down: longer than a call may last."""
NAMESPACE = "AudioConnectorBridge"
"""Of the metric that tasks write with `METRICS=emf` (`service/logs.py`)."""


class Autoscaling(pulumi.ComponentResource):
    """By calls per task, and with business hours by the clock: none is kept outside them."""

    def __init__(self, name: str, bridge: Bridge, scaling: Scaling) -> None:
        super().__init__("audiobridge:index:Autoscaling", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._scaling = scaling
        self._target = aws.appautoscaling.Target(
            "bridge",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat(
                "service/", bridge.cluster.name, "/", bridge.service.name
            ),
            min_capacity=scaling.min_tasks,
            max_capacity=scaling.max_tasks,
            # The clock changes the bounds: an update of the stack must not change them back.
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["minCapacity", "maxCapacity"] if scaling.hours else None,
            ),
        )
        self._follow_calls()
        if scaling.hours:
            self._follow_clock(scaling.hours)
        self.register_outputs({})

    def _follow_calls(self) -> None:
        aws.appautoscaling.Policy(
            "calls",
            policy_type="TargetTrackingScaling",
            service_namespace=self._target.service_namespace,
            scalable_dimension=self._target.scalable_dimension,
            resource_id=self._target.resource_id,
            target_tracking_scaling_policy_configuration={
                "target_value": FULL_AT * self._scaling.calls_per_task,
                "scale_out_cooldown": OUT_S,
                "scale_in_cooldown": IN_S,
                "customized_metric_specification": {
                    "namespace": NAMESPACE,
                    "metric_name": "ActiveCalls",
                    "statistic": "Average",
                },
            },
            opts=self._child,
        )

    def _follow_clock(self, hours: Hours) -> None:
        for name, clock, least in (
            ("opens", hours.opens_at, self._scaling.min_tasks),
            ("closes", hours.closes_at, 0),
        ):
            aws.appautoscaling.ScheduledAction(
                name,
                name=name,
                service_namespace=self._target.service_namespace,
                scalable_dimension=self._target.scalable_dimension,
                resource_id=self._target.resource_id,
                schedule=hours.cron(clock),
                timezone=hours.time_zone,
                scalable_target_action={
                    "min_capacity": least,
                    "max_capacity": self._scaling.max_tasks,
                },
                opts=self._child,
            )
