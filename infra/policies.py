"""IAM and resource policies as documents: least privilege, written once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

Statement = dict[str, Any]
Resources = pulumi.Input[str] | Sequence[pulumi.Input[str]]
MODEL_ID = r"[\w.:-]+"
"""Of Bedrock: no ARN, for rights are made of it."""
_GEOGRAPHY = re.compile(r"^(?:global|us-gov|us|eu|apac|au|ca|jp)\.")
"""In front of a model's id: an inference profile across regions. Source: Bedrock's guide."""


def allow(actions: Sequence[str], resources: Resources, **more: Any) -> Statement:
    """Return a statement that allows actions on resources; `more` are further members of it."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources} | more


def bedrock_models(model: str, region: str) -> list[str]:
    """Return the ARNs of a model by its id, or by that of an inference profile.

    What a profile's model needs lies in all regions that Bedrock may pick.
    """
    at_home = _GEOGRAPHY.sub("", model)
    if at_home == model:
        return [f"arn:aws:bedrock:{region}::foundation-model/{model}"]
    return [
        f"arn:aws:bedrock:{region}:*:inference-profile/{model}",
        f"arn:aws:bedrock:*::foundation-model/{at_home}",
    ]


def document(*statements: Statement) -> pulumi.Output[str]:
    """Return the policy's JSON."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust_of_service(service: str) -> pulumi.Output[str]:
    """Return the trust policy of a role for an AWS service, such as `lambda.amazonaws.com`."""
    principal = {"Service": service}
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal})


def trust_of_tokens(
    provider_arn: pulumi.Input[str], issuer: str, conditions: Mapping[str, Mapping[str, str]]
) -> pulumi.Output[str]:
    """Return the trust policy of a role for the OIDC tokens of an issuer that are for AWS.

    Args:
        provider_arn: of the issuer's provider in IAM.
        issuer: its address without the scheme.
        conditions: on the token's claims, by operator.
    """
    named = {
        operator: {f"{issuer}:{claim}": value for claim, value in claims.items()}
        for operator, claims in conditions.items()
    }
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": named,
    }
    return document(statement)


def tls_only(actions: str, resources: Resources) -> Statement:
    """Return a statement of a resource's policy that refuses what does not come over TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def role_for(
    name: str,
    service: str,
    statements: Sequence[Statement],
    parent: pulumi.Resource,
) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    """Make a role of an AWS service that may do no more than the statements say.

    What takes the role depends on the policy, too: AWS refuses some things to roles without rights.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(name, assume_role_policy=trust_of_service(service), opts=opts)
    rights = document(*statements)
    return role, aws.iam.RolePolicy(name, role=role.id, policy=rights, opts=opts)
