import wave
from pathlib import Path

from scripts.emulators.recording import Clip, Recording

LOUD = b"\x80"  # +32124


def frames_of(path: Path) -> list[tuple[int, int]]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = file.readframes(file.getnframes())
    samples = [
        int.from_bytes(frames[i : i + 2], "little", signed=True) for i in range(0, len(frames), 2)
    ]
    return list(zip(samples[::2], samples[1::2], strict=True))


def test_wav_has_the_caller_left_and_the_agent_right_on_one_clock(tmp_path: Path) -> None:
    recording = Recording(
        caller=(Clip(0.0, LOUD * 2),),
        agent=(Clip(3 / 8000, b"\x00" * 2),),
    )

    recording.write_wav(tmp_path / "call.wav")

    assert frames_of(tmp_path / "call.wav") == [
        (32124, 0),
        (32124, 0),
        (0, 0),
        (0, -32124),
        (0, -32124),
    ]


def test_a_call_without_audio_is_an_empty_wav(tmp_path: Path) -> None:
    Recording((), ()).write_wav(tmp_path / "call.wav")

    assert frames_of(tmp_path / "call.wav") == []


def test_a_part_of_a_track_can_be_cut_out() -> None:
    recording = Recording(caller=(), agent=(Clip(0.010, b"\x01" * 80), Clip(0.030, b"\x02" * 80)))

    part = recording.pcmu("agent", 15, 35)

    assert part == b"\x01" * 40 + b"\xff" * 80 + b"\x02" * 40
    assert recording.pcmu("caller") == b"\xff" * 320
