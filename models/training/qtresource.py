"""Read the files inside a Qt resource bundle (`.rcc`), which is how GCompris ships its photographs."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = 2
COMPRESSED = 1
NODE_BYTES = 22


@dataclass(frozen=True)
class Bundle:
    """The bytes of a bundle and where its three parts begin."""

    raw: bytes
    tree: int
    data: int
    names: int

    def name(self, offset: int) -> str:
        """Read a name: its length, a hash, UTF-16."""
        (length,) = struct.unpack_from(">H", self.raw, self.names + offset)
        start = self.names + offset + 6
        return self.raw[start : start + 2 * length].decode("utf-16-be")

    def content(self, offset: int, flags: int) -> bytes:
        """Read a file's bytes: their length, then they themselves, if flagged so deflated behind a length."""
        (length,) = struct.unpack_from(">I", self.raw, self.data + offset)
        start = self.data + offset + 4
        stored = self.raw[start : start + length]
        return zlib.decompress(stored[4:]) if flags & COMPRESSED else stored


def find_file(path: Path, wanted: str) -> bytes:
    """Return the first file whose path inside the bundle at `path` ends in `/<wanted>`."""
    raw = path.read_bytes()
    magic, version, tree, data, names = struct.unpack_from(">4sIIII", raw)
    if magic != b"qres" or version < 2:
        raise ValueError(f"{path} is not a Qt resource bundle of version 2 or later")
    bundle = Bundle(raw, tree, data, names)
    pending = [(0, "")]
    while pending:
        index, folder = pending.pop()
        at = tree + NODE_BYTES * index
        name_offset, flags = struct.unpack_from(">IH", raw, at)
        inner = f"{folder}/{bundle.name(name_offset)}" if index else ""
        if flags & DIRECTORY:
            count, first = struct.unpack_from(">II", raw, at + 6)
            pending.extend((child, inner) for child in range(first, first + count))
        elif inner.endswith(f"/{wanted}"):
            (offset,) = struct.unpack_from(">I", raw, at + 10)
            return bundle.content(offset, flags)
    raise ValueError(f"{path} holds no {wanted}")
