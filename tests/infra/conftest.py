import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def functions_zip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Something that is a zip; what belongs into it: tests/test_package_functions.py."""
    path: Path = tmp_path_factory.mktemp("build") / "functions.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("service/analytics/functions.py", "")
    return str(path)
