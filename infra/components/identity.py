"""Who may act without any key of AWS: the bridge on Fly, and the workflows on GitHub."""

import pulumi
import pulumi_aws as aws

from bridge_rights import bridge_statements
from components.events import Events
from components.registry import Registry
from components.secrets import Secrets
from policies import allow, document, trust_of_tokens
from settings import Settings

AUDIENCE = "sts.amazonaws.com"
PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
GITHUB = "token.actions.githubusercontent.com"


class Identity(pulumi.ComponentResource):
    """Roles for OIDC tokens, each by setting; the attribute is None where it was not asked for.

    `fly_role`: of the bridge's Machines. `github_provider_arn`: for other roles.
    `deploy_role`: of the workflow that runs `pulumi up` in the environment `production`;
    `preview_role`: of pull requests, in the environment `preview`; `push_role`: of the workflow
    that pushes images, in the environment `production`, too.
    """

    fly_role: aws.iam.Role | None = None
    github_provider_arn: pulumi.Input[str] | None = None
    deploy_role: aws.iam.Role | None = None
    preview_role: aws.iam.Role | None = None
    push_role: aws.iam.Role | None = None

    def __init__(
        self,
        name: str,
        events: Events,
        secrets: Secrets,
        registry: Registry | None,
        settings: Settings,
    ) -> None:
        super().__init__("audiobridge:index:Identity", name)
        self._child = pulumi.ResourceOptions(parent=self)
        if settings.fly_org and settings.fly_app:
            self.fly_role = self._fly(settings.fly_org, settings.fly_app)
            aws.iam.RolePolicy(
                "fly",
                role=self.fly_role.id,
                policy=document(*bridge_statements(events, secrets, settings)),
                opts=self._child,
            )
        if settings.github_repository:
            # An account has one provider per issuer: another stack may have made it.
            given = settings.github_provider_arn
            self.github_provider_arn = given or self._trusted("github", GITHUB).arn
            self._github(settings.github_repository, self.github_provider_arn, settings, registry)
        self.register_outputs({})

    def _github(
        self,
        repository: str,
        provider_arn: pulumi.Input[str],
        settings: Settings,
        registry: Registry | None,
    ) -> None:
        """Make the roles of the workflows, each for what starts them."""
        # The environment's rules on GitHub (branches, reviewers) decide who gets this subject.
        production = f"repo:{repository}:environment:production"
        if settings.github_deploy_policy_arn:
            self.deploy_role = self._workflow("deploy", provider_arn, production)
            self._attach("deploy", self.deploy_role, settings.github_deploy_policy_arn)
        if settings.github_preview_policy_arn:
            preview = f"repo:{repository}:environment:preview"
            self.preview_role = self._workflow("preview", provider_arn, preview)
            self._attach("preview", self.preview_role, settings.github_preview_policy_arn)
        if registry:
            self.push_role = self._workflow("push", provider_arn, production)
            aws.iam.RolePolicy(
                "push",
                role=self.push_role.id,
                policy=document(
                    allow(["ecr:GetAuthorizationToken"], "*"),
                    allow(PUSH, registry.repository.arn),
                ),
                opts=self._child,
            )

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

    def _workflow(self, name: str, provider_arn: pulumi.Input[str], subject: str) -> aws.iam.Role:
        conditions = {"StringEquals": {"aud": AUDIENCE, "sub": subject}}
        trust = trust_of_tokens(provider_arn, GITHUB, conditions)
        return aws.iam.Role(name, assume_role_policy=trust, opts=self._child)

    def _attach(self, name: str, role: aws.iam.Role, policy_arn: str) -> None:
        aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=policy_arn, opts=self._child)

    def _trusted(self, name: str, issuer: str) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            name, url=f"https://{issuer}", client_id_lists=[AUDIENCE], opts=self._child
        )
