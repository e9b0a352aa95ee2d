"""The calls that a function really makes of AWS, and whether a policy allows them."""

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

Call = tuple[str, str]
"""An action such as `s3:PutObject`, and the ARN of what it is done to."""


@contextmanager
def noted(region: str, account: str) -> Iterator[set[Call]]:
    """Collect the calls of clients that are made meanwhile."""
    calls: set[Call] = set()

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        if service == "sqs":
            return  # the poller's, which stands for Lambda
        calls.add((f"{service}:{model.name}", _arn(service, params, region, account)))

    events = boto3._get_default_session()._session
    events.register("before-parameter-build", note)
    try:
        yield calls
    finally:
        events.unregister("before-parameter-build", note)


def _arn(service: str, params: dict[str, Any], region: str, account: str) -> str:
    here = f"arn:aws:{service}:{region}:{account}"
    if service == "dynamodb":
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        return f"{here}:table/{params['TableName']}{index}"
    if service == "s3":
        return f"arn:aws:s3:::{params['Bucket']}/{params['Key']}"
    if service == "secretsmanager":
        return str(params["SecretId"])
    if service == "events":
        [entry] = params["Entries"]
        return f"{here}:event-bus/{entry['EventBusName']}"
    raise AssertionError(f"a function asks {service}, which no role of ours allows")


def refused(calls: set[Call], policy: dict[str, Any]) -> list[Call]:
    """Return the calls that no statement of the policy allows."""
    return sorted(call for call in calls if not _is_allowed(call, policy))


def unused(calls: set[Call], policy: dict[str, Any]) -> set[str]:
    """Return the actions that the policy allows and no call needed."""
    allowed = {action for each in policy["Statement"] for action in each["Action"]}
    return allowed - {action for action, _ in calls}


def _is_allowed(call: Call, policy: dict[str, Any]) -> bool:
    action, arn = call
    for statement in policy["Statement"]:
        on = statement["Resource"]
        resources = on if isinstance(on, list) else [on]
        if action in statement["Action"] and any(fnmatch.fnmatchcase(arn, r) for r in resources):
            return True
    return False
