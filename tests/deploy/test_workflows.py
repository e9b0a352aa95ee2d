"""The workflows: all is pinned, no right or secret is where it is not needed, and steps work."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
# `on` is a truth value in YAML 1.1, which is what the parser speaks.
WORKFLOWS: dict[str, Any] = {
    name: {("on" if key is True else key): value for key, value in yaml.safe_load(text).items()}
    for name, text in TEXTS.items()
}
JOBS: dict[str, dict[str, Any]] = {
    f"{name}: {job}": body
    for name, workflow in WORKFLOWS.items()
    for job, body in workflow["jobs"].items()
}
STEPS: dict[str, dict[str, Any]] = {
    f"{job}, {number}": step
    for job, body in JOBS.items()
    for number, step in enumerate(body.get("steps", []), 1)
}
RUNS = {where: step for where, step in STEPS.items() if "run" in step}
ACTIONS = {
    "actions/checkout",
    "aws-actions/configure-aws-credentials",
    "pulumi/actions",
    "superfly/flyctl-actions/setup-flyctl",
}
"""Each one runs other people's code with our rights: a further one wants a reason."""
SECRETS = {
    "AUDIOHOOK_KEYS", "FLY_API_TOKEN", "OPENAI_API_KEY", "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
}  # fmt: skip
"""No key of AWS is among them: roles are taken by OIDC."""


def secrets_in(value: object) -> set[str]:
    return set(re.findall(r"secrets\.(\w+)", json.dumps(value)))


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} has no build for this platform (tests/requirements.txt)")
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50
    )


# --- the linters ----------------------------------------------------------------------------------


def test_actionlint_finds_nothing():
    done = run(tool("actionlint"), *(str(FOLDER / name) for name in TEXTS))

    assert (done.returncode, done.stdout) == (0, "")


def test_zizmor_finds_nothing():
    done = run(tool("zizmor"), "--offline", "--quiet", "--strict-collection", str(FOLDER.parent))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("needs: check", "needs: chek", "chek"),
        ('run: flyctl deploy --remote-only --app "$FLY_APP"', "run: [deploy]", "run"),
    ],
)
def test_actionlint_would_find_it(right: str, wrong: str, said: str, tmp_path: Path):
    assert right in TEXTS["deploy-fly.yml"]
    broken = tmp_path / "broken.yml"
    broken.write_text(TEXTS["deploy-fly.yml"].replace(right, wrong))

    done = run(tool("actionlint"), str(broken))

    assert done.returncode != 0
    assert said in done.stdout


# --- other people's code --------------------------------------------------------------------------


def used() -> Iterator[tuple[str, str]]:
    for name, text in TEXTS.items():
        for line in text.splitlines():
            if found := re.match(r"\s*(?:- )?uses: (.+)$", line):
                yield name, found[1]


@pytest.mark.parametrize(("where", "what"), list(used()))
def test_every_action_is_known_and_pinned_by_its_commit(where: str, what: str):
    if what.startswith("./"):
        assert (ROOT / what).is_file()
        return
    found = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40}) # v?\d+(\.\d+)*", what)

    assert found, f"{where}: want NAME@COMMIT # VERSION"
    assert found[1] in ACTIONS


def test_each_action_is_everywhere_of_one_version():
    versions = {what.partition("@")[::2] for _, what in used() if not what.startswith("./")}

    assert len(versions) == len({name for name, _ in versions})


def test_a_checkout_leaves_no_token_behind():
    checkouts = [s for s in STEPS.values() if s.get("uses", "").startswith("actions/checkout@")]

    assert checkouts
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_but_those_of_its_jobs(name: str):
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_reads_the_sources_and_takes_a_role_at_most(job: str):
    rights = JOBS[job]["permissions"]
    takes_role = "configure-aws-credentials" in json.dumps(JOBS[job]) or (
        JOBS[job].get("uses") == "./.github/workflows/image.yml"
    )

    assert rights == {"contents": "read"} | ({"id-token": "write"} if takes_role else {})


def test_no_workflow_runs_a_strangers_code_with_our_rights():
    triggers = {name: set(workflow["on"]) for name, workflow in WORKFLOWS.items()}

    assert set().union(*triggers.values()) <= {
        "pull_request", "push", "workflow_call", "workflow_dispatch",
    }  # fmt: skip
    assert "head.repo.full_name == github.repository" in JOBS["infra.yml: preview"]["if"]


@pytest.mark.parametrize("where", RUNS)
def test_no_expression_is_pasted_into_a_command(where: str):
    assert "${{" not in RUNS[where]["run"]


# --- secrets --------------------------------------------------------------------------------------


def test_secrets_are_the_known_ones_and_no_key_of_aws():
    assert secrets_in(WORKFLOWS) == SECRETS


@pytest.mark.parametrize("job", JOBS)
def test_secrets_go_to_single_steps_of_jobs_with_an_environment(job: str):
    body = JOBS[job]
    outside = {key: value for key, value in body.items() if key != "steps"}

    assert secrets_in(outside) == set()
    assert "inherit" not in json.dumps(outside)
    for step in body.get("steps", []):
        assert secrets_in(step) == secrets_in(step.get("env", {}))
    if secrets_in(body):
        assert body["environment"]["name"] in ("production", "preview")


def test_only_the_ring_and_the_staging_see_the_credentials_of_callers():
    seeing = {
        step["name"]
        for step in STEPS.values()
        if {"AUDIOHOOK_KEYS", "OPENAI_API_KEY"} & secrets_in(step)
    }

    assert seeing == {"Stage the secrets of the service", "Ring it"}


def test_checks_see_no_secret():
    assert secrets_in(WORKFLOWS["check.yml"]) == set()


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [job for job, body in JOBS.items() if "steps" in body])
def test_a_job_has_a_time_limit(job: str):
    assert 1 <= JOBS[job]["timeout-minutes"] <= 60


@pytest.mark.parametrize("job", ["deploy-fly.yml: deploy", "infra.yml: image", "infra.yml: up"])
def test_nothing_is_deployed_that_was_not_checked(job: str):
    needs = JOBS[job]["needs"]

    assert "check" in ([needs] if isinstance(needs, str) else needs)
    if "!cancelled()" in JOBS[job]["if"]:  # which lifts the rule that needed jobs must succeed
        assert "needs.check.result == 'success'" in JOBS[job]["if"]


@pytest.mark.parametrize("name", ["deploy-fly.yml", "infra.yml"])
def test_a_deploy_is_not_broken_off_by_the_next_one(name: str):
    assert WORKFLOWS[name]["concurrency"]["cancel-in-progress"] is False


def test_the_deploy_may_last_as_long_as_fly_waits():
    limit = re.search(r'^wait_timeout = "(\d+)m"', (ROOT / "fly.toml").read_text(), re.MULTILINE)
    assert limit

    assert JOBS["deploy-fly.yml: deploy"]["timeout-minutes"] >= 2 * int(limit[1])


# --- the steps themselves -------------------------------------------------------------------------


@pytest.mark.parametrize("where", RUNS)
def test_commands_are_well_formed(where: str):
    done = subprocess.run(
        ["bash", "-n"], input=RUNS[where]["run"], capture_output=True, text=True, timeout=10
    )

    assert done.returncode == 0, done.stderr


def test_what_commands_use_of_the_repository_is_there():
    text = " ".join(step["run"] for step in RUNS.values())
    modules = set(re.findall(r"-m (scripts\.\w+)", text))
    locks = set(re.findall(r"-r (service/\S+)", text))

    assert modules == {"scripts.package_functions", "scripts.smoke"}
    assert {m for m in modules if not (ROOT / f"{m.replace('.', '/')}.py").exists()} == set()
    assert {lock for lock in locks if not (ROOT / lock).exists()} == set()


@pytest.mark.parametrize(
    ("given", "imported"),
    [
        (
            {"OPENAI_API_KEY": "sk-1", "AUDIOHOOK_KEYS": '{\n  "k": ["bmV3", "b2xk"]\r\n}\n'},
            'OPENAI_API_KEY=sk-1\nAUDIOHOOK_KEYS={  "k": ["bmV3", "b2xk"]}\n',
        ),
        ({"OPENAI_API_KEY": "sk-1", "AUDIOHOOK_KEYS": ""}, "OPENAI_API_KEY=sk-1\n"),
        ({"OPENAI_API_KEY": "", "AUDIOHOOK_KEYS": ""}, ""),
    ],
)
def test_secrets_are_staged_by_standard_input_alone(
    given: dict[str, str], imported: str, tmp_path: Path
):
    (step,) = [s for s in RUNS.values() if s["name"] == "Stage the secrets of the service"]
    flyctl = tmp_path / "flyctl"
    flyctl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/input\n')
    flyctl.chmod(0o755)

    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "FLY_APP": "an-app"} | given,
        capture_output=True,
        text=True,
        timeout=10,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "arguments").read_text() == "secrets import --stage --app an-app\n"
    assert (tmp_path / "input").read_text() == imported


def test_the_image_is_handed_to_pulumi_as_json():
    (step,) = [s for s in STEPS.values() if s.get("with", {}).get("command") == "up"]
    (template,) = re.findall(r"format\('([^']+)'", step["with"]["config-map"])
    image = "1.dkr.ecr.eu-central-1.amazonaws.com/bridge@sha256:" + "0" * 64
    # The braces of GitHub's format() are doubled as those of Python's are.
    assert json.loads(template.format(image)) == {"image": {"value": image}}


def test_dependabot_looks_at_actions_and_the_base_image_and_lets_new_versions_ripen():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]

    assert {"github-actions", "docker"} <= {update["package-ecosystem"] for update in updates}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
