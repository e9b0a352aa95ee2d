"""Recorded clips: PCMU as it goes to the caller, from a raw file or out of a WAV file.

The standard library's `wave` module refuses mu-law, so the chunks are read here. Pure.
Source: Multimedia Programming Interface 1.0 (RIFF WAVE); RFC 2361 for the format number.
"""

import struct

RATE_HZ = 8_000
MAX_BYTES = 60 * RATE_HZ
"""A minute: one byte a sample."""
MAX_FILE_BYTES = MAX_BYTES + 65_536
"""With room for the other chunks of a WAV file."""
SUFFIXES = (".ulaw", ".wav")
_MULAW = 7
_UNKNOWN_SIZE = 0xFFFFFFFF  # a writer that could not go back to the header (a pipe) leaves this


class ClipError(Exception):
    """A clip cannot be played. `expected` and `got` say why."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


def pcmu_of(raw: bytes, name: str) -> bytes:
    """Return what the caller hears.

    Args:
        raw: the file's content.
        name: the file's name; it ends on one of `SUFFIXES`.

    Raises:
        ClipError: it is no PCMU of 8 kHz mono, it is empty, or longer than a minute.
    """
    pcmu = _data_of_wav(raw) if name.lower().endswith(".wav") else raw
    if not 0 < len(pcmu) <= MAX_BYTES:
        raise ClipError("up to 60 seconds of sound", f"{len(pcmu) / RATE_HZ:.1f}")
    return pcmu


def _data_of_wav(raw: bytes) -> bytes:
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise ClipError("a WAV file", "something else")
    chunks = _chunks(raw)
    form = chunks.get(b"fmt ", b"")
    if len(form) < 16:
        raise ClipError("a WAV file", "one without a format")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if (kind, channels, rate_hz, bits) != (_MULAW, 1, RATE_HZ, 8):
        raise ClipError(
            "8000 Hz, mono, mu-law (WAVE format 7)",
            f"{rate_hz} Hz, {channels} channels, {bits} bits, format {kind}",
        )
    return chunks.get(b"data", b"")


def _chunks(raw: bytes) -> dict[bytes, bytes]:
    """Return the first chunk of each name; raises `ClipError` when the file is cut off."""
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        if size == _UNKNOWN_SIZE:
            size = len(raw) - at - 8
        if at + 8 + size > len(raw):
            raise ClipError("a whole WAV file", "one that is cut off")
        chunks.setdefault(name, raw[at + 8 : at + 8 + size])
        at += 8 + size + size % 2  # chunks begin at even places
    return chunks
