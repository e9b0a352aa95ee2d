"""Who may act without any key of AWS: the bridge on Fly, and the workflows on GitHub."""

import pulumi
import pulumi_aws as aws

from bridge_rights import bridge_statements
from components.events import Events
from components.secrets import Secrets
from policies import document, trust_of_tokens
from settings import Settings

AUDIENCE = "sts.amazonaws.com"
GITHUB = "token.actions.githubusercontent.com"


class Identity(pulumi.ComponentResource):
    """Roles for OIDC tokens, each by setting; the attribute is None where it was not asked for.

    `fly_role`: of the bridge's Machines. `github_provider_arn`: for other roles.
    `deploy_role`: of the workflow that runs `pulumi up` in the environment `production`.
    """

    fly_role: aws.iam.Role | None = None
    github_provider_arn: pulumi.Input[str] | None = None
    deploy_role: aws.iam.Role | None = None

    def __init__(self, name: str, events: Events, secrets: Secrets, settings: Settings) -> None:
        super().__init__("audiobridge:index:Identity", name)
        self._child = pulumi.ResourceOptions(parent=self)
        if settings.fly_org and settings.fly_app:
            self.fly_role = self._fly(settings.fly_org, settings.fly_app)
            aws.iam.RolePolicy(
                "fly",
                role=self.fly_role.id,
                policy=document(*bridge_statements(events, secrets)),
                opts=self._child,
            )
        if settings.github_repository:
            # An account has one provider per issuer: another stack may have made it.
            given = settings.github_provider_arn
            self.github_provider_arn = given or self._trusted("github", GITHUB).arn
        if self.github_provider_arn and settings.github_deploy_policy_arn:
            self.deploy_role = self._deploy(
                self.github_provider_arn,
                settings.github_repository or "",
                settings.github_deploy_policy_arn,
            )
        self.register_outputs({})

    def _fly(self, org: str, app: str) -> aws.iam.Role:
        issuer = f"oidc.fly.io/{org}"
        # A token's subject is org:app:machine.
        conditions = {
            "StringEquals": {"aud": AUDIENCE},
            "StringLike": {"sub": f"{org}:{app}:*"},
        }
        provider = self._trusted("fly", issuer)
        trust = trust_of_tokens(provider.arn, issuer, conditions)
        return aws.iam.Role("fly", assume_role_policy=trust, opts=self._child)

    def _deploy(
        self, provider_arn: pulumi.Input[str], repository: str, policy_arn: str
    ) -> aws.iam.Role:
        # The environment's rules on GitHub (branches, reviewers) decide who gets this subject.
        subject = f"repo:{repository}:environment:production"
        conditions = {"StringEquals": {"aud": AUDIENCE, "sub": subject}}
        role = aws.iam.Role(
            "deploy",
            assume_role_policy=trust_of_tokens(provider_arn, GITHUB, conditions),
            opts=self._child,
        )
        aws.iam.RolePolicyAttachment(
            "deploy",
            role=role.name,
            policy_arn=policy_arn,
            opts=self._child,
        )
        return role

    def _trusted(self, name: str, issuer: str) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            name, url=f"https://{issuer}", client_id_lists=[AUDIENCE], opts=self._child
        )
