"""The network of the bridge on Fargate: a VPC of our own or a given one, and who may reach what."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from settings import FargateSettings

PORT = 8080
"""Of the service in its container (`PORT` in its README)."""
NETWORK = "10.73.0.0/16"
"""Of our own VPC; nothing is peered with it."""
ZONES = 2
"""A load balancer wants two at least."""
ANYWHERE = ["0.0.0.0/0"]


class Network(pulumi.ComponentResource):
    """`vpc_id`, `subnet_ids` (public), and the groups `of_balancer` and `of_tasks`.

    Tasks have public addresses and no NAT gateway, which would cost more than they do; nothing
    but the load balancer can reach them.
    """

    def __init__(self, name: str, settings: FargateSettings) -> None:
        super().__init__("audiobridge:index:Network", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self.vpc_id: pulumi.Input[str]
        self.subnet_ids: Sequence[pulumi.Input[str]]
        if settings.vpc_id:
            self.vpc_id, self.subnet_ids = settings.vpc_id, settings.subnet_ids
        else:
            self.vpc_id, self.subnet_ids = self._own()
        self.of_balancer = self._group("balancer", "Callers from Genesys Cloud, by TLS")
        self.of_tasks = self._group("tasks", "The bridge, from its load balancer alone")
        self._let_in()
        self._let_out()
        self.register_outputs({})

    def _own(self) -> tuple[pulumi.Input[str], Sequence[pulumi.Input[str]]]:
        vpc = aws.ec2.Vpc(
            "bridge",
            cidr_block=NETWORK,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            opts=self._child,
        )
        gateway = aws.ec2.InternetGateway("bridge", vpc_id=vpc.id, opts=self._child)
        routes = aws.ec2.RouteTable(
            "bridge",
            vpc_id=vpc.id,
            routes=[{"cidr_block": ANYWHERE[0], "gateway_id": gateway.id}],
            opts=self._child,
        )
        zones = aws.get_availability_zones_output(
            state="available", opts=pulumi.InvokeOutputOptions(parent=self)
        )
        subnets: list[pulumi.Input[str]] = []
        for number in range(ZONES):
            subnet = aws.ec2.Subnet(
                f"bridge-{number}",
                vpc_id=vpc.id,
                cidr_block=f"10.73.{number}.0/24",
                availability_zone=zones.names[number],
                opts=self._child,
            )
            aws.ec2.RouteTableAssociation(
                f"bridge-{number}",
                subnet_id=subnet.id,
                route_table_id=routes.id,
                opts=self._child,
            )
            subnets.append(subnet.id)
        return vpc.id, subnets

    def _group(self, name: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name, vpc_id=self.vpc_id, description=description, opts=self._child
        )

    def _let_in(self) -> None:
        for port in (80, 443):
            aws.vpc.SecurityGroupIngressRule(
                f"balancer-{port}",
                security_group_id=self.of_balancer.id,
                cidr_ipv4=ANYWHERE[0],
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                opts=self._child,
            )
        aws.vpc.SecurityGroupIngressRule(
            "tasks",
            security_group_id=self.of_tasks.id,
            referenced_security_group_id=self.of_balancer.id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            opts=self._child,
        )

    def _let_out(self) -> None:
        aws.vpc.SecurityGroupEgressRule(
            "balancer",
            security_group_id=self.of_balancer.id,
            referenced_security_group_id=self.of_tasks.id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            opts=self._child,
        )
        # Models, AWS and the tools of bots are anywhere.
        aws.vpc.SecurityGroupEgressRule(
            "tasks",
            security_group_id=self.of_tasks.id,
            cidr_ipv4=ANYWHERE[0],
            ip_protocol="-1",
            opts=self._child,
        )
