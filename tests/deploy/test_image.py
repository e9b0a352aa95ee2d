"""What the Dockerfile and its allow-list say; test_image_run.py builds and runs it."""

import json
import re
from pathlib import Path

import pytest

from scripts import container_image
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STEPS = [
    line
    for line in re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    if line and not line.startswith("#")
]


def steps(name: str) -> list[str]:
    return [line.partition(" ")[2] for line in STEPS if line.startswith(f"{name} ")]


def test_both_stages_are_one_base_image_pinned_to_a_version():
    first, last = (step.split()[0] for step in steps("FROM"))

    assert first == last, "the virtual environment points to the Python of the first"
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-[a-z]+(@sha256:\w{64})?", last)


def test_packages_are_installed_by_hash_and_only_as_wheels():
    (install,) = [step for step in steps("RUN") if " install " in step]

    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "ARG REQUIREMENTS=service/image-requirements.txt" in STEPS


def test_the_service_is_process_1_as_an_unprivileged_user():
    (command,) = steps("ENTRYPOINT")

    assert json.loads(command)[1:] == ["-m", "service"]
    assert steps("CMD") == []
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", steps("USER")[-1])
    assert steps("STOPSIGNAL") == ["SIGTERM"]


def test_the_exposed_port_is_the_default_port():
    settings = Settings.from_env({"OPENAI_API_KEY": "k", "ALLOW_ANONYMOUS": "1"})

    assert steps("EXPOSE") == [str(settings.port)]


def test_no_secret_can_come_in_by_a_build_argument_or_a_variable():
    named = " ".join(steps("ARG") + steps("ENV"))

    assert re.findall(r"\w*(?:KEY|TOKEN|PASSWORD)\w*", named) == []


def test_models_of_every_aws_service_that_we_use_stay():
    (kept,) = re.findall(r'AWS_SERVICES="([^"]+)"', DOCKERFILE)
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "service").rglob("*.py")
        if "analytics" not in path.parts
    ]
    used = {name for text in sources for name in re.findall(r'client\(\s*"([a-z0-9-]+)"', text)}

    assert used, "the pattern finds no client any more"
    assert used <= set(kept.split())


def test_only_the_service_is_sent_to_the_builder():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]

    assert rules[0] == "*"
    assert [rule for rule in rules if rule.startswith("!")] == ["!service"]
    assert "service/analytics" in rules


@pytest.mark.parametrize("step", steps("COPY"))
def test_only_the_service_and_its_lock_are_copied(step: str):
    sources = [part for part in step.split()[:-1] if not part.startswith("--")]

    assert set(sources) <= {"service", "${REQUIREMENTS}", "/app", "/data"}


def test_what_hinders_a_build_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    said = []
    monkeypatch.setattr("scripts.container_image.shutil.which", lambda name: None)
    said.append(container_image.hindrance())
    monkeypatch.setattr("scripts.container_image.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("scripts.container_image.os.geteuid", lambda: 1000)
    said.append(container_image.hindrance())
    monkeypatch.setattr("scripts.container_image.os.geteuid", lambda: 0)
    monkeypatch.setattr(container_image, "_buildah", lambda *arguments: "")
    said.append(container_image.hindrance())
    monkeypatch.setattr(container_image, "_buildah", lambda *arguments: "62470abef695")

    assert "apt-get install buildah" in said[0]
    assert "root" in said[1]
    assert f"buildah pull {steps('FROM')[-1]}" in said[2]
    assert container_image.hindrance() == ""
