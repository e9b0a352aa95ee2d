"""The wake-ahead function on emulated ECS and load balancer answers."""

import hashlib
import json
from typing import Any

import pytest

from wake import handler

TOKEN = "t" * 32


class Cloud:
    """ECS and the load balancer, as far as the function asks them."""

    def __init__(self, *, desired: int, states: tuple[str, ...] = ()) -> None:
        self.desired = desired
        self.states = states

    def describe_services(self, **request: Any) -> dict[str, Any]:
        assert request == {"cluster": "bridge", "services": ["bridge"]}
        return {"services": [{"desiredCount": self.desired}]}

    def update_service(self, **request: Any) -> None:
        assert request == {"cluster": "bridge", "service": "bridge", "desiredCount": 1}
        self.desired = 1

    def describe_target_health(self, **request: Any) -> dict[str, Any]:
        healths = [{"TargetHealth": {"State": state}} for state in self.states]
        return {"TargetHealthDescriptions": healths}


def ask(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, authorization: str = f"Bearer {TOKEN}"
) -> tuple[int, dict[str, Any]]:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    names = {
        "CLUSTER": "bridge",
        "SERVICE": "bridge",
        "TARGET_GROUP": "arn",
        "TOKEN_SHA256": digest,
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler, "_client", lambda name: cloud)
    answer = handler.wake({"headers": {"authorization": authorization}}, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_sleeping_service_is_woken_and_not_ready_yet(monkeypatch: pytest.MonkeyPatch):
    cloud = Cloud(desired=0)

    assert ask(cloud, monkeypatch) == (200, {"ready": False, "woken": True})
    assert cloud.desired == 1


@pytest.mark.parametrize(("state", "is_ready"), [("initial", False), ("healthy", True)])
def test_a_task_is_ready_when_callers_reach_it(
    state: str, is_ready: bool, monkeypatch: pytest.MonkeyPatch
):
    cloud = Cloud(desired=3, states=("draining", state))

    assert ask(cloud, monkeypatch) == (200, {"ready": is_ready, "woken": False})
    assert cloud.desired == 3


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}"])
def test_nobody_else_wakes_it(authorization: str, monkeypatch: pytest.MonkeyPatch):
    cloud = Cloud(desired=0)

    status, _ = ask(cloud, monkeypatch, authorization)

    assert status == 401
    assert cloud.desired == 0
