"""The wake-ahead function: Architect calls it while the greeting plays, until it says `ready`.

It starts one task where there is none, and tells whether a task takes calls. It stands alone in
its zip: of Lambda's runtime it needs boto3 and nothing else.

Environment: `CLUSTER`, `SERVICE`, `TARGET_GROUP` (ARN), and `TOKEN_SHA256`: the digest of the
token that callers send as `Authorization: Bearer …`; the token itself is nowhere in AWS.
"""

import functools
import hashlib
import hmac
import json
import os
from typing import Any

import boto3


def wake(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request to the function's address."""
    if not _is_allowed(event.get("headers", {})):
        return _answer(401, {"error": "Send the stack's wakeToken as Authorization: Bearer …"})
    ecs = _client("ecs")
    where = {"cluster": os.environ["CLUSTER"]}
    name = os.environ["SERVICE"]
    [service] = ecs.describe_services(services=[name], **where)["services"]
    is_woken = service["desiredCount"] == 0
    if is_woken:
        ecs.update_service(service=name, desiredCount=1, **where)
    return _answer(200, {"ready": not is_woken and _takes_calls(), "woken": is_woken})


def _takes_calls() -> bool:
    """Return whether the load balancer has found a task healthy: a running one is not enough."""
    answer = _client("elbv2").describe_target_health(TargetGroupArn=os.environ["TARGET_GROUP"])
    states = [each["TargetHealth"]["State"] for each in answer["TargetHealthDescriptions"]]
    return "healthy" in states


def _is_allowed(headers: dict[str, str]) -> bool:
    kind, _, token = headers.get("authorization", "").partition(" ")
    digest = hashlib.sha256(token.encode()).hexdigest()
    return kind.lower() == "bearer" and hmac.compare_digest(digest, os.environ["TOKEN_SHA256"])


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


@functools.cache
def _client(name: str) -> Any:
    return boto3.client(name)
