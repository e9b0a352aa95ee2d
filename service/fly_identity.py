"""Temporary credentials of AWS on a Fly Machine: no key is stored anywhere.

The Machine's own API signs a token that says which app and machine we are; AWS' STS takes it for
the role that trusts it. The token lives ten minutes and the role's session an hour, calls and warm
Machines longer: a new token is asked for each time the session is renewed.

Source: Fly's documentation, "OpenID Connect" (issuer `oidc.fly.io/<org>`, the socket, the body).
"""

import http.client
import json
import re
import socket
from pathlib import Path
from typing import Any

import botocore.session
from botocore.credentials import (
    AssumeRoleWithWebIdentityCredentialFetcher,
    CredentialProvider,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import CredentialRetrievalError

MACHINE_API = Path("/.fly/api")
"""A Unix socket that is there in every Fly Machine, and nowhere else."""
AUDIENCE = "sts.amazonaws.com"
SESSION_NAME = "audioconnector-bridge"
"""Shown by AWS' audit log."""
DEADLINE_S = 3.0
MAX_TOKEN_BYTES = 16_384
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class FlyIdentity(CredentialProvider):  # type: ignore[misc] # botocore has no types
    """A link of botocore's chain of credentials, for machines of Fly only."""

    METHOD = "fly-machine"

    def __init__(self, session: botocore.session.Session, role_arn: str, api: Path) -> None:
        super().__init__(session)
        self._role_arn = role_arn
        self._api = api

    def load(self) -> Any:
        """Return credentials that are fetched when first used; None when this is no Machine."""
        if not self._api.is_socket():
            return None
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
            client_creator=self.session.create_client,
            web_identity_token_loader=lambda: machine_token(self._api),
            role_arn=self._role_arn,
            extra_args={"RoleSessionName": SESSION_NAME},
        )
        return DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method=self.METHOD
        )


def with_fly_identity(session: botocore.session.Session, role_arn: str) -> None:
    """Let a session find credentials on a Fly Machine; keys in the environment come first."""
    chain = session.get_component("credential_provider")
    # Before botocore's own link, which reads a file: who renews that one is not documented.
    provider = FlyIdentity(session, role_arn, MACHINE_API)
    chain.insert_before("assume-role-with-web-identity", provider)


def machine_token(api: Path) -> str:
    """Return a fresh token for AWS from the Machine's API. Blocks for `DEADLINE_S` at most a step.

    Raises:
        CredentialRetrievalError: there is none; the message holds nothing of an answer.
    """
    connection = _UnixConnection(api)
    try:
        body = json.dumps({"aud": AUDIENCE})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/tokens/oidc", body, headers)
        with connection.getresponse() as answer:
            text = answer.read(MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise _failure(f"its API does not answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise _failure(f"its API answered HTTP {answer.status}")
    if not _TOKEN.fullmatch(text):
        raise _failure("its API answered something that is no token")
    return text


def _failure(why: str) -> CredentialRetrievalError:
    return CredentialRetrievalError(provider=FlyIdentity.METHOD, error_msg=why)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        """Open the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
