"""The load balancer that callers reach: TLS, health by `/livez`, and time for calls to end."""

import pulumi
import pulumi_aws as aws

from components.network import PORT, Network
from settings import FargateSettings

DEREGISTRATION_S = 960
"""So long a task that leaves keeps its calls: Genesys ends a session after 900 s by default."""
IDLE_S = 120
"""Genesys pings every 5 s; the default of 60 s would do, this also survives a bad minute."""
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Balancer(pulumi.ComponentResource):
    """`balancer`, `target_group`, and `listener`, which a service must wait for."""

    def __init__(self, name: str, network: Network, settings: FargateSettings) -> None:
        super().__init__("audiobridge:index:Balancer", name)
        self._child = pulumi.ResourceOptions(parent=self)
        self._settings = settings
        self.balancer = aws.lb.LoadBalancer(
            "bridge",
            load_balancer_type="application",
            subnets=network.subnet_ids,
            security_groups=[network.of_balancer.id],
            idle_timeout=IDLE_S,
            drop_invalid_header_fields=True,
            opts=self._child,
        )
        self.target_group = self._targets(network)
        self.listener = self._listen()
        self.register_outputs({})

    def _targets(self, network: Network) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            "bridge",
            vpc_id=network.vpc_id,
            target_type="ip",
            port=PORT,
            protocol="HTTP",
            deregistration_delay=DEREGISTRATION_S,
            # A call is one request that lasts: the task with the fewest of them is the freest.
            load_balancing_algorithm_type="least_outstanding_requests",
            # `/readyz` says "full" too, and ECS would replace a full task as if it were broken.
            health_check={
                "path": "/livez",
                "interval": 5,
                "timeout": 3,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
                "matcher": "200",
            },
            opts=self._child,
        )

    def _listen(self) -> aws.lb.Listener:
        aws.lb.Listener(
            "http",
            load_balancer_arn=self.balancer.arn,
            port=80,
            default_actions=[
                {
                    "type": "redirect",
                    "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"},
                }
            ],
            opts=self._child,
        )
        if self._settings.hosted_zone_id:
            self._lead_here(self._settings.hosted_zone_id)
        return aws.lb.Listener(
            "https",
            load_balancer_arn=self.balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=self._settings.certificate_arn or self._certificate(),
            default_actions=[{"type": "forward", "target_group_arn": self.target_group.arn}],
            opts=self._child,
        )

    def _certificate(self) -> pulumi.Output[str]:
        """Make a certificate, and prove by a record of the zone that the domain is ours."""
        certificate = aws.acm.Certificate(
            "bridge",
            domain_name=self._settings.domain,
            validation_method="DNS",
            opts=self._child,
        )
        option = certificate.domain_validation_options[0]
        proof = aws.route53.Record(
            "certificate",
            zone_id=self._settings.hosted_zone_id or "",
            name=option.resource_record_name,
            type=option.resource_record_type,
            records=[option.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=self._child,
        )
        proven = aws.acm.CertificateValidation(
            "bridge",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[proof.fqdn],
            opts=self._child,
        )
        return proven.certificate_arn

    def _lead_here(self, zone_id: str) -> None:
        aws.route53.Record(
            "bridge",
            zone_id=zone_id,
            name=self._settings.domain,
            type="A",
            aliases=[
                {
                    "name": self.balancer.dns_name,
                    "zone_id": self.balancer.zone_id,
                    "evaluate_target_health": False,
                }
            ],
            opts=self._child,
        )
