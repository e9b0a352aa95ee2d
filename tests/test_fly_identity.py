"""Credentials on a Fly Machine whose API is a fake one on a real Unix socket; STS is moto's."""

import http.server
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError
from moto import mock_aws

from service import aws_session
from service.call_events import to_json
from service.fly_identity import MAX_TOKEN_BYTES, machine_token
from service.outbox.letter import letter_of
from service.outbox.port import Answer
from service.outbox.sqs import make_publisher
from tests.contracts.event_examples import TURN

ROLE = "arn:aws:iam::123456789012:role/bridge-fly"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvcmc6YXBwOm1hY2hpbmUifQ.c2lnbmF0dXJl"


class MachineApi(socketserver.ThreadingUnixStreamServer):
    """Answers `POST /v1/tokens/oidc`; `asked` has the bodies."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.answer = 200, TOKEN
        super().__init__(str(path), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        api: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        api.asked.append({"path": self.path, **json.loads(body)})
        self.send_response(api.status)
        self.end_headers()
        self.wfile.write(api.answer.encode())

    def address_string(self) -> str:
        return "machine"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MachineApi]:
    path = tmp_path / "api"
    with MachineApi(path) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr("service.fly_identity.MACHINE_API", path)
        yield api
        api.shutdown()
        thread.join(5)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials anywhere: neither in variables nor files nor at an instance's address."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


def test_a_machine_reads_a_secret_with_no_key_in_the_environment(machine: MachineApi):
    client = aws_session.make_client("secretsmanager", "eu-central-1", ROLE)

    client.create_secret(Name="bridge/keys", SecretString="text")

    assert client.get_secret_value(SecretId="bridge/keys")["SecretString"] == "text"
    assert machine.asked == [{"path": "/v1/tokens/oidc", "aud": "sts.amazonaws.com"}]
    assert not [name for name in os.environ if "AWS_ACCESS" in name or "AWS_SECRET" in name]


def test_a_machine_sends_events_with_no_key_in_the_environment(machine: MachineApi):
    sqs: Any = aws_session.make_session("us-east-1", ROLE).client("sqs")
    queue_url = sqs.create_queue(QueueName="calls")["QueueUrl"]
    machine.asked.clear()

    answers = make_publisher(queue_url, role_arn=ROLE).publish([letter_of(to_json(TURN))])

    assert answers == [Answer("taken")]
    assert len(machine.asked) == 1


def test_credentials_are_temporary_and_of_the_role(machine: MachineApi):
    session = aws_session.make_session("eu-central-1", ROLE)
    credentials = session.get_credentials()

    frozen = credentials.get_frozen_credentials()
    who = session.client("sts").get_caller_identity()["Arn"]

    assert credentials.method == "fly-machine"
    assert frozen.access_key.startswith("ASIA")
    assert frozen.token
    assert who == "arn:aws:sts::123456789012:assumed-role/bridge-fly/audioconnector-bridge"


def test_each_renewal_takes_a_new_token(machine: MachineApi, monkeypatch: pytest.MonkeyPatch):
    credentials: Any = aws_session.make_session("eu-central-1", ROLE).get_credentials()
    credentials.get_frozen_credentials()
    soon = credentials._expiry_time - timedelta(minutes=5)
    credentials._time_fetcher = lambda: soon
    monkeypatch.setattr("botocore.credentials._local_now", lambda: soon)

    credentials.get_frozen_credentials()

    assert len(machine.asked) == 2


def test_no_token_is_asked_for_before_it_is_needed(machine: MachineApi):
    aws_session.make_client("secretsmanager", "eu-central-1", ROLE)

    assert machine.asked == []


def test_keys_in_the_environment_come_first(machine: MachineApi, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "static")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "static")

    credentials = aws_session.make_session("eu-central-1", ROLE).get_credentials()

    assert credentials.access_key == "static"
    assert machine.asked == []


def test_own_identity_comes_before_a_token_file(
    machine: MachineApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))

    credentials = aws_session.make_session("eu-central-1", ROLE).get_credentials()

    assert credentials.method == "fly-machine"


def test_elsewhere_a_token_file_is_used_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr("service.fly_identity.MACHINE_API", tmp_path / "no-api")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))

    credentials = aws_session.make_session("eu-central-1", ROLE).get_credentials()

    assert credentials.method == "assume-role-with-web-identity"
    assert credentials.get_frozen_credentials().token


@pytest.mark.parametrize("role", ["", ROLE])
def test_elsewhere_there_are_no_credentials(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.fly_identity.MACHINE_API", tmp_path / "no-api")

    with pytest.raises(NoCredentialsError):
        aws_session.make_client("secretsmanager", "eu-central-1", role).list_secrets()


def test_without_a_role_the_machine_is_not_asked(machine: MachineApi):
    assert aws_session.make_session("eu-central-1").get_credentials() is None
    assert machine.asked == []


# A Machine's API that fails.


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (403, "the secret reason", "HTTP 403"),
        (200, "", "no token"),
        (200, "the secret reason", "no token"),
        (200, "a.b", "no token"),
        (200, TOKEN + "\nx", "no token"),
        (200, "\xff.b.c", "no token"),
        (200, "a." * MAX_TOKEN_BYTES, "no token"),
    ],
)
def test_what_is_no_token_is_refused_and_not_shown(
    machine: MachineApi, tmp_path: Path, status: int, answer: str, told: str
):
    machine.status, machine.answer = status, answer

    with pytest.raises(CredentialRetrievalError, match=told) as refused:
        machine_token(tmp_path / "api")

    assert "secret reason" not in str(refused.value)


def test_space_around_a_token_does_not_matter(machine: MachineApi, tmp_path: Path):
    machine.answer = f" {TOKEN}\n"

    assert machine_token(tmp_path / "api") == TOKEN


def test_api_that_is_gone_is_told_of(tmp_path: Path):
    with pytest.raises(CredentialRetrievalError, match="does not answer"):
        machine_token(tmp_path / "gone")


def test_api_that_is_silent_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.fly_identity.DEADLINE_S", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()

        with pytest.raises(CredentialRetrievalError, match="does not answer"):
            machine_token(tmp_path / "silent")


def test_refusal_by_aws_is_an_error_of_the_read(machine: MachineApi):
    """The trust of the role does not name us: what the log then says comes from `AwsSecret`."""
    from service.secrets.aws import AwsSecret
    from service.secrets.port import SecretsError

    machine.status = 403

    def client(service: str, region: str) -> Any:
        return aws_session.make_client(service, region or "eu-central-1", ROLE)

    with pytest.raises(SecretsError, match="bridge/keys: CredentialRetrievalError"):
        AwsSecret("bridge/keys", client).read()
