import logging
from pathlib import Path

import pytest

from service.outbox.disk import Platform, is_on_volume, warn_of_passing_disk

MOUNTS = """\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 21 0:5 / /dev rw - devtmpfs devtmpfs rw
23 21 0:20 / /tmp rw - tmpfs tmpfs rw
24 21 254:16 / /data rw,relatime shared:1 master:2 - ext4 /dev/vdc rw
25 21 0:40 / /mnt/two\\040words rw - nfs4 10.0.0.1:/ rw
"""


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/data", True),
        ("/data/spool/deeper", True),
        ("/database", False),
        ("/app/data/spool", False),
        ("/tmp/spool", False),
        ("/mnt/two words/spool", True),
    ],
)
def test_volume_is_what_was_mounted_and_is_not_memory(directory: str, expected: bool):
    assert is_on_volume(Path(directory), MOUNTS) is expected


def test_table_that_cannot_be_read_is_no_volume():
    assert not is_on_volume(Path("/data"), "")
    assert not is_on_volume(Path("/data"), "words\n\n - \n1 2 3 4 /data rw -")


@pytest.mark.parametrize(
    ("platform", "directory", "warnings"),
    [
        ("fly", "/app/data/events", 1),
        ("ecs", "/app/data/spool", 1),
        ("fly", "/data/events", 0),
        ("", "/app/data/events", 0),
    ],
)
def test_a_disk_that_goes_away_is_warned_of_where_disks_go_away(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    platform: Platform,
    directory: str,
    warnings: int,
):
    (tmp_path / "mountinfo").write_text(MOUNTS)

    warn_of_passing_disk(platform, Path(directory), mounts=tmp_path / "mountinfo")

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warnings


def test_without_a_table_of_mounts_the_warning_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    warn_of_passing_disk("fly", Path("/data"), mounts=tmp_path / "none")

    assert "volume" in caplog.text
