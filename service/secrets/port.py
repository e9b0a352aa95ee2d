"""The shape of a secret store: which client secrets belong to an API key.

Implementations: `env.py` and `file.py`, which share the JSON form of `keys.py`.
"""

from collections.abc import Sequence
from typing import Protocol

MAX_SECRETS_PER_KEY = 8
"""Rotation needs two. Each one costs an HMAC in every attempt to authenticate, with any key."""


class SecretsError(Exception):
    """The store cannot be read, or does not hold what it should.

    Its problems name no secret, and API keys only masked: they may be logged.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem found, one sentence each."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SecretService(Protocol):
    """Finds the client secrets of an API key. Every implementation passes the contract suite."""

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        """Return the decoded client secrets of a key: bytes for HMAC, not base64.

        * One or more non-empty values, newest first, at most `MAX_SECRETS_PER_KEY`: requests with
          this key must be signed with one of them.
        * `(b"",)`: the key is known and explicitly configured without a secret: its requests must
          not be signed. No other tuple holds an empty value.
        * `()`: the key is unknown.

        May be called from many tasks at once, and cancelled at any time.

        Raises:
            SecretsError: the store cannot answer now. That is not "unknown".
        """
        ...
