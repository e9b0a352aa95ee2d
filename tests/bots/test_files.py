import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.bots.files import FileBots
from service.bots.folder import BotFolder
from service.bots.port import BotsError
from service.tools.port import Surroundings, Tool, ToolKind
from tests.bots.bot_folder import MINIMAL, BotBench, EchoKind, deployment

FIRST, SECOND, BAD = (f'instructions = "{word}."\n' for word in ("First", "Second", "Bad"))
BROKEN = BAD + "voise = 'x'\n"
CLIP = FIRST + "[greeting]\nclip = 'hi.ulaw'\nwords = 'Hi.'\n"


@pytest.fixture
def bench(tmp_path) -> BotBench:
    return BotBench(tmp_path, default=FIRST, bank='instructions = "Bank."')


@pytest.mark.parametrize(
    ("path", "bot_id", "is_known"),
    [
        ("bank", "bank", True),
        ("BANK", "bank", True),
        ("%62ank", "bank", True),
        ("%20bank%0a", "bank", True),
        ("default", "default", True),
        ("", "default", True),
        ("%20", "default", True),
        ("bank.toml", "default", False),
        ("..%2fbank", "default", False),
        ("%ff%00", "default", False),
        ("b" * 10_000, "default", False),
    ],
)
def test_the_connector_id_picks_the_bot(bench, path, bot_id, is_known):
    assert bench.bots.get_bot(path).bot_id == bot_id
    assert bench.bots.knows(path) is is_known


def test_inputs_and_language_reach_the_bot(tmp_path):
    text = FIRST + 'languages = ["en", "de"]\nfacts = "{{NAME}}"\n[inputs.NAME]\n'
    bots = BotBench(tmp_path, default=text).bots

    bot = bots.get_bot("default", {"NAME": "Ann"}, "de-DE")

    assert (bot.inputs, bot.language) == ({"NAME": "Ann"}, "de")


def make(folder: Path, default_bot: str = "default") -> FileBots:
    return FileBots(folder, deployment({}), default_bot=default_bot)


def test_all_mistakes_stop_the_start(tmp_path):
    (tmp_path / "a.toml").write_text("instructions = 1\nvoise = 'x'")
    (tmp_path / "B.toml").write_text(MINIMAL)

    with pytest.raises(BotsError) as caught:
        make(tmp_path)

    assert caught.value.problems == [
        "B.toml: expected a name of a-z, 0-9, _ and -, such as my_bot.toml",
        "default.toml: expected a bot of this name, got none",
        "a.toml: voise: no such key; did you mean voice?",
        "a.toml: instructions: expected a text of at most 50000 characters, got 1",
    ]
    assert str(caught.value).count("\n") == 3


def test_another_bot_can_be_the_default(tmp_path):
    (tmp_path / "bank.toml").write_text(MINIMAL)

    assert make(tmp_path, default_bot="bank").get_bot("x").bot_id == "bank"


class Pauses:
    """Counts the looks of a watch; after the last of them the test is over."""

    def __init__(self, *edits: tuple[str, str], bench: BotBench) -> None:
        self.edits = list(edits)
        self.bench = bench
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if not self.edits:
            raise asyncio.CancelledError
        self.seconds.append(seconds)
        self.bench.edit(*self.edits.pop(0))


def watched(bench: BotBench, *edits: tuple[str, str]) -> tuple[FileBots, Pauses]:
    """The bots after a watch that looked once behind each edit."""
    pauses = Pauses(*edits, bench=bench)
    bots = FileBots(bench.path, deployment(), pause=pauses)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(bots.watch())
    return bots, pauses


def test_a_watch_takes_an_edit_over_within_a_second(bench):
    bots, pauses = watched(bench, ("default.toml", SECOND))

    assert bots.get_bot("default").instructions == "Second."
    assert pauses.seconds == [1.0]


def test_nobody_who_asks_waits_for_the_disk(bench, monkeypatch):
    def touch(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(BotFolder, "states", touch)
    monkeypatch.setattr(BotFolder, "read", touch)

    assert bench.bots.get_bot("default").instructions == "First."
    assert bench.bots.knows("bank")


def test_files_are_read_in_a_thread_of_their_own(bench, monkeypatch):
    readers: list[threading.Thread] = []
    original = BotFolder.read

    def read(folder):
        readers.append(threading.current_thread())
        return original(folder)

    bots = FileBots(bench.path, deployment(), pause=Pauses(("default.toml", SECOND), bench=bench))
    monkeypatch.setattr(BotFolder, "read", read)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(bots.watch())

    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()


def test_a_look_that_fails_is_logged_without_its_words_and_the_watch_goes_on(
    bench, monkeypatch, caplog
):
    original = BotFolder.states

    def states(folder, names=()):
        if (folder._path / "default.toml").read_text() == BAD:
            raise RuntimeError("a secret")
        return original(folder, names)

    monkeypatch.setattr(BotFolder, "states", states)
    bots, _ = watched(bench, ("default.toml", BAD), ("default.toml", SECOND))

    assert bots.get_bot("default").instructions == "Second."
    record = caplog.records[0]
    assert record.getMessage() == "the bots' files cannot be looked at"
    assert record.problem == "RuntimeError"
    assert "secret" not in caplog.text


class BuggyKind(EchoKind):
    """Fails at a tool in a way that no kind should."""

    def make(self, declared: Any, surroundings: Surroundings) -> Tool:
        raise ZeroDivisionError("a secret")


BUGGY: Mapping[str, ToolKind] = {"echo": BuggyKind()}
WITH_TOOL = SECOND + "[[tools]]\nkind = 'echo'\nname = 'a'\nurl = 'https://x'\n"


def test_whatever_is_raised_while_reading_keeps_the_last_good_version_and_is_said_once(
    bench, caplog
):
    bots = FileBots(bench.path, deployment(BUGGY))
    bench.edit("default.toml", WITH_TOOL)

    for _ in range(3):
        bots.look()

    assert bots.get_bot("default").instructions == "First."
    (record,) = caplog.records
    assert record.problems == [
        "the bots' files: expected files that can be read, got ZeroDivisionError"
    ]
    assert "secret" not in str(vars(record))


def test_a_repair_after_something_was_raised_is_taken_over(bench):
    bots = FileBots(bench.path, deployment(BUGGY))
    bench.edit("default.toml", WITH_TOOL)
    bots.look()

    bench.edit("default.toml", SECOND)
    bots.look()

    assert bots.get_bot("default").instructions == "Second."


def test_whatever_is_raised_at_the_start_is_a_mistake_of_the_files(bench):
    bench.edit("default.toml", WITH_TOOL)

    with pytest.raises(BotsError) as caught:
        FileBots(bench.path, deployment(BUGGY))

    assert caught.value.problems == [
        "the bots' files: expected files that can be read, got ZeroDivisionError"
    ]


def test_unchanged_files_are_not_read_again(bench, monkeypatch):
    def read(folder):
        raise AssertionError(folder)

    monkeypatch.setattr(BotFolder, "read", read)

    assert bench.instructions() == "First."


def test_new_and_removed_files_are_seen(bench):
    bench.edit("new.toml", SECOND)
    assert bench.instructions("new") == "Second."

    (bench.path / "new.toml").unlink()
    assert bench.instructions("new") == "First."


def test_bad_edit_keeps_the_last_good_version_of_all_bots_and_says_so_once(bench, caplog):
    bench.edit("bank.toml", BROKEN)
    bench.edit("default.toml", SECOND)

    with caplog.at_level(logging.INFO, logger="service.bots.files"):
        assert [bench.instructions() for _ in range(3)] == ["First."] * 3

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.problems == ["bank.toml: voise: no such key; did you mean voice?"]


def test_repaired_edit_is_taken_over(bench, caplog):
    bench.edit("default.toml", BROKEN)
    assert bench.instructions() == "First."

    bench.edit("default.toml", SECOND)
    with caplog.at_level(logging.INFO, logger="service.bots.files"):
        assert bench.instructions() == "Second."

    record = caplog.records[-1]
    assert (record.levelname, record.bots) == ("INFO", 2)


def test_another_bad_edit_is_warned_of_again(bench, caplog):
    for text in (BROKEN, BROKEN + "x = 1"):
        bench.edit("default.toml", text)
        bench.instructions()

    assert len(caplog.records) == 2


def test_lost_folder_keeps_the_last_good_version(bench):
    bench.path.rename(bench.path.with_name("elsewhere"))
    assert bench.instructions() == "First."

    bench.path.with_name("elsewhere").rename(bench.path)
    bench.edit("default.toml", SECOND)
    assert bench.instructions() == "Second."


def test_a_call_keeps_its_bot(bench):
    bot = bench.bots.get_bot("default")
    bench.edit("default.toml", SECOND)
    bench.instructions()

    assert bot.instructions == "First."


def test_changed_clip_is_taken_over(tmp_path):
    (tmp_path / "hi.ulaw").write_bytes(b"\x01")
    bench = BotBench(tmp_path, default=CLIP)

    bench.edit("hi.ulaw", b"\x02")
    bench.instructions()

    assert bench.bots.get_bot("default").greeting.clip == b"\x02"


def test_clip_that_comes_after_its_file_repairs_the_version(bench):
    bench.edit("default.toml", CLIP.replace("First", "Second"))
    assert bench.instructions() == "First."

    bench.edit("hi.ulaw", b"\x01")
    assert bench.instructions() == "Second."


def test_files_that_change_while_they_are_read_are_read_at_the_next_look(bench, monkeypatch):
    original = BotFolder.read

    def read(folder):
        contents = original(folder)
        monkeypatch.undo()
        bench.edit("bank.toml", SECOND)
        return contents

    bench.edit("default.toml", SECOND)
    monkeypatch.setattr(BotFolder, "read", read)

    assert bench.instructions() == "First."
    assert bench.instructions() == "Second."
    assert bench.instructions("bank") == "Second."


def test_reload_under_load_never_fails_and_gives_whole_versions_only(tmp_path):
    """Half-written and bad files come and go, one thread looks, and four ask for the bot."""
    bench = BotBench(tmp_path, default=_numbered(0))
    is_over = threading.Event()
    failures: list[object] = []
    seen: set[str] = set()

    def ask() -> None:
        while not is_over.is_set():
            try:
                bot = bench.bots.get_bot("default")
            except Exception as error:  # whatever it is, the test must tell it
                failures.append(error)
                return
            seen.add(bot.instructions)
            if bot.instructions != f"{bot.outputs['NUMBER']}.":
                failures.append((bot.instructions, bot.outputs))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads.append(threading.Thread(target=_look_until, args=(bench.bots, is_over)))
    for thread in threads:
        thread.start()
    for number in range(1, 10):
        _edit_in_two_halves(bench, number)
        _wait_for(lambda: f"{number}." in seen or failures, 10)  # noqa: B023  # waited for here
    is_over.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(seen) == 10


def _look_until(bots: FileBots, is_over: threading.Event) -> None:
    while not is_over.is_set():
        bots.look()


def _numbered(number: int) -> str:
    return f'instructions = "{number}."\n[outputs.NUMBER]\ndefault = "{number}"\n'


def _edit_in_two_halves(bench: BotBench, number: int) -> None:
    text = _numbered(number)
    (bench.path / "bad.toml").write_text("=")
    with (bench.path / "default.toml").open("w") as file:
        file.write(text[:-4])
        file.flush()
        file.write(text[-4:])
    (bench.path / "bad.toml").unlink()


def _wait_for(is_true, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_true() and time.monotonic() < until:
        time.sleep(0.001)
