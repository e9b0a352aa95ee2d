import json
from pathlib import Path

import pytest

from service.secrets.env import EnvSecrets
from service.secrets.port import SecretsError, SecretService
from tests.contracts.secret_service_contract import CREDENTIALS, SecretServiceContract


class TestEnvSecrets(SecretServiceContract):
    def make(self, credentials: dict[str, object], tmp_path: Path) -> SecretService:
        return EnvSecrets(json.dumps(credentials))


def test_bad_text_is_refused_at_start():
    with pytest.raises(SecretsError):
        EnvSecrets('{"key": ""}')


@pytest.mark.parametrize(("text", "count"), [("{}", 0), (json.dumps(CREDENTIALS), 3)])
def test_known_keys_are_counted(text, count):
    assert EnvSecrets(text).key_count == count
