"""The header of the .npy format, read as data: no `eval`, no pickle, no surprise."""

import math
import re
import struct
from dataclasses import dataclass
from typing import IO

import numpy as np

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import quoted

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 65_535
MAX_AXES = 16

# Kinds with one meaning as numbers, in sizes that every platform has (long double differs between them).
_DTYPES = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
_KEYS = {"descr", "fortran_order", "shape"}

_ENTRY = re.compile(
    r"""\s*(['"])(?P<key>\w{1,20})\1\s*:\s*
    (?: (?P<flag>True|False)
      | (['"])(?P<text>[^'"]{1,20})\4
      | \((?P<axes>(?:\s*\d{1,20}L?\s*,)*(?:\s*\d{1,20}L?)?\s*)\) )
    \s*(?:,|(?=\}))""",
    re.VERBOSE,
)
_RECORDS = re.compile(r"""\{\s*['"]descr['"]\s*:\s*\[""")
_TYPE = re.compile(r"([<>|=]?)([A-Za-z?])(\d{0,4})")


@dataclass(frozen=True)
class Header:
    """Contents of an .npy header.

    Attributes:
        shape: All axes, as stored.
        dtype: bool, integer or float, in the byte order of the file.
        fortran: Stored column by column.
        size: Bytes from the start of the stream to the first value.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fortran: bool
    size: int

    @property
    def by_columns(self) -> bool:
        """True if a row is scattered over the stream; not with at most one axis longer than 1."""
        return self.fortran and sum(axis > 1 for axis in self.shape) > 1

    @property
    def stream_bytes(self) -> int:
        """Length of the whole stream if header and values are complete."""
        return self.size + math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes]) -> Header:
    """Read the header at the start of a stream, which is left at the first value.

    Not `numpy.lib.format`: its `literal_eval` warns on some bytes and overflows the stack on others, and
    its version 3 is private. The header is a dictionary of three keys; anything else is refused.

    Raises:
        InputError: If it is not an .npy header, or its values are not real numbers. Without a file name.
    """
    start = stream.read(8)
    if len(start) < 8 or not start.startswith(MAGIC):
        raise InputError("is not an .npy array (wrong first bytes)")
    major = start[6]
    if major not in (1, 2, 3):
        raise InputError(f"has .npy format version {major}, which is not known")
    width, code = (2, "<H") if major == 1 else (4, "<I")
    raw = stream.read(width)
    length = struct.unpack(code, raw)[0] if len(raw) == width else MAX_HEADER_BYTES + 1
    if length > MAX_HEADER_BYTES:
        raise InputError("has a broken .npy header (its length)")
    text = stream.read(length)
    if len(text) < length:
        raise InputError("is truncated in its .npy header")
    shape, dtype, fortran = _parse(text.decode("latin-1"))
    return Header(shape, dtype, fortran, len(start) + width + length)


def _parse(text: str) -> tuple[tuple[int, ...], np.dtype[np.generic], bool]:
    body = text.strip()
    if _RECORDS.match(body):
        raise InputError("holds records (named fields), not numbers; save the one field as an array")
    found: dict[str, re.Match[str]] = {}
    at = 1
    while match := _ENTRY.match(body, at):
        found[match["key"]] = match
        at = match.end()
    whole = body.startswith("{") and body[at:].strip() == "}" and set(found) == _KEYS
    if not (whole and found["descr"]["text"] and found["fortran_order"]["flag"]):
        raise InputError("has a broken .npy header")
    axes = found["shape"]["axes"]
    if axes is None:
        raise InputError("has a broken .npy header (its shape)")
    shape = tuple(int(axis) for axis in re.findall(r"\d{1,20}", axes))
    if len(shape) > MAX_AXES:
        raise InputError(f"has {len(shape)} axes, more than the {MAX_AXES} that are read")
    return shape, _dtype(found["descr"]["text"]), found["fortran_order"]["flag"] == "True"


def _dtype(text: str) -> np.dtype[np.generic]:
    match = _TYPE.fullmatch(text)
    order, kind, size = match.groups() if match else ("", "?", "")
    if kind == "O":
        raise InputError("holds Python objects (pickled), which are never read; save numbers")
    if match is None or kind + size not in _DTYPES:
        raise InputError(
            f"holds values of type {quoted(text)}; booleans, integers and 16-, 32- or 64-bit floats are read"
        )
    dtype: np.dtype[np.generic] = np.dtype(order + kind + size)
    return dtype
