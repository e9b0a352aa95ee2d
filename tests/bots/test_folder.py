from pathlib import Path

import pytest

from service.audio.clip_file import MAX_FILE_BYTES, ClipError
from service.bots.folder import MAX_BOT_BYTES, MAX_BOTS, BotFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "bots"
    (path / "clips").mkdir(parents=True)
    (path / "default.toml").write_text("x = 1")
    (path / "clips/hello.ulaw").write_bytes(b"\xff\x7f")
    (tmp_path / "outside.ulaw").write_bytes(b"\xff")
    return path


def test_bots_are_the_toml_files_that_are_not_hidden(folder):
    for name in (".bank.toml", "bank.toml~", "notes.md", ".#default.toml"):
        (folder / name).write_text("")
    (folder / "clips/deep.toml").write_text("")

    assert BotFolder(folder).read() == ({"default": b"x = 1"}, [])


def test_names_that_cannot_be_dialled_are_problems(folder):
    for name in ("Bank.toml", "a b.toml", "-x.toml", f"{'x' * 65}.toml"):
        (folder / name).write_text("")

    contents, problems = BotFolder(folder).read()

    assert list(contents) == ["default"]
    assert len(problems) == 4
    assert problems[1] == ("Bank.toml: expected a name of a-z, 0-9, _ and -, such as my_bot.toml")


def test_what_cannot_be_read_is_a_problem(folder):
    (folder / "folder.toml").mkdir()
    (folder / "large.toml").write_bytes(b" " * (MAX_BOT_BYTES + 1))

    assert BotFolder(folder).read()[1] == [
        "folder.toml: expected a file that can be read, got Is a directory",
        f"large.toml: expected at most {MAX_BOT_BYTES} bytes",
    ]


def test_a_folder_without_bots_is_a_problem(tmp_path):
    expected = ["the bots' folder: expected files such as default.toml, got none"]

    assert BotFolder(tmp_path).read() == ({}, expected)
    assert BotFolder(tmp_path / "absent").read() == ({}, expected)


def test_bots_are_counted(folder):
    for number in range(MAX_BOTS):
        (folder / f"bot{number}.toml").write_text("")

    contents, problems = BotFolder(folder).read()

    assert len(contents) == MAX_BOTS
    assert problems == [f"the bots' folder: expected at most {MAX_BOTS} bots"]


def test_clip_is_read_from_the_folder_or_below(folder, monkeypatch):
    assert BotFolder(folder).read_clip("clips/hello.ulaw") == b"\xff\x7f"

    monkeypatch.chdir(folder / "clips")

    assert BotFolder(Path("../../bots")).read_clip("clips/hello.ulaw") == b"\xff\x7f"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("clips/absent.ulaw", "a file that can be read, got No such file or directory"),
        ("clips/hello.mp3", "a file that ends on .ulaw or .wav, got another"),
        ("../outside.ulaw", "a file inside the bots' folder, got one outside"),
        ("clips/../clips/hello.ulaw", "a file inside the bots' folder, got one outside"),
        ("{outside}", "a file inside the bots' folder, got one outside"),
        ("link.ulaw", "a file inside the bots' folder, got one outside"),
        ("ring.ulaw", "a file inside the bots' folder, got one outside"),
        ("a\0.ulaw", "a file inside the bots' folder, got one outside"),
        ("large.ulaw", "up to 60 seconds of sound, got more"),
    ],
)
def test_clip_that_cannot_be_had_is_refused(folder, name, problem):
    outside = folder.parent / "outside.ulaw"
    (folder / "link.ulaw").symlink_to(outside)
    (folder / "ring.ulaw").symlink_to(folder / "ring.ulaw")
    (folder / "large.ulaw").write_bytes(bytes(MAX_FILE_BYTES + 1))

    with pytest.raises(ClipError) as caught:
        BotFolder(folder).read_clip(name.replace("{outside}", str(outside)))

    assert str(caught.value) == f"expected {problem}"


def test_states_tell_a_replaced_file_from_the_old_one(folder):
    bots = BotFolder(folder)
    clip = "clips/hello.ulaw"
    before = bots.states([clip, "absent.ulaw"])

    (folder / "new").write_text("x = 2")
    (folder / "new").rename(folder / "default.toml")
    after = bots.states(before)

    assert before.keys() == after.keys() == {"default.toml", clip, "absent.ulaw"}
    assert before["default.toml"] != after["default.toml"]
    assert before[clip] == after[clip]
    assert before["absent.ulaw"] is None
