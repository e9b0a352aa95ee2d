"""DEPLOYING.md names what is really there: secrets, variables, words of the log, commands."""

import json
import re
from pathlib import Path

from service.audiohook.claim import Cause
from tests.deploy.test_workflows import RUNS, SECRETS, WORKFLOWS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / ".github" / "DEPLOYING.md").read_text(encoding="utf-8")
SOURCE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "service").rglob("*.py"))


def test_every_secret_and_variable_of_the_workflows_is_explained_and_no_other():
    variables = set(re.findall(r"vars\.(\w+)", json.dumps(WORKFLOWS)))
    explained = set(re.findall(r"^\| (?:secret|variable) \| ([^|]+) \|", PAGE, re.MULTILINE))
    named = {name for cell in explained for name in re.findall(r"`(\w+)`", cell)}

    assert variables
    assert named | {"FLY_APP"} == variables | SECRETS
    assert "the variable `FLY_APP`" in PAGE


def test_words_of_the_log_are_those_that_the_service_writes():
    words = {
        "an upgrade was refused", "a connection probe was answered", "the speech provider failed",
    }  # fmt: skip

    assert {word for word in words if f"`{word}`" not in PAGE} == set()
    assert {word for word in words if word not in SOURCE} == set()


def test_reasons_of_refusals_exist():
    reasons = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"reason (.+?) \|", PAGE))))

    assert len(reasons) >= 5
    assert reasons <= {cause.value for cause in Cause}


def test_modules_and_scripts_that_are_named_exist():
    modules = set(re.findall(r"-m (scripts\.\w+)", PAGE))

    assert {"scripts.smoke", "scripts.package_functions"} <= modules
    assert {m for m in modules if not (ROOT / f"{m.replace('.', '/')}.py").exists()} == set()


def test_the_virtual_environment_of_the_program_is_the_one_that_the_workflow_makes():
    folder = ".venv-infra"

    assert f"python3 -m venv {folder}" in PAGE
    assert f"python3 -m venv {folder}" in "".join(step["run"] for step in RUNS.values())


def test_the_container_is_given_longer_than_a_drain():
    given = re.search(r"--stop-timeout (\d+)", PAGE)
    default = re.search(r"^DRAIN_SECONDS=(\d+)", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert given
    assert default
    assert int(given[1]) >= int(default[1]) + 10
