"""Changes the client secret of an API key in AWS Secrets Manager, without a call that is refused.

  python -m scripts.rotate_secret begin NAME    makes a new client secret; the old one stays good
  python -m scripts.rotate_secret finish NAME   the old one is good no more
  python -m scripts.rotate_secret undo NAME     goes back to the old one; the new one stays good
  python -m scripts.rotate_secret status NAME   says which API keys there are and what is under way

NAME is that of SECRETS_URL=aws-secretsmanager:NAME, a name or an ARN. `begin` prints the new client
secret and what to do with it, once; nothing prints an old one. Between `begin` and `finish` change
nothing else in the secret: AWS keeps one version before the current one.

Needs boto3 (pip install '.[aws]'), a region (AWS_DEFAULT_REGION, or an ARN) and credentials that
may do secretsmanager:GetSecretValue, and besides for begin PutSecretValue, for finish and undo
DescribeSecret and UpdateSecretVersionStage. Exit code 0: done; 1: nothing was changed, and why.
"""

import argparse
import base64
import json
import math
import secrets
import sys
from collections.abc import Callable
from typing import Any

from service.audiohook.upgrade import masked_api_key
from service.secrets.aws import CURRENT, PREVIOUS, AwsSecret, region_of, sentence_of
from service.secrets.cache import TTL_S
from service.secrets.keys import ClientSecrets, parse_client_secrets, parse_versions
from service.secrets.port import SecretsError

CLIENT_SECRET_BYTES = 32
"""As `openssl rand -base64 32` in the README."""
MINUTES = math.ceil(TTL_S / 60)
"""Until every instance has read a change."""


class Secret:
    """One secret, its current version and the one before."""

    def __init__(self, name: str, client: Any) -> None:
        """Read it.

        Raises:
            SecretsError: it cannot be read, or is not in the form of `AUDIOHOOK_KEYS`.
        """
        self.name = name
        self._client = client
        self._texts = AwsSecret(name, lambda *_: client).read()
        self.current = parse_client_secrets(self._texts[0])

    @property
    def rotating(self) -> list[str]:
        """The API keys for which the version before has a client secret more."""
        both = parse_versions(self._texts)
        return [key for key, known in self.current.by_key.items() if both.of(key) != known]

    def put(self, api_key: str, client_secret: str) -> None:
        """Make a new version, in which this alone is different."""
        members = json.loads(self._texts[0])
        members[api_key] = client_secret
        self._client.put_secret_value(SecretId=self.name, SecretString=json.dumps(members))

    def forget_previous(self) -> None:
        """Take its label off the version before: nobody finds that version any more."""
        self._client.update_secret_version_stage(
            SecretId=self.name,
            VersionStage=PREVIOUS,
            RemoveFromVersionId=self._version(PREVIOUS),
        )

    def swap(self) -> None:
        """Make the version before the current one; AWS labels the other one as the one before."""
        self._client.update_secret_version_stage(
            SecretId=self.name,
            VersionStage=CURRENT,
            MoveToVersionId=self._version(PREVIOUS),
            RemoveFromVersionId=self._version(CURRENT),
        )

    def _version(self, label: str) -> str:
        versions = self._client.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        return next(str(version) for version, labels in versions.items() if label in labels)


def begin(secret: Secret, start: str) -> str:
    """Make a new client secret; return what to do now."""
    if secret.rotating:
        raise SecretsError(
            [f"{_masked(secret.rotating)}: a rotation is under way; finish or undo it first"]
        )
    api_key = _chosen(secret.current, start)
    if secret.current.of(api_key) == (b"",):
        raise SecretsError(
            [
                f"{masked_api_key(api_key)}: its requests are not signed (null), so that there is "
                "nothing that could stay good; give it a client secret by hand"
            ]
        )
    client_secret = base64.b64encode(secrets.token_bytes(CLIENT_SECRET_BYTES)).decode()
    secret.put(api_key, client_secret)
    return (
        f"New client secret of the API key {masked_api_key(api_key)}:\n\n"
        f"    {client_secret}\n\n"
        "It is not shown again. The old one stays good until you finish. Now:\n\n"
        f"1. Wait {MINUTES} minutes, until every instance of the service knows it.\n"
        "2. Genesys Cloud: Admin, Integrations, your Audio Connector, Credentials: type the same\n"
        "   API key and this client secret, and save.\n"
        "3. Ring the number, and see that the agent answers.\n"
        f"4. python -m scripts.rotate_secret finish {secret.name}\n"
    )


def finish(secret: Secret, start: str) -> str:
    """Let the old client secret be good no more."""
    del start
    if not (keys := secret.rotating):
        return "No rotation is under way: nothing to finish.\n"
    secret.forget_previous()
    return (
        f"Finished: {_masked(keys)} has its new client secret alone. The service refuses the old "
        f"one within {MINUTES} minutes.\n"
    )


def undo(secret: Secret, start: str) -> str:
    """Go back to the version before."""
    del start
    if not (keys := secret.rotating):
        return "No rotation is under way: nothing to undo.\n"
    secret.swap()
    return (
        f"Undone: {_masked(keys)} has its old client secret again. The new one stays good until\n"
        f"you finish: python -m scripts.rotate_secret finish {secret.name}\n"
    )


def status(secret: Secret, start: str) -> str:
    """Tell the API keys, masked."""
    del start
    rotating = secret.rotating
    lines = [
        masked_api_key(key)
        + (": a rotation is under way, two client secrets are good" if key in rotating else "")
        for key in secret.current.by_key
    ]
    return "\n".join(lines or ["no API key: every caller is refused"]) + "\n"


ACTIONS: dict[str, Callable[[Secret, str], str]] = {
    "begin": begin,
    "finish": finish,
    "undo": undo,
    "status": status,
}


def main(arguments: list[str] | None = None) -> int:
    """Do it, and say what to do next."""
    given = _parser().parse_args(arguments)
    try:
        done = _do(ACTIONS[given.action], given.name, given.api_key)
    except SecretsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    print(done, end="")
    return 0


def _do(action: Callable[[Secret, str], str], name: str, start: str) -> str:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise SecretsError(["AWS needs the extra `aws`: pip install '.[aws]'"]) from None
    try:
        client = boto3.client("secretsmanager", region_name=region_of(name) or None)
        return action(Secret(name, client), start)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        raise SecretsError([f"{name}: {code}; --help says which rights it takes"]) from error
    except BotoCoreError as error:
        raise SecretsError([sentence_of(name, error)]) from error


def _chosen(current: ClientSecrets, start: str) -> str:
    found = [key for key in current.by_key if key.startswith(start)]
    if start in current.by_key:
        return start
    if len(found) == 1:
        return found[0]
    there = _masked(list(current.by_key)) or "none"
    expected = "expected the beginning of one API key"
    raise SecretsError([f"--api-key: {expected}, found {len(found)}; there are: {there}"])


def _masked(keys: list[str]) -> str:
    return ", ".join(map(masked_api_key, keys))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.rotate_secret",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--api-key",
        default="",
        metavar="START",
        help="for begin: the beginning of the API key, where there are several",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
