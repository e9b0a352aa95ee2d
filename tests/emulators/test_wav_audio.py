import math
import struct
import wave
from pathlib import Path

import pytest

from scripts import wav_audio
from scripts.emulators import g711

TONE = [round(8000 * math.sin(2 * math.pi * n / 8)) for n in range(800)]  # 1 kHz at 8 kHz
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def write_wav(
    path: Path,
    audio: bytes,
    before: bytes = b"",
    /,
    *,
    tag: int = 1,
    channels: int = 1,
    rate_hz: int = 8000,
    bits: int = 16,
) -> Path:
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits)
    if tag == 0xFFFE:
        fmt += struct.pack("<HHIH", 22, bits, 0, 1) + GUID_TAIL
    chunks = before + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"data" + struct.pack("<I", len(audio)) + audio
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


def packed(samples: list[int], width: int) -> bytes:
    return b"".join(
        (sample << 8 * (width - 2)).to_bytes(width, "little", signed=True) for sample in samples
    )


EXPECTED = g711.encode(packed(TONE, 2))


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("tag", [1, 0xFFFE])
def test_pcm_of_any_width_gives_the_same_speech(tmp_path: Path, bits: int, tag: int) -> None:
    path = write_wav(tmp_path / "a.wav", packed(TONE, bits // 8), bits=bits, tag=tag)

    assert wav_audio.from_wav(path) == EXPECTED


def test_eight_bit_pcm_is_unsigned(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", b"\x80\x00\xff", bits=8)

    assert wav_audio.read_wav(path) == ([0, -32768, 32512], 8000)


def test_stereo_becomes_the_mean_of_both_sides(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", packed([100, 300, -50, 50], 2), channels=2)

    assert wav_audio.read_wav(path) == ([200, 0], 8000)


def test_what_python_itself_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(packed([0] * 1600, 2))

    assert wav_audio.from_wav(path) == g711.SILENCE * 800


def test_mu_law_passes_unchanged(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", EXPECTED, tag=7, bits=8)

    assert wav_audio.from_wav(path) == EXPECTED


def test_a_law_is_decoded_by_the_tables_of_g711(tmp_path: Path) -> None:
    # G.711 table 1a on the 13-bit scale: quietest 1, loudest 4032, 0xD5 and 0xAA after inversion.
    path = write_wav(tmp_path / "a.wav", b"\xd5\x55\xaa\x2a\x80", tag=6, bits=8)

    assert wav_audio.read_wav(path) == ([8, -8, 32256, -32256, 5504], 8000)


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    odd_chunk = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    path = write_wav(tmp_path / "a.wav", packed(TONE, 2), odd_chunk)

    assert wav_audio.from_wav(path) == EXPECTED


def test_a_recording_cut_in_the_middle_of_a_sample_plays_to_there(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", packed(TONE, 2))
    whole.write_bytes(whole.read_bytes()[:-3])

    assert wav_audio.from_wav(whole) == EXPECTED[:-2]


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"ID3\x04 an mp3", "another kind"),
        (b"RIFF\0\0\0\0WAVE", "without one of them"),
        (b"RIFF\0\0\0\0WAVEfmt \2\0\0\0\1\0", "unpack"),
    ],
)
def test_what_is_no_wav_is_refused_with_advice(
    tmp_path: Path, contents: bytes, problem: str
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(contents)

    with pytest.raises(wav_audio.WavError, match=f"{problem}.*ffmpeg -i call.wav -ar 8000 -ac 1"):
        wav_audio.from_wav(path)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tag": 3, "bits": 32}, "format 3 of 32 bits"),
        ({"bits": 12}, "format 1 of 12 bits"),
        ({"channels": 6}, "got 6"),
        ({"rate_hz": 96_000}, "8000..48000 Hz, got 96000"),
    ],
)
def test_what_cannot_be_converted_is_named(
    tmp_path: Path, options: dict[str, int], problem: str
) -> None:
    path = write_wav(tmp_path / "a.wav", b"\0" * 96, **options)

    with pytest.raises(wav_audio.WavError, match=problem):
        wav_audio.from_wav(path)
