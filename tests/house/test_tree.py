"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_FILE_BYTES = 1_000_000
TESTED_THROUGH = {
    # Parts of one machine, or values that only mean something in use.
    "analytics/rows.py": "analytics/test_recorder.py",
    "audiohook/admission.py": "audiohook/test_bad_inputs.py",
    "audiohook/counters.py": "audiohook/test_connection.py",
    "audiohook/decoding.py": "audiohook/test_messages.py",
    "audiohook/encoding.py": "audiohook/test_messages.py",
    "audiohook/errors.py": "audiohook/test_connection.py",
    "audiohook/state.py": "audiohook/test_connection.py",
    "call_documents.py": "analytics/test_documents.py",
    "call_services.py": "test_call.py",
    "commands.py": "test_agent.py",
    "caller_socket.py": "test_call.py",
    "speech/cascade_parts.py": "speech/test_cascade_rules.py",
    "wiring.py": "test_main.py",
}


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def _python(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    # Written in pieces, or this file would be the first to break the rule.
    forbidden = re.compile(
        "|".join(
            [
                "index" + "-url",
                "pypi" + r"\.org",
                "/" + "root/",
                "/home/" + r"\w+/",
                "python" + "hosted",
            ]
        )
    )

    named = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if forbidden.search(text):
            named.append(path.name)

    assert named == []


def test_no_file_is_large():
    assert [path.name for path in _tracked() if path.stat().st_size > MAX_FILE_BYTES] == []


def test_shipped_files_and_functions_are_short():
    long = []
    for path in _python("infra", "service", "scripts"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MAX_LINES:
            long.append(str(path.relative_to(ROOT)))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} ({lines})")

    assert long == []


def test_every_module_of_the_service_has_its_twin_in_the_tests():
    modules = {
        path.relative_to(ROOT / "service").as_posix()
        for path in _python("service")
        if path.name not in ("__init__.py", "port.py")
    }
    twins = {
        module: TESTED_THROUGH.get(module)
        or str(Path(module).with_name(f"test_{Path(module).stem.strip('_')}.py"))
        for module in modules
    }

    assert TESTED_THROUGH.keys() <= modules
    assert {m: twin for m, twin in twins.items() if not (ROOT / "tests" / twin).exists()} == {}


def test_nothing_but_the_known_stands_at_the_root():
    known = {
        ".ci", ".dockerignore", ".env.example", ".gitattributes", ".github", ".gitignore",
        "Dockerfile", "LICENSE", "README.md", "fly.toml", "infra", "pyproject.toml", "scripts",
        "service", "tests",
    }  # fmt: skip

    assert {path.relative_to(ROOT).parts[0] for path in _tracked()} - known == set()
