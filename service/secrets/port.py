"""The shape of a secret store: which client secrets belong to an API key.

Implementations: `env.py` and `file.py`, and `cache.py` over any `SecretReader`, such as `aws.py`.
All share the JSON form of `keys.py`. How to add a store: README.md.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


class SecretReader(Protocol):
    """One secret in a store that is far away. `cache.py` makes a `SecretService` of it."""

    def read(self) -> tuple[str, ...]:
        """Return the texts of all versions that are valid now, newest first; at least one.

        Blocks, in a thread of its own and never twice at once; must end by itself within 30 s.

        Raises:
            SecretsError: and nothing else, whatever happens; its problems are logged.
        """
        ...


@runtime_checkable
class Watched(Protocol):
    """A store with a task of its own, that has to run beside the calls."""

    async def watch(self) -> None:
        """Keep what is known fresh, until cancelled."""
        ...


class KeySource(Protocol):
    """Where the key of a vendor comes from, when it can change while the service runs."""

    async def get(self) -> str:
        """Return the key that is in force.

        Raises:
            SecretsError: there is none, now.
        """
        ...

    async def get_newer(self) -> str:
        """Return the key after another look into the store, which is asked once a minute at most.

        For a vendor that has refused the key of `get`.

        Raises:
            SecretsError: the store did not answer, so that nothing newer is known.
        """
        ...
