import socket
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError

from service.aws_session import ATTEMPTS, make_client


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_region_is_the_given_one_or_the_usual_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    assert make_client("secretsmanager").meta.region_name == "eu-west-1"
    assert make_client("secretsmanager", "us-east-2").meta.region_name == "us-east-2"


def test_store_that_is_silent_is_left(monkeypatch: pytest.MonkeyPatch):
    """The bound of a read: no thread hangs for ever."""
    monkeypatch.setattr("service.aws_session.READ_S", 0.1)
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            for _ in range(ATTEMPTS):
                connections.append(server.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        began_s = time.monotonic()
        with pytest.raises(BotoCoreError):
            make_client("secretsmanager", "eu-west-1").get_secret_value(SecretId="x")
        thread.join(5)
    for connection in connections:
        connection.close()

    assert len(connections) == ATTEMPTS
    assert time.monotonic() - began_s < 10
