import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.outbox import spool_folder
from service.outbox.records import packed
from service.outbox.spool_folder import Place, SpoolFolder

ROOT = Path(__file__).parents[2]
BODIES = [f'{{"number": {number}}}'.encode() for number in range(6)]


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def read_all(folder: SpoolFolder) -> list[tuple[Place, bytes]]:
    found = []
    while not folder.is_read:
        found += folder.read()
    return found


def bodies_of(folder: SpoolFolder) -> list[bytes]:
    return [body for _, body in read_all(folder)]


def die(folder: SpoolFolder) -> None:
    """The process is gone: its lock is free, its files are as they were."""
    folder.release()


def successor(root: Path) -> SpoolFolder:
    (folder,) = SpoolFolder.of_the_dead(root)
    return folder


def test_records_are_read_in_their_order_while_more_are_written(tmp_path: Path):
    folder = SpoolFolder.made(tmp_path / "spool")

    folder.append(BODIES[:2])
    first = bodies_of(folder)
    folder.append(BODIES[2:])

    assert (first, bodies_of(folder)) == (BODIES[:2], BODIES[2:])


def test_folder_of_a_living_process_is_left_alone(tmp_path: Path):
    SpoolFolder.made(tmp_path).append(BODIES)

    assert SpoolFolder.of_the_dead(tmp_path) == []


def test_lock_goes_with_a_process_that_is_killed(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path\n"
        "from service.outbox.spool_folder import SpoolFolder\n"
        "folder = SpoolFolder.made(Path(sys.argv[1]))\n"
        "folder.append([b'one', b'two'])\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline()
        while_it_lives = SpoolFolder.of_the_dead(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    assert while_it_lives == []
    assert bodies_of(successor(tmp_path)) == [b"one", b"two"]


def test_successor_reads_what_was_not_settled(tmp_path: Path):
    folder = SpoolFolder.made(tmp_path)
    folder.append(BODIES)
    places = [place for place, _ in read_all(folder)]
    folder.settle([places[0], places[1], places[4]])
    die(folder)

    heir = successor(tmp_path)

    assert heir.count() == 4
    assert bodies_of(heir) == BODIES[2:]  # the one behind the gap is delivered again


@pytest.mark.parametrize("cut", range(1, len(b"".join(map(packed, BODIES)))))
def test_cut_at_any_byte_the_whole_records_before_it_are_read(tmp_path: Path, cut: int):
    folder = SpoolFolder.made(tmp_path)
    folder.append(BODIES)
    die(folder)
    (segment,) = folder.path.glob("*.seg")
    os.truncate(segment, cut)
    sizes = [len(packed(body)) for body in BODIES]
    whole = sum(sum(sizes[: n + 1]) <= cut for n in range(len(sizes)))

    heir = successor(tmp_path)

    assert heir.count() == whole
    assert bodies_of(heir) == BODIES[:whole]
    assert heir.is_read


def test_cut_segment_costs_no_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_folder, "SEGMENT_BYTES", 1)
    folder = SpoolFolder.made(tmp_path)
    for body in BODIES:
        folder.append([body, body])
    die(folder)
    second = sorted(folder.path.glob("*.seg"))[1]
    os.truncate(second, second.stat().st_size - 1)

    heir = successor(tmp_path)

    expected = [body for body in BODIES for _ in range(2)]
    del expected[3]
    assert heir.count() == len(expected)
    assert bodies_of(heir) == expected


def test_segments_that_were_delivered_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_folder, "SEGMENT_BYTES", 1)
    folder = SpoolFolder.made(tmp_path)
    for body in BODIES:
        folder.append([body])
    full = folder.size

    places = [place for place, _ in read_all(folder)]
    folder.settle(places[:5])

    left = sorted(path.name for path in folder.path.glob("*.seg"))
    assert left == ["00000005.seg", "00000006.seg"]
    assert folder.size < full
    assert not folder.is_settled
    folder.settle(places[5:])
    assert folder.is_settled


def test_record_longer_than_a_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_folder, "READ_BYTES", 10)
    folder = SpoolFolder.made(tmp_path)
    folder.append([b"x" * 1_000, *BODIES])

    assert bodies_of(folder) == [b"x" * 1_000, *BODIES]


@pytest.mark.parametrize("note", ["", "words", "1", "9 9 9", "99999999 5\n"])
def test_note_that_a_power_cut_spoilt_means_delivering_again(tmp_path: Path, note: str):
    folder = SpoolFolder.made(tmp_path)
    folder.append(BODIES)
    die(folder)
    (folder.path / "delivered").write_text(note)

    expected = [] if note.startswith("99") else BODIES
    assert bodies_of(successor(tmp_path)) == expected


def test_folder_is_removed_with_all_its_files(tmp_path: Path):
    folder = SpoolFolder.made(tmp_path)
    folder.append(BODIES)
    folder.settle([place for place, _ in read_all(folder)])

    folder.remove()

    assert folders(tmp_path) == []


def test_disk_that_is_full_leaves_nothing_of_a_record_and_takes_the_next(tmp_path: Path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from service.outbox.spool_folder import SpoolFolder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "folder = SpoolFolder.made(Path(sys.argv[1]))\n"
        "folder.append([b'before'])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: folder.append([b'x' * 500])\n"
        "except OSError: folder.append([b'after']); sys.exit(3)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)

    assert done.returncode == 3
    assert bodies_of(successor(tmp_path)) == [b"before", b"after"]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_is_lost_whatever_is_settled_before_a_death(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    """At least once, in order, over several lives."""
    root = tmp_path_factory.mktemp("spool")
    folder = SpoolFolder.made(root)
    batches = data.draw(st.lists(st.integers(1, 4), max_size=6))
    number, written = 0, []
    for size in batches:
        bodies = [f"{number + each}".encode() for each in range(size)]
        folder.append(bodies)
        written += bodies
        number += size
    settled: set[bytes] = set()
    for _ in range(data.draw(st.integers(0, 3))):
        records = read_all(folder)
        done = data.draw(st.lists(st.sampled_from(records), unique=True)) if records else []
        folder.settle([place for place, _ in done])
        settled |= {body for _, body in done}
        die(folder)
        folder = successor(root)

    left = bodies_of(folder)

    assert set(left) | settled == set(written)
    assert left == written[len(written) - len(left) :]
    die(folder)
