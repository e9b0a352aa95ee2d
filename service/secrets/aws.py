"""A secret in AWS Secrets Manager, with the version before it: both are valid while one rotates.

The label `AWSPREVIOUS` moves along by itself with each new version, so that rotation needs no
bookkeeping. No SDK is imported here: `service.wiring` gives the client.
Source: the service model that comes with botocore (`GetSecretValue`).
"""

from collections.abc import Callable
from typing import Any

from service.secrets.port import SecretsError

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
_TRUST = "the role of AWS_ROLE_ARN has to trust this app (service/secrets/README.md)"
_ADVICE = {
    "AccessDenied": _TRUST,  # of STS; the other one is of Secrets Manager
    "InvalidIdentityToken": _TRUST,
    "CredentialRetrievalError": "the API of the Fly Machine gives no token",
    "AccessDeniedException": "our role needs secretsmanager:GetSecretValue for it, and kms:Decrypt "
    "if it has a key of its own",
    "ResourceNotFoundException": "there is no such secret, or none with a value, in this region",
    "DecryptionFailure": "our role needs kms:Decrypt for the key of the secret",
    "NoCredentialsError": "give the service a role (AWS_ROLE_ARN on Fly, a task role on ECS)",
    "NoRegionError": "set AWS_DEFAULT_REGION, or give the ARN of the secret as its name",
}


class AwsSecret:
    """The `SecretReader` of `aws-secretsmanager:NAME`, by name or ARN."""

    def __init__(self, name: str, make_client: Callable[[str, str], Any]) -> None:
        """Ask for nothing yet.

        Args:
            name: of the secret, or its ARN, which tells the region too.
            make_client: of boto3, for a service and a region.
        """
        self._name = name
        self._make_client = make_client
        self._client: Any = None

    def read(self) -> tuple[str, ...]:
        """Return the current text, then the one before it, if there is one; see `SecretReader`."""
        try:
            if self._client is None:
                self._client = self._make_client("secretsmanager", region_of(self._name))
            return self._texts()
        except SecretsError:
            raise
        except Exception as error:  # all that an SDK may raise; ours says nothing of its words
            raise SecretsError([sentence_of(self._name, error)]) from error

    def _texts(self) -> tuple[str, ...]:
        current = self._text(CURRENT)
        try:
            return (current, self._text(PREVIOUS))
        except Exception as error:
            if _code(error) != "ResourceNotFoundException":
                raise
            return (current,)  # it was never changed, or the rotation was finished

    def _text(self, stage: str) -> str:
        answer = self._client.get_secret_value(SecretId=self._name, VersionStage=stage)
        if "SecretString" not in answer:
            raise SecretsError([f"{self._name}: expected a text, found bytes"])
        return str(answer["SecretString"])


def region_of(name: str) -> str:
    """Return the region of an ARN, and nothing for a plain name."""
    parts = name.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 3 else ""


def sentence_of(name: str, error: Exception) -> str:
    """Say what AWS' error is, and what to do about it; holds none of its words."""
    code = _code(error)
    advice = _ADVICE.get(code)
    return f"{name}: {code}" + (f"; {advice}" if advice else "")


def _code(error: Exception) -> str:
    """Return AWS' own code of an answer, or what kind of error it is."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)
