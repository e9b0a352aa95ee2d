"""Credentials from the text of `AUDIOHOOK_KEYS`. Fixed for the life of the process."""

from service.secrets.keys import parse_client_secrets


class EnvSecrets:
    """The secret service of `SECRETS_URL=env:`."""

    def __init__(self, text: str) -> None:
        """Decode the text, which `settings.py` read.

        Raises:
            SecretsError: with every problem of the text.
        """
        self._current = parse_client_secrets(text)

    @property
    def key_count(self) -> int:
        """Known API keys; with none, every caller is refused."""
        return len(self._current.by_key)

    async def get_client_secrets(self, api_key: str) -> tuple[bytes, ...]:
        """See `SecretService`. Never waits, never fails."""
        return self._current.of(api_key)
