import struct

import pytest

from service.audio.clip_file import MAX_BYTES, ClipError, pcmu_of

SOUND = bytes(range(256)) * 3


def wav(
    data: bytes = SOUND,
    *,
    form: tuple[int, int, int, int] = (7, 1, 8_000, 8),
    before: bytes = b"",
    data_size: int | None = None,
) -> bytes:
    kind, channels, rate_hz, bits = form
    fmt = struct.pack("<HHIIHHH", kind, channels, rate_hz, rate_hz, 1, bits, 0)
    size = len(data) if data_size is None else data_size
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    return b"RIFF\0\0\0\0" + body + b"data" + struct.pack("<I", size) + data


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (SOUND, "clip.ulaw"),
        (wav(), "clip.wav"),
        (wav(), "CLIP.WAV"),
        (wav(before=b"LIST\x03\0\0\0abc\0"), "clip.wav"),
        (wav(data_size=0xFFFFFFFF), "clip.wav"),
    ],
    ids=["raw", "wav", "capitals", "odd chunk before", "written to a pipe"],
)
def test_sound_is_taken_from_raw_and_wav_files(raw, name):
    assert pcmu_of(raw, name) == SOUND


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"\x7fELF" * 20, "expected a WAV file, got something else"),
        (b"RIFF\0\0\0\0WAVE", "expected a WAV file, got one without a format"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd", "expected a WAV file, got one without a format"),
        (wav()[:-1], "expected a whole WAV file, got one that is cut off"),
        (wav(b""), "expected up to 60 seconds of sound, got 0.0"),
        (wav(bytes(MAX_BYTES + 8_000)), "expected up to 60 seconds of sound, got 61.0"),
        (wav(form=(6, 1, 8_000, 8)), "expected 8000 Hz, mono, mu-law (WAVE format 7), "
         "got 8000 Hz, 1 channels, 8 bits, format 6"),
        (wav(form=(1, 2, 44_100, 16)), "expected 8000 Hz, mono, mu-law (WAVE format 7), "
         "got 44100 Hz, 2 channels, 16 bits, format 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused(raw, problem):
    with pytest.raises(ClipError) as caught:
        pcmu_of(raw, "clip.wav")

    assert str(caught.value) == problem


def test_a_minute_is_allowed():
    assert len(pcmu_of(bytes(MAX_BYTES), "clip.ulaw")) == MAX_BYTES
