"""Every IAM document of the stack against AWS' list of actions (policy-sentry's copy of it)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.stack import FARGATE, Stack, apply, pulumi
from tests.infra.test_enricher import JUDGES
from tests.infra.test_stack import IDENTITY

actions = pytest.importorskip("policy_sentry.querying.actions")

assert pulumi  # or the module is skipped


OPTIONAL = {"polly:SynthesizeSpeech"}
"""What they can be restricted to need not be in the request at all: here, a lexicon."""
CASCADE = {"bedrockModel": "eu.amazon.nova-lite-v1:0", "polly": "true"}


@pytest.fixture(scope="module")
def made(functions_zip: str) -> Stack:
    config = {"functionsZip": functions_zip} | IDENTITY | FARGATE | {"wakeToken": "w" * 32}
    return apply(config | JUDGES["profile"] | CASCADE, secret=["wakeToken"])


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy in a resource's inputs, wherever it is."""
    if isinstance(value, dict):
        for each in value.values():
            yield from documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from documents(each)
    elif isinstance(value, str) and '"Statement"' in value:
        yield json.loads(value)


def statements(made: Stack) -> list[tuple[str, dict[str, Any]]]:
    return [
        (each.name, statement)
        for each in made.resources
        for document in documents(each.inputs)
        for statement in document["Statement"]
    ]


def named(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


def rows(action: str) -> list[dict[str, Any]]:
    service, _, name = action.partition(":")
    known = actions.get_action_data(service, name)
    return known[service] if known else []


def complaints(of: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """What is wrong: an action that AWS does not know, a `*` where there are resources to name."""
    found = []
    for name, statement in of:
        if statement["Effect"] == "Deny":
            continue
        for action in named(statement):
            known = rows(action)
            if not known:
                found.append(f"{name}: no such action: {action}")
            can_be_named = any(row["resource_arn_format"] != "*" for row in known)
            if statement.get("Resource") == "*" and can_be_named and action not in OPTIONAL:
                found.append(f"{name}: {action} on everything")
    return found


def test_every_action_exists_and_names_its_resources(made: Stack):
    of = statements(made)

    assert len(of) > 25
    assert complaints(of) == []


def test_nothing_is_allowed_by_a_wildcard_of_actions(made: Stack):
    allowed = [s for _, s in statements(made) if s["Effect"] == "Allow"]

    assert [action for s in allowed for action in named(s) if "*" in action] == []


def test_a_wrong_policy_would_be_seen():
    wrong = [
        ("typo", {"Effect": "Allow", "Action": ["sqs:SendMesage"], "Resource": "arn:aws:sqs:::a"}),
        ("wide", {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": "*"}),
    ]

    assert complaints(wrong) == [
        "typo: no such action: sqs:SendMesage",
        "wide: sqs:SendMessage on everything",
    ]
