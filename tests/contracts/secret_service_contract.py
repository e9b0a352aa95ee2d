"""The contract of `SecretService`: every implementation's tests subclass it."""

import asyncio
import base64
from pathlib import Path

import pytest

from service.secrets.port import SecretService

KNOWN = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
ROTATING = "key/with+all_of-them=="
WITHOUT_SECRET = "without-secret"
NEWEST, OLDER = b"the newest secret", b"an older secret"

CREDENTIALS = {
    KNOWN: base64.b64encode(NEWEST).decode(),
    ROTATING: [base64.b64encode(NEWEST).decode(), base64.b64encode(OLDER).decode()],
    WITHOUT_SECRET: None,
}


class SecretServiceContract:
    """What an upgrade may rely on, whatever the store."""

    def make(self, credentials: dict[str, object], tmp_path: Path) -> SecretService:
        """The store under test, holding `credentials` in their JSON form."""
        raise NotImplementedError

    def lookup(self, tmp_path: Path, api_key: str) -> tuple[bytes, ...]:
        store = self.make(dict(CREDENTIALS), tmp_path)
        return asyncio.run(store.get_client_secrets(api_key))

    def test_secret_of_a_key_is_decoded(self, tmp_path):
        assert self.lookup(tmp_path, KNOWN) == (NEWEST,)

    def test_rotating_secrets_come_newest_first(self, tmp_path):
        assert self.lookup(tmp_path, ROTATING) == (NEWEST, OLDER)

    def test_key_without_secret_is_known_and_empty(self, tmp_path):
        assert self.lookup(tmp_path, WITHOUT_SECRET) == (b"",)

    @pytest.mark.parametrize("api_key", ["unknown", "", KNOWN.lower(), f"{KNOWN} ", "\xe9"])
    def test_unknown_key_has_no_answer(self, tmp_path, api_key):
        assert self.lookup(tmp_path, api_key) == ()

    def test_many_lookups_at_once_agree(self, tmp_path):
        store = self.make(dict(CREDENTIALS), tmp_path)

        async def ask() -> list[tuple[bytes, ...]]:
            return await asyncio.gather(*(store.get_client_secrets(KNOWN) for _ in range(50)))

        assert asyncio.run(ask()) == [(NEWEST,)] * 50

    def test_secrets_never_show_in_a_representation(self, tmp_path):
        store = self.make(dict(CREDENTIALS), tmp_path)

        shown = repr(store) + str(store) + repr(getattr(store, "_current", None))

        assert base64.b64encode(NEWEST).decode() not in shown
        assert NEWEST.decode() not in shown
        assert KNOWN not in shown
