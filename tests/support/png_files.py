"""PNG files written byte by byte, for sizes too large to draw and for damaged files."""

from __future__ import annotations

import struct
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, raw: bytes, *, extra: bytes = b"") -> bytes:
    """Return a PNG file.

    Args:
        width: Pixels of a row.
        height: Number of rows.
        depth: Bits of a sample.
        colour: Colour type of the format.
        raw: Rows, each after the number of its filter.
        extra: Chunks before the picture.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(raw, 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + chunk(b"IEND", b"")
