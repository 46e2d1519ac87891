"""Atomic writing of result files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx_ood.exceptions import OutputError, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a temporary file that replaces `path` on success.

    Symbolic links are kept and their targets replaced. Pipes and devices (/dev/stdout) are written directly.

    Args:
        path: Path of the final file.

    Yields:
        Path to write to; removed on failure.

    Raises:
        OutputError: If the file cannot be written.
    """
    new: Path | None = None
    try:
        if _is_special(path):
            yield path
            return
        target = Path(os.path.realpath(path))
        handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
        os.close(handle)
        new = Path(name)
        yield new
        # mkstemp makes files for the owner only; a result is as readable as any other new file.
        mask = os.umask(0)
        os.umask(mask)
        new.chmod(0o666 & ~mask)
        new.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if new is not None:
            new.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Return True for pipes and devices, which must not be replaced by a file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old or the complete new file.

    Args:
        path: Path of the file.
        text: Content, written as UTF-8 with line feeds.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically, as `write_text` does.

    Args:
        path: Path of the file.
        content: Content.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as new:
        new.write_bytes(content)


def write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet.

    Args:
        path: Path of the file.
        text: Content.

    Raises:
        UsageError: If the path exists; it is left unchanged.
        OutputError: If the file cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: already exists and is not overwritten; name another file") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def append_text(path: Path, text: str) -> None:
    """Append to a file shared with other writers.

    Args:
        path: Path of the file, created if missing.
        text: Text to append.

    Raises:
        OutputError: If the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
