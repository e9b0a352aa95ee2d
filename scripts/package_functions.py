"""Makes the zip of the serverless functions for Lambda on arm64, without Docker.

The same sources and locks give the same bytes: names are sorted, times fixed, and what an
installer notes about itself is left out. boto3 is not in it: Lambda's runtime has it.
Use: python -m scripts.package_functions [--output build/functions.zip]
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "service" / "analytics" / "requirements.txt"
PYTHON_VERSION = "3.13"
"""Of Lambda's runtime; the other half of it is arm64 with glibc 2.34."""
MAX_BYTES = 5_000_000
OURS = (
    "service/__init__.py",
    "service/call_*.py",
    "service/claim_check.py",
    "service/privacy*.py",
    "service/analytics/**/*",
)
NOT_OURS = ("service/call_record.py", "service/call_services.py")
"""They match a pattern of `OURS` and belong to the service itself."""
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = {
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "direct_url.json",
    "uv_build.json",
    "uv_cache.json",
}


class PackagingError(Exception):
    """The zip cannot be made; the message says why."""


def package(output: Path) -> dict[str, object]:
    """Write the zip and return its path, size in bytes and SHA-256.

    Raises:
        PackagingError: the dependencies cannot be installed, or the zip is too large.
    """
    with tempfile.TemporaryDirectory() as folder:
        dependencies = Path(folder)
        install(dependencies)
        files = dict(_installed(dependencies)) | dict(_ours(ROOT))
        write_zip(output, files)
    size = output.stat().st_size
    if size > MAX_BYTES:
        raise PackagingError(f"{output.name} has {size} bytes, more than {MAX_BYTES}")
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    return {"path": str(output), "bytes": size, "sha256": digest}


def install(target: Path) -> None:
    """Install the locked dependencies for Lambda into a folder, with uv or else with pip.

    Raises:
        PackagingError: the installer failed; its last line is the message.
    """
    common = ["-r", str(REQUIREMENTS), "--require-hashes", "--only-binary", ":all:"]
    common += ["--target", str(target), "--python-version", PYTHON_VERSION, "--no-deps"]
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--python-platform", "aarch64-manylinux2014", *common]
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        command = [*pip, "--platform", "manylinux2014_aarch64", "--no-compile", *common]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise PackagingError((done.stderr.strip() or "the installer failed").splitlines()[-1])


def write_zip(output: Path, files: dict[str, Path]) -> None:
    """Write files under their names in the archive; the same contents give the same bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def _installed(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        is_left_out = path.name in _LEFT_OUT or path.suffix in (".pyc", ".lock")
        if path.is_file() and not is_left_out and name.parts[0] not in ("bin", ".lock"):
            yield name.as_posix(), path


def _ours(root: Path) -> Iterator[tuple[str, Path]]:
    for pattern in OURS:
        for path in root.glob(pattern):
            name = path.relative_to(root).as_posix()
            if path.suffix == ".py" and name not in NOT_OURS:
                yield name, path


def main() -> int:
    """Make the zip; print one JSON object about it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "functions.zip")
    arguments = parser.parse_args()
    try:
        print(json.dumps(package(arguments.output)))
    except PackagingError as error:
        print(f"package_functions: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
