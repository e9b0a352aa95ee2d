import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoRegionError, ReadTimeoutError

from service.aws_session import make_client
from service.secrets.aws import AwsSecret, region_of
from service.secrets.cache import CachedSecret
from service.secrets.keys import parse_versions
from service.secrets.port import SecretsError, SecretService
from tests.contracts.secret_service_contract import SecretServiceContract
from tests.secrets.cloud import NAME, REGION, secrets_manager
from tests.secrets.test_cache import Running

SECRET_TEXT = "c2VjcmV0IHZhbHVl"


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with secrets_manager(monkeypatch) as client:
        yield client


class TestContractOfSecretsManager(SecretServiceContract):
    @pytest.fixture(autouse=True)
    def _store(self, cloud: Any):
        self.client = cloud

    def make(self, credentials: dict[str, object], tmp_path: Path) -> SecretService:
        self.client.create_secret(Name=NAME, SecretString=json.dumps(credentials))
        return Running(CachedSecret("X", lambda: AwsSecret(NAME, make_client), parse_versions))


def read(name: str = NAME) -> tuple[str, ...]:
    return AwsSecret(name, make_client).read()


def test_a_secret_that_was_never_changed_has_one_version(cloud: Any):
    cloud.create_secret(Name=NAME, SecretString="one")

    assert read() == ("one",)


def test_the_version_before_is_read_too(cloud: Any):
    cloud.create_secret(Name=NAME, SecretString="one")
    cloud.put_secret_value(SecretId=NAME, SecretString="two")
    cloud.put_secret_value(SecretId=NAME, SecretString="three")

    assert read() == ("three", "two")


def test_old_client_secret_is_valid_until_the_rotation_is_finished(cloud: Any):
    cloud.create_secret(Name=NAME, SecretString='{"key": "b2xk"}')
    old = cloud.describe_secret(SecretId=NAME)["VersionIdsToStages"]
    cloud.put_secret_value(SecretId=NAME, SecretString='{"key": "bmV3"}')
    during = parse_versions(read()).of("key")
    (old_id,) = old
    cloud.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSPREVIOUS", RemoveFromVersionId=old_id
    )

    assert during == (b"new", b"old")
    assert parse_versions(read()).of("key") == (b"new",)


def test_an_arn_tells_the_region(cloud: Any, monkeypatch: pytest.MonkeyPatch):
    arn = cloud.create_secret(Name=NAME, SecretString="one")["ARN"]
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert region_of(arn) == REGION
    assert region_of(NAME) == ""
    assert read(arn) == ("one",)


def test_each_read_sees_what_is_there_now_with_one_client(cloud: Any):
    made: list[str] = []

    def making(service: str, region: str) -> Any:
        made.append(service)
        return make_client(service, region)

    secret = AwsSecret(NAME, making)
    cloud.create_secret(Name=NAME, SecretString="one")
    first = secret.read()
    cloud.put_secret_value(SecretId=NAME, SecretString="two")

    assert (first, secret.read()) == (("one",), ("two", "one"))
    assert made == ["secretsmanager"]


# Failures: sentences that say what to do, and no secret.


def test_missing_secret_says_so():
    with pytest.raises(SecretsError, match="bridge/keys: ResourceNotFoundException; there is no"):
        read()


def test_bytes_are_refused(cloud: Any):
    cloud.create_secret(Name=NAME, SecretBinary=b"\x00")

    with pytest.raises(SecretsError, match="expected a text, found bytes"):
        read()


def test_missing_region_says_what_to_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(SecretsError, match="NoRegionError; set AWS_DEFAULT_REGION"):
        read()


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": SECRET_TEXT}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_client_error("AccessDeniedException"), "needs secretsmanager:GetSecretValue"),
        (_client_error("AccessDenied"), "has to trust this app"),
        (_client_error("DecryptionFailure"), "needs kms:Decrypt"),
        (_client_error("ThrottlingException"), "bridge/keys: ThrottlingException"),
        (NoRegionError(), "AWS_DEFAULT_REGION"),
        (ReadTimeoutError(endpoint_url=SECRET_TEXT), "bridge/keys: ReadTimeoutError"),
        (ValueError(SECRET_TEXT), "bridge/keys: ValueError"),
    ],
)
def test_every_error_is_one_of_ours_without_the_words_of_others(error: Exception, told: str):
    class Failing:
        def get_secret_value(self, **_: Any) -> Any:
            raise error

    with pytest.raises(SecretsError, match=told) as caught:
        AwsSecret(NAME, lambda *_: Failing()).read()

    assert SECRET_TEXT not in str(caught.value)


def test_failure_of_the_version_before_is_no_end_of_the_rotation(cloud: Any):
    """Or a store that is busy would make the old secret invalid for five minutes."""
    cloud.create_secret(Name=NAME, SecretString="one")

    class Busy:
        def get_secret_value(self, *, VersionStage: str, **request: Any) -> Any:
            if VersionStage == "AWSPREVIOUS":
                raise _client_error("ThrottlingException")
            return cloud.get_secret_value(VersionStage=VersionStage, **request)

    with pytest.raises(SecretsError, match="ThrottlingException"):
        AwsSecret(NAME, lambda *_: Busy()).read()
