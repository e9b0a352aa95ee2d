"""How events lie in a spool's segment: length and CRC-32 (each 4 bytes, little-endian), then JSON.

Pure. Whatever a crash cut off or a disk spoilt is recognised, and nothing before it is touched.
"""

import struct
import zlib
from typing import NamedTuple

MAX_BODY = 64 * 1024 * 1024
"""A length beyond it is no length: no event is nearly as large."""

_HEADER = struct.Struct("<II")


class Unpacked(NamedTuple):
    """What bytes hold: each body with the offset of its end, and where the whole records end.

    `is_torn`: what follows is no record, or not yet all of one.
    """

    bodies: list[tuple[int, bytes]]
    end: int
    is_torn: bool


def packed(body: bytes) -> bytes:
    """Return the record of a body, which is not empty."""
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def unpacked(data: bytes, offset: int = 0) -> Unpacked:
    """Return the records at the beginning of `data`; offsets count from `offset`."""
    bodies: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        start = at + _HEADER.size
        if start > len(data):
            return Unpacked(bodies, offset + at, is_torn=True)
        length, checksum = _HEADER.unpack_from(data, at)
        body = data[start : start + length]
        # Zeros, which some file systems leave after a power cut, would be an empty record.
        if not 0 < length <= MAX_BODY or len(body) < length or zlib.crc32(body) != checksum:
            return Unpacked(bodies, offset + at, is_torn=True)
        at = start + length
        bodies.append((offset + at, body))
    return Unpacked(bodies, offset + at, is_torn=False)
