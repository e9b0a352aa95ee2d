"""The bridge as a service of ECS on Fargate, on ARM64."""

from typing import Any

import pulumi
import pulumi_aws as aws

from bridge_rights import bridge_environment, bridge_statements
from components.balancer import Balancer
from components.events import Events
from components.function import LOG_ACTIONS
from components.network import PORT, Network
from components.secrets import Secrets
from policies import allow, role_for
from settings import FargateSettings, Settings

CONTAINER = "bridge"
STOP_S = 120
"""From SIGTERM to SIGKILL; the most that Fargate gives. It comes after the deregistration."""
DRAIN_S = 110
"""`DRAIN_SECONDS`: less than `STOP_S`, so that the last calls are handed over and not cut."""
GRACE_S = 30
"""For a new task until the load balancer's opinion counts; ours is ready within a second or two."""
PROTECTION = ("ecs:UpdateTaskProtection", "ecs:GetTaskProtection")


class Bridge(pulumi.ComponentResource):
    """`cluster` and `service`. A deploy waits for the calls of tasks that leave: up to 16 min."""

    def __init__(
        self,
        name: str,
        *,
        events: Events,
        secrets: Secrets,
        network: Network,
        balancer: Balancer,
        repository: aws.ecr.Repository,
        settings: Settings,
        fargate: FargateSettings,
    ) -> None:
        super().__init__("audiobridge:index:Bridge", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._fargate = fargate
        self._region = settings.region
        self.cluster = aws.ecs.Cluster("bridge", opts=self._child)
        log = aws.cloudwatch.LogGroup(
            "bridge", retention_in_days=settings.log_retention_days, opts=self._child
        )
        environment = bridge_environment(events, secrets, settings) | self._own_environment()
        task = aws.ecs.TaskDefinition(
            "bridge",
            family=f"audioconnector-bridge-{pulumi.get_stack()}",
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(fargate.cpu),
            memory=str(fargate.memory),
            runtime_platform={"cpu_architecture": "ARM64", "operating_system_family": "LINUX"},
            task_role_arn=self._rights(events, secrets, settings).arn,
            execution_role_arn=self._starter(log, repository).arn,
            container_definitions=pulumi.Output.json_dumps([self._container(log, environment)]),
            opts=self._child,
        )
        self.service = self._service(task, network, balancer)
        self.register_outputs({})

    def _own_environment(self) -> dict[str, pulumi.Input[str]]:
        """Return what the service must know of Fargate, and what the stack's settings add."""
        return {
            "PORT": str(PORT),
            "METRICS": "emf",
            "MAX_CALLS": str(self._fargate.scaling.calls_per_task),
            "DRAIN_SECONDS": str(DRAIN_S),
            "TASK_PROTECTION": "ecs",
            **self._fargate.environment,
        }

    def _rights(self, events: Events, secrets: Secrets, settings: Settings) -> aws.iam.Role:
        tasks = pulumi.Output.concat(
            self.cluster.arn.apply(lambda arn: arn.replace(":cluster/", ":task/")), "/*"
        )
        statements = [*bridge_statements(events, secrets, settings), allow(PROTECTION, tasks)]
        role, _ = role_for("task", "ecs-tasks.amazonaws.com", statements, self)
        return role

    def _starter(
        self, log: aws.cloudwatch.LogGroup, repository: aws.ecr.Repository
    ) -> aws.iam.Role:
        """Return the role that starts tasks: it pulls the image, writes the log, reads secrets."""
        pull = (
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        )
        statements = [
            allow(["ecr:GetAuthorizationToken"], "*"),
            allow(pull, repository.arn),
            allow(LOG_ACTIONS, pulumi.Output.concat(log.arn, ":*")),
        ]
        if self._fargate.secret_environment:
            arns = sorted(set(self._fargate.secret_environment.values()))
            statements.append(allow(["secretsmanager:GetSecretValue"], arns))
        role, _ = role_for("starter", "ecs-tasks.amazonaws.com", statements, self)
        return role

    def _container(
        self, log: aws.cloudwatch.LogGroup, environment: dict[str, pulumi.Input[str]]
    ) -> dict[str, Any]:
        container: dict[str, Any] = {
            "name": CONTAINER,
            "image": self._fargate.image,
            "essential": True,
            "portMappings": [{"containerPort": PORT, "protocol": "tcp"}],
            "environment": [
                {"name": name, "value": value} for name, value in sorted(environment.items())
            ],
            "stopTimeout": STOP_S,
            # A file for each socket: calls, the model, tools.
            "ulimits": [{"name": "nofile", "softLimit": 65_536, "hardLimit": 65_536}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": log.name,
                    "awslogs-region": self._region,
                    "awslogs-stream-prefix": CONTAINER,
                },
            },
        }
        secrets = sorted(self._fargate.secret_environment.items())
        # ECS forgets an empty list, and every run would want to bring it back.
        if secrets:
            container["secrets"] = [{"name": name, "valueFrom": arn} for name, arn in secrets]
        return container

    def _service(
        self, task: aws.ecs.TaskDefinition, network: Network, balancer: Balancer
    ) -> aws.ecs.Service:
        return aws.ecs.Service(
            "bridge",
            cluster=self.cluster.arn,
            task_definition=task.arn,
            launch_type="FARGATE",
            desired_count=self._fargate.scaling.min_tasks,
            # Rebalancing moves running tasks between zones, and their calls with them.
            availability_zone_rebalancing="DISABLED",
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            health_check_grace_period_seconds=GRACE_S,
            network_configuration={
                "subnets": network.subnet_ids,
                "security_groups": [network.of_tasks.id],
                "assign_public_ip": True,
            },
            load_balancers=[
                {
                    "target_group_arn": balancer.target_group.arn,
                    "container_name": CONTAINER,
                    "container_port": PORT,
                }
            ],
            propagate_tags="SERVICE",
            # The number of tasks is the scaling's; ECS refuses a target group without a listener.
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["desiredCount"], depends_on=[balancer.listener]
            ),
        )
