"""The two secrets of the bridge in Secrets Manager: callers' credentials and OpenAI's key."""

import pulumi
import pulumi_aws as aws

from settings import Settings


class Secrets(pulumi.ComponentResource):
    """`audiohook_keys` holds the JSON of `AUDIOHOOK_KEYS`, `openai_api_key` the key itself.

    Without a value in the configuration a secret is empty, and a person or
    `scripts/rotate_secret.py` fills it: then no state of Pulumi ever holds it.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__("audiobridge:index:Secrets", name)
        self._guarded = pulumi.ResourceOptions(
            parent=self,
            protect=settings.protect_data,
            retain_on_delete=settings.protect_data,
        )
        self.audiohook_keys = self._secret("audiohook-keys", settings.audiohook_keys)
        self.openai_api_key = self._secret("openai-api-key", settings.openai_api_key)
        self.register_outputs({})

    def _secret(self, name: str, value: pulumi.Output[str] | None) -> aws.secretsmanager.Secret:
        secret = aws.secretsmanager.Secret(name, opts=self._guarded)
        if value is not None:
            aws.secretsmanager.SecretVersion(
                name,
                secret_id=secret.id,
                secret_string=value,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return secret
