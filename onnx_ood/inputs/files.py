"""Opening of untrusted files, and printable names for them."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError

_MAX_BYTES = 1 << 31
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FailedInput:
    """An input that could not be used: counted and named, never dropped.

    Attributes:
        id: The input's name as every report shows it.
        reason: One line: the problem and, if possible, its remedy.
    """

    id: str
    reason: str


def quoted(text: object) -> str:
    """`text` in quotes, safe to print."""
    return f"'{shown(text)}'"


def name_of(path: Path) -> str:
    """Make the id of a file: its path as given, with forward slashes, printable."""
    return shown(path.as_posix())


def open_regular(path: Path, *, max_bytes: int | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: The file.
        max_bytes: Refuse a file larger than this.

    Raises:
        InputError: If it is missing, unreadable, a folder, a pipe or a device, or too large.
    """
    name = name_of(path)
    try:
        file = open(path, "rb", opener=_opener)  # noqa: SIM115 - Path.open takes no opener
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder, not a file") from None
    except PermissionError:
        raise InputError(f"{name}: may not be read; check its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise InputError(f"{name}: cannot be opened ({reason_of(error)})") from None
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise InputError(f"{name}: is not a regular file (a pipe or a device)")
    if max_bytes is not None and status.st_size > max_bytes:
        file.close()
        raise InputError(f"{name}: is {status.st_size:,} bytes large, over the limit of {max_bytes:,}")
    return file


def read_file(path: Path) -> bytes:
    """Read a regular file, or a pipe to its end, as a shell makes one of `<(command)`.

    Args:
        path: The file.

    Raises:
        InputError: If it cannot be read, is a folder or a device, or is larger than 2 GiB.
    """
    try:
        with path.open("rb") if stat.S_ISFIFO(path.stat().st_mode) else open_regular(path) as file:
            content = bytearray()
            while chunk := file.read(_CHUNK):
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise InputError(f"{name_of(path)}: is larger than 2 GiB")
    except (OSError, ValueError) as error:
        raise InputError(f"{name_of(path)}: cannot be read: {reason_of(error)}") from None
    return bytes(content)


def reason_of(error: BaseException) -> str:
    """Write a library's exception as a short, printable phrase."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    text = shown(lines[0]) if lines else type(error).__name__
    return text if len(text) <= 160 else f"{text[:159]}…"


def reason_in(error: InputError, name: str) -> str:
    """Strip the leading file name from an error message."""
    return str(error).removeprefix(f"{name}: ")


def _opener(path: str, flags: int) -> int:
    # Opening a named pipe waits for a writer that may never come; for regular files the flag means nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
