"""The part of the provider that makes what Fargate needs; importing it is all."""

import json

from tests.infra.moto_provider import Inputs, Made, Moto, makes, upper


@makes("ecr/repository:Repository")
def _repository(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("ecr").create_repository(repositoryName=name, **inputs)["repository"]
    return name, {"arn": made["repositoryArn"], "repositoryUrl": made["repositoryUri"]}


@makes("ecr/lifecyclePolicy:LifecyclePolicy")
def _lifecycle(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("ecr").put_lifecycle_policy(
        repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"]
    )
    return name, {}


@makes("ec2/vpc:Vpc")
def _vpc(moto: Moto, name: str, inputs: Inputs) -> Made:
    ec2 = moto.client("ec2")
    made = ec2.create_vpc(CidrBlock=inputs["cidrBlock"])["Vpc"]["VpcId"]
    for name_, key in (
        ("EnableDnsSupport", "enableDnsSupport"),
        ("EnableDnsHostnames", "enableDnsHostnames"),
    ):
        ec2.modify_vpc_attribute(VpcId=made, **{name_: {"Value": inputs[key]}})
    return made, {}


@makes("ec2/internetGateway:InternetGateway")
def _gateway(moto: Moto, name: str, inputs: Inputs) -> Made:
    ec2 = moto.client("ec2")
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=inputs["vpcId"])
    return made, {}


@makes("ec2/routeTable:RouteTable")
def _routes(moto: Moto, name: str, inputs: Inputs) -> Made:
    ec2 = moto.client("ec2")
    made = ec2.create_route_table(VpcId=inputs["vpcId"])["RouteTable"]["RouteTableId"]
    for route in inputs["routes"]:
        ec2.create_route(
            RouteTableId=made,
            DestinationCidrBlock=route["cidrBlock"],
            GatewayId=route["gatewayId"],
        )
    return made, {}


@makes("ec2/subnet:Subnet")
def _subnet(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("ec2").create_subnet(**upper(inputs))["Subnet"]["SubnetId"]
    return made, {}


@makes("ec2/routeTableAssociation:RouteTableAssociation")
def _association(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("ec2").associate_route_table(**upper(inputs))["AssociationId"]
    return made, {}


@makes("ec2/securityGroup:SecurityGroup")
def _group(moto: Moto, name: str, inputs: Inputs) -> Made:
    made = moto.client("ec2").create_security_group(GroupName=name, **upper(inputs))["GroupId"]
    return made, {}


def _permission(inputs: Inputs) -> Inputs:
    permission: Inputs = {"IpProtocol": inputs["ipProtocol"]}
    if "fromPort" in inputs:
        permission |= {"FromPort": inputs["fromPort"], "ToPort": inputs["toPort"]}
    if "cidrIpv4" in inputs:
        return permission | {"IpRanges": [{"CidrIp": inputs["cidrIpv4"]}]}
    return permission | {"UserIdGroupPairs": [{"GroupId": inputs["referencedSecurityGroupId"]}]}


@makes("vpc/securityGroupIngressRule:SecurityGroupIngressRule")
def _ingress(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("ec2").authorize_security_group_ingress(
        GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)]
    )
    return name, {}


@makes("vpc/securityGroupEgressRule:SecurityGroupEgressRule")
def _egress(moto: Moto, name: str, inputs: Inputs) -> Made:
    ec2, group = moto.client("ec2"), inputs["securityGroupId"]
    # A group begins with leave to go anywhere, which the provider takes away.
    [about] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    if about["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=about["IpPermissionsEgress"])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[_permission(inputs)])
    return name, {}


@makes("lb/loadBalancer:LoadBalancer")
def _balancer(moto: Moto, name: str, inputs: Inputs) -> Made:
    elb = moto.client("elbv2")
    [made] = elb.create_load_balancer(
        Name=name,
        Type=inputs["loadBalancerType"],
        Subnets=inputs["subnets"],
        SecurityGroups=inputs["securityGroups"],
    )["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    attributes = {
        "idle_timeout.timeout_seconds": str(inputs["idleTimeout"]),
        "routing.http.drop_invalid_header_fields.enabled": str(
            inputs["dropInvalidHeaderFields"]
        ).lower(),
    }
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=_pairs(attributes))
    suffix = arn.partition(":loadbalancer/")[2]
    outputs = {"arn": arn, "dnsName": made["DNSName"], "zoneId": "Z35SXDOTRQ7X7K"}
    return arn, outputs | {"arnSuffix": suffix}


@makes("lb/targetGroup:TargetGroup")
def _targets(moto: Moto, name: str, inputs: Inputs) -> Made:
    elb, check = moto.client("elbv2"), inputs["healthCheck"]
    [made] = elb.create_target_group(
        Name=name,
        Protocol=inputs["protocol"],
        Port=inputs["port"],
        VpcId=inputs["vpcId"],
        TargetType=inputs["targetType"],
        HealthCheckPath=check["path"],
        HealthCheckIntervalSeconds=check["interval"],
        HealthCheckTimeoutSeconds=check["timeout"],
        HealthyThresholdCount=check["healthyThreshold"],
        UnhealthyThresholdCount=check["unhealthyThreshold"],
        Matcher={"HttpCode": check["matcher"]},
    )["TargetGroups"]
    arn = made["TargetGroupArn"]
    attributes = {
        "deregistration_delay.timeout_seconds": str(inputs["deregistrationDelay"]),
        "load_balancing.algorithm.type": inputs["loadBalancingAlgorithmType"],
    }
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=_pairs(attributes))
    return arn, {"arn": arn, "arnSuffix": arn.rpartition(":")[2]}


def _pairs(attributes: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in attributes.items()]


@makes("lb/listener:Listener")
def _listener(moto: Moto, name: str, inputs: Inputs) -> Made:
    request: Inputs = {
        "LoadBalancerArn": inputs["loadBalancerArn"],
        "Port": inputs["port"],
        "Protocol": inputs.get("protocol", "HTTP"),
        "DefaultActions": [],
    }
    for action in inputs["defaultActions"]:
        made = {"Type": action["type"]}
        if "redirect" in action:
            made |= {"RedirectConfig": upper(action["redirect"])}
        else:
            made |= {"TargetGroupArn": action["targetGroupArn"]}
        request["DefaultActions"].append(made)
    if "certificateArn" in inputs:
        request |= {
            "Certificates": [{"CertificateArn": inputs["certificateArn"]}],
            "SslPolicy": inputs["sslPolicy"],
        }
    [listener] = moto.client("elbv2").create_listener(**request)["Listeners"]
    return listener["ListenerArn"], {"arn": listener["ListenerArn"]}


@makes("acm/certificate:Certificate")
def _certificate(moto: Moto, name: str, inputs: Inputs) -> Made:
    acm = moto.client("acm")
    arn = acm.request_certificate(**upper(inputs))["CertificateArn"]
    about = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    options = [
        {
            "domainName": option["DomainName"],
            "resourceRecordName": option["ResourceRecord"]["Name"],
            "resourceRecordType": option["ResourceRecord"]["Type"],
            "resourceRecordValue": option["ResourceRecord"]["Value"],
        }
        for option in about["DomainValidationOptions"]
    ]
    return arn, {"arn": arn, "domainValidationOptions": options}


@makes("acm/certificateValidation:CertificateValidation")
def _validation(moto: Moto, name: str, inputs: Inputs) -> Made:
    assert all(inputs["validationRecordFqdns"])
    return name, {"certificateArn": inputs["certificateArn"]}


@makes("route53/record:Record")
def _record(moto: Moto, name: str, inputs: Inputs) -> Made:
    record: Inputs = {"Name": inputs["name"], "Type": inputs["type"]}
    if "aliases" in inputs:
        [alias] = inputs["aliases"]
        record["AliasTarget"] = {
            "DNSName": alias["name"],
            "HostedZoneId": alias["zoneId"],
            "EvaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    else:
        values = [{"Value": value} for value in inputs["records"]]
        record |= {"TTL": inputs["ttl"], "ResourceRecords": values}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    moto.client("route53").change_resource_record_sets(
        HostedZoneId=inputs["zoneId"], ChangeBatch={"Changes": changes}
    )
    return name, {"fqdn": inputs["name"].rstrip(".")}


@makes("ecs/cluster:Cluster")
def _cluster(moto: Moto, name: str, inputs: Inputs) -> Made:
    arn = moto.client("ecs").create_cluster(clusterName=name)["cluster"]["clusterArn"]
    return arn, {"arn": arn}


@makes("ecs/taskDefinition:TaskDefinition")
def _task(moto: Moto, name: str, inputs: Inputs) -> Made:
    inputs["containerDefinitions"] = json.loads(inputs["containerDefinitions"])
    made = moto.client("ecs").register_task_definition(**inputs)["taskDefinition"]
    return made["family"], {"arn": made["taskDefinitionArn"]}


@makes("ecs/service:Service")
def _service(moto: Moto, name: str, inputs: Inputs) -> Made:
    network = inputs["networkConfiguration"]
    made = moto.client("ecs").create_service(
        serviceName=name,
        cluster=inputs["cluster"],
        taskDefinition=inputs["taskDefinition"],
        launchType=inputs["launchType"],
        desiredCount=inputs["desiredCount"],
        availabilityZoneRebalancing=inputs["availabilityZoneRebalancing"],
        deploymentConfiguration={
            "minimumHealthyPercent": inputs["deploymentMinimumHealthyPercent"],
            "maximumPercent": inputs["deploymentMaximumPercent"],
            "deploymentCircuitBreaker": inputs["deploymentCircuitBreaker"],
        },
        healthCheckGracePeriodSeconds=inputs["healthCheckGracePeriodSeconds"],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": network["subnets"],
                "securityGroups": network["securityGroups"],
                "assignPublicIp": "ENABLED" if network["assignPublicIp"] else "DISABLED",
            }
        },
        loadBalancers=inputs["loadBalancers"],
        propagateTags=inputs["propagateTags"],
    )["service"]
    return made["serviceArn"], {"arn": made["serviceArn"]}


@makes("appautoscaling/target:Target")
def _scalable(moto: Moto, name: str, inputs: Inputs) -> Made:
    moto.client("application-autoscaling").register_scalable_target(**upper(inputs))
    return inputs["resourceId"], {}


@makes("appautoscaling/policy:Policy")
def _policy(moto: Moto, name: str, inputs: Inputs) -> Made:
    tracking = inputs.pop("targetTrackingScalingPolicyConfiguration")
    moto.client("application-autoscaling").put_scaling_policy(
        PolicyName=name,
        TargetTrackingScalingPolicyConfiguration=upper(tracking),
        **upper(inputs),
    )
    return name, {}


@makes("appautoscaling/scheduledAction:ScheduledAction")
def _scheduled(moto: Moto, name: str, inputs: Inputs) -> Made:
    del inputs["name"]
    moto.client("application-autoscaling").put_scheduled_action(
        ScheduledActionName=name, **upper(inputs)
    )
    return name, {}
