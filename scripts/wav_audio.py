"""Any usual WAV file as telephone speech: 8 kHz mu-law, with the standard library alone.

Python's own `wave` reads neither mu-law nor, before 3.12, the header that 24-bit files have.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.emulators import g711, resample

# Source: Microsoft's mmreg.h, the registered format tags.
_PCM, _ALAW, _MULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE


class WavError(ValueError):
    """The file is no WAV that can be read here; the message says how to convert it."""


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate_hz: int
    bits: int


def from_wav(path: Path) -> bytes:
    """Return the recording as 8 kHz mu-law.

    Raises:
        WavError: if `read_wav` does, or if the rate is not within 8..48 kHz.
        OSError: if there is no such file, or it may not be read.
    """
    samples, rate_hz = read_wav(path)
    try:
        return resample.to_pcmu(samples, rate_hz)
    except ValueError as error:
        raise _wav_error(path, error) from error


def read_wav(path: Path) -> tuple[Sequence[float], int]:
    """Return the samples, on the int16 scale, and their rate in Hz; of stereo, the mean.

    Reads PCM of 8, 16, 24 and 32 bits, mu-law and A-law, in one or two channels.

    Raises:
        WavError: if it is something else.
        OSError: if there is no such file, or it may not be read.
    """
    try:
        wav_format, audio = _parse(path.read_bytes())
    except (ValueError, struct.error) as error:
        raise _wav_error(path, error) from error
    return _mono(_decode(audio, wav_format), wav_format.channels), wav_format.rate_hz


def _wav_error(path: Path, error: Exception) -> WavError:
    return WavError(
        f"{path}: {error}; convert it first: ffmpeg -i {path.name} -ar 8000 -ac 1 out.wav"
    )


def _parse(riff: bytes) -> tuple[_Format, bytes]:
    """Return the format and the audio, cut to whole frames."""
    if riff[:4] != b"RIFF" or riff[8:12] != b"WAVE":
        raise ValueError("expected a WAV file, got another kind")
    wav_format = None
    for name, body in _chunks(riff):
        if name == b"fmt ":
            wav_format = _parse_format(body)
        elif name == b"data" and wav_format is not None:
            frame_bytes = wav_format.channels * wav_format.bits // 8
            return wav_format, body[: len(body) - len(body) % frame_bytes]
    raise ValueError("expected a format and then audio, got a WAV without one of them")


def _chunks(riff: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each chunk; a writer that was cut off leaves the last one short."""
    at = 12
    while at + 8 <= len(riff):
        name, size = struct.unpack_from("<4sI", riff, at)
        yield name, riff[at + 8 : at + 8 + size]
        at += 8 + size + size % 2  # chunks begin at even places


def _parse_format(body: bytes) -> _Format:
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", body, 24)  # the sub-format begins with the true tag
    known = (tag == _PCM and bits in {8, 16, 24, 32}) or (tag in {_ALAW, _MULAW} and bits == 8)
    if not known:
        msg = f"expected PCM, mu-law or A-law, got format {tag} of {bits} bits"
        raise ValueError(msg)
    if channels not in {1, 2}:
        msg = f"expected one or two channels, got {channels}"
        raise ValueError(msg)
    return _Format(tag, channels, rate_hz, bits)


def _decode(audio: bytes, wav_format: _Format) -> Sequence[int]:
    """Return samples on the int16 scale; of wider ones the upper 16 bits."""
    if wav_format.tag == _ALAW:
        return [_alaw_table()[code] for code in audio]
    if wav_format.tag == _MULAW:
        audio, width = g711.decode(audio), 2
    elif wav_format.bits == 8:
        return [(code - 128) << 8 for code in audio]
    else:
        width = wav_format.bits // 8
    pcm16 = bytearray(2 * (len(audio) // width))
    pcm16[0::2], pcm16[1::2] = audio[width - 2 :: width], audio[width - 1 :: width]
    return [sample for (sample,) in struct.iter_unpack("<h", pcm16)]


def _mono(samples: Sequence[int], channels: int) -> Sequence[float]:
    if channels == 1:
        return samples
    return [(left + right) / 2 for left, right in zip(samples[::2], samples[1::2], strict=True)]


@functools.cache
def _alaw_table() -> tuple[int, ...]:
    """Return the sample of every A-law code. Source: ITU-T G.711 table 1a, even bits inverted."""
    samples = []
    for code in range(256):
        segment, step = (code ^ 0x55) >> 4 & 7, (code ^ 0x55) & 0xF
        magnitude = (step << 4) + 8 if segment == 0 else (step << 4) + 0x108 << segment - 1
        samples.append(magnitude if code & 0x80 else -magnitude)
    return tuple(samples)
