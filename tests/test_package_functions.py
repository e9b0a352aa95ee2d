import hashlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from scripts import package_functions
from scripts.package_functions import MAX_BYTES, PackagingError, install, package, write_zip

ROOT = Path(__file__).parents[1]
ELF_MACHINE_ARM64 = 183  # `e_machine` of AArch64 in the ELF specification


def test_same_contents_are_the_same_bytes_whenever_they_were_written(tmp_path: Path):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    for path in (one, other):
        path.write_text("x = 1")
    os.utime(one, (time.time_ns() // 10**9 - 86_400,) * 2)
    one.chmod(0o600)

    write_zip(tmp_path / "a.zip", {"b/m.py": one, "a.py": other})
    write_zip(tmp_path / "b.zip", {"a.py": other, "b/m.py": other})

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["a.py", "b/m.py"]


def test_failed_installation_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(package_functions, "REQUIREMENTS", tmp_path / "absent.txt")

    with pytest.raises(PackagingError, match=r"^[^\n]+$"):
        install(tmp_path / "target")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("package") / "functions.zip"
    try:
        package(output)
    except PackagingError as error:
        pytest.skip(f"the package index is not reachable: {error}")
    return output


@pytest.mark.slow
def test_second_zip_has_the_same_hash(archive: Path, tmp_path: Path):
    again = package(tmp_path / "functions.zip")

    assert again["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


@pytest.mark.slow
def test_zip_is_small_for_arm64_and_without_what_lambda_has(archive: Path):
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        libraries = [opened.read(name)[:20] for name in names if name.endswith(".so")]

    assert archive.stat().st_size < MAX_BYTES
    assert libraries
    assert {library[:4] for library in libraries} == {b"\x7fELF"}
    assert {int.from_bytes(library[18:20], "little") for library in libraries} == {
        ELF_MACHINE_ARM64
    }
    assert {name.split("/")[0] for name in names if "boto" in name or "aws_xray" in name} == set()
    assert {name for name in names if name.startswith("service/") and "analytics" not in name} == {
        "service/__init__.py",
        "service/call_documents.py",
        "service/call_events.py",
        "service/call_events_reading.py",
        "service/claim_check.py",
    } | {name for name in names if name.startswith("service/privacy")}


@pytest.mark.slow
def test_functions_can_be_imported_from_the_zip(archive: Path, tmp_path: Path):
    with zipfile.ZipFile(archive) as opened:
        ours = [name for name in opened.namelist() if not name.startswith("msgspec")]
        opened.extractall(tmp_path, ours)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from service.analytics import functions;"
        "import aws_lambda_powertools;"
        "print(functions.__file__, aws_lambda_powertools.__file__)"
    )

    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [Path(each).is_relative_to(tmp_path) for each in done.stdout.split()] == [True, True]
