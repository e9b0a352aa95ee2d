"""The locks hold what `pyproject.toml` asks for: hashed, complete, and no addresses."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
LOCKS = {
    "service/requirements.txt": PROJECT["dependencies"],
    "service/image-requirements.txt": PROJECT["dependencies"]
    + PROJECT["optional-dependencies"]["aws"]
    + PROJECT["optional-dependencies"]["otel"],
    "service/analytics/requirements.txt": PYPROJECT["dependency-groups"]["functions"],
    "infra/requirements.txt": PYPROJECT["dependency-groups"]["infra"],
    "tests/infra/requirements.txt": PYPROJECT["dependency-groups"]["infra"]
    + PYPROJECT["dependency-groups"]["infra-test"],
    "tests/requirements.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"],
    "scripts/requirements.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["local"],
}


def _pins(lock: str) -> dict[str, set[str]]:
    """Return the versions of each package; a package may have one per Python version."""
    pins: dict[str, set[str]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==([^\s;\\]+)", text, re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked_at_a_version_that_it_allows(lock: str):
    pins = _pins(lock)

    for requirement in LOCKS[lock]:
        name, relation, wanted = re.match(
            r"([A-Za-z0-9-]+)(?:\[\w+\])?(>=|==)([\d.]+)", requirement
        ).groups()  # type: ignore[union-attr]
        for version in pins[name.lower()]:
            assert _version(version) >= _version(wanted), requirement
            assert relation == ">=" or version == wanted, requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_no_address(lock: str):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())

    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize(
    ("shipping", "testing"),
    [
        ("service/requirements.txt", "tests/requirements.txt"),
        ("service/image-requirements.txt", "tests/requirements.txt"),
        ("infra/requirements.txt", "tests/infra/requirements.txt"),
    ],
)
def test_tests_run_with_the_versions_that_ship(shipping: str, testing: str):
    shipped, tested = _pins(shipping), _pins(testing)

    assert shipped.items() <= tested.items()
