import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from service.secrets.file import FileSecrets
from service.secrets.port import SecretsError, SecretService
from tests.contracts.secret_service_contract import CREDENTIALS, SecretServiceContract

FIRST, SECOND = '{"key": "Zmlyc3Q="}', '{"key": "c2Vjb25k"}'


class TestFileSecrets(SecretServiceContract):
    def make(self, credentials: dict[str, object], tmp_path: Path) -> SecretService:
        path = tmp_path / "keys.json"
        path.write_text(json.dumps(credentials))
        return FileSecrets(path)


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A store over a file that tests edit; every edit is seen as one, however fast they come."""

    def __init__(self, path: Path, text: str = FIRST) -> None:
        self.path = path
        self.clock = Clock()
        self._mtime_ns = 1_000_000_000
        self.edit(text)
        self.store = FileSecrets(path, clock=self.clock)

    def edit(self, text: str) -> None:
        self.path.write_text(text)
        self._mtime_ns += 1_000_000_000
        os.utime(self.path, ns=(self._mtime_ns, self._mtime_ns))

    def lookup(self, *, after_s: float = 1.0) -> tuple[bytes, ...]:
        self.clock.now_s += after_s
        return asyncio.run(self.store.get_client_secrets("key"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "keys.json")


def test_edit_is_taken_over_after_a_second(bench):
    bench.edit(SECOND)

    assert bench.lookup(after_s=0.9) == (b"first",)
    assert bench.lookup(after_s=0.1) == (b"second",)


def test_file_is_checked_at_most_once_a_second(bench):
    bench.lookup(after_s=1.0)
    bench.edit(SECOND)

    assert bench.lookup(after_s=0.9) == (b"first",)


def test_unchanged_file_is_not_read_again(bench, monkeypatch):
    reads: list[Path] = []
    original = Path.read_text

    def read_text(path: Path, encoding: str) -> str:
        reads.append(path)
        return original(path, encoding=encoding)

    monkeypatch.setattr(Path, "read_text", read_text)
    bench.lookup()
    assert reads == []

    bench.edit(SECOND)
    bench.lookup()
    assert reads == [bench.path]


@pytest.mark.parametrize("text", ["", '{"key": "', '{"key": ""}', "[]"])
def test_bad_edit_keeps_the_last_good_version(bench, text):
    bench.edit(text)

    assert bench.lookup() == (b"first",)


def test_bad_edit_is_warned_of_once_and_without_values(bench, caplog):
    bench.edit('{"long-enough-key": "c2VjcmV0IHZhbHVl!"}')

    bench.lookup()
    bench.lookup()

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.__dict__["problems"] == ("entry 1 (long…): a client secret is not base64",)
    assert "c2VjcmV0" not in caplog.text + str(record.__dict__)


def test_good_edit_after_a_bad_one_is_taken_over(bench):
    bench.edit("")
    bench.lookup()
    bench.edit(SECOND)

    assert bench.lookup() == (b"second",)


def test_file_that_vanishes_and_comes_back_is_followed(bench, caplog):
    bench.path.unlink()
    assert bench.lookup() == (b"first",)
    assert bench.lookup() == (b"first",)
    assert len(caplog.records) == 1

    bench.edit(SECOND)
    assert bench.lookup() == (b"second",)


def test_file_that_is_replaced_within_one_tick_is_noticed(bench):
    before = bench.path.stat()
    other = bench.path.with_name("other.json")
    other.write_text(SECOND + " " * (before.st_size - len(SECOND)))
    os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
    other.replace(bench.path)

    assert bench.lookup() == (b"second",)


def test_byte_order_mark_is_accepted(tmp_path):
    assert Bench(tmp_path / "keys.json", "\ufeff" + FIRST).lookup() == (b"first",)


def test_missing_file_is_refused_at_start(tmp_path):
    with pytest.raises(SecretsError, match="cannot be read: No such file"):
        FileSecrets(tmp_path / "keys.json")


def test_directory_is_refused_at_start(tmp_path):
    with pytest.raises(SecretsError, match="cannot be read"):
        FileSecrets(tmp_path)


def test_bytes_that_are_no_text_are_refused_without_showing_them(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(b'{"key": "\xff"}')

    with pytest.raises(SecretsError, match="not UTF-8") as refused:
        FileSecrets(path)

    assert refused.value.__cause__ is None


@pytest.mark.parametrize(("text", "count"), [("{}", 0), (json.dumps(CREDENTIALS), 3)])
def test_known_keys_are_counted(tmp_path, text, count):
    assert Bench(tmp_path / "keys.json", text).store.key_count == count


def test_hanging_disk_holds_up_one_lookup_only(bench, monkeypatch):
    started, released = threading.Event(), threading.Event()
    original = Path.stat

    def hang(path: Path) -> os.stat_result:
        started.set()
        assert released.wait(timeout=10)
        return original(path)

    async def scenario() -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]:
        bench.clock.now_s += 1
        first = asyncio.create_task(bench.store.get_client_secrets("key"))
        assert await asyncio.to_thread(started.wait, 10)
        during = await bench.store.get_client_secrets("key")
        bench.clock.now_s += 1
        next_check = await bench.store.get_client_secrets("key")
        released.set()
        return during, next_check, await first

    bench.edit(SECOND)
    monkeypatch.setattr(Path, "stat", hang)

    assert asyncio.run(asyncio.wait_for(scenario(), 20)) == ((b"first",), (b"first",), (b"second",))


def test_cancelled_lookup_does_not_stop_later_checks(bench):
    async def scenario() -> tuple[bytes, ...]:
        bench.clock.now_s += 1
        task = asyncio.create_task(bench.store.get_client_secrets("key"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        bench.edit(SECOND)
        bench.clock.now_s += 1
        await bench.store.get_client_secrets("key")
        bench.clock.now_s += 1
        answer: tuple[bytes, ...] = await bench.store.get_client_secrets("key")
        return answer

    assert asyncio.run(scenario()) == (b"second",)
