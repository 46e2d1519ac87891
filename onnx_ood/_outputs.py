"""Checks of output files: no output overwrites an input, or another output."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from onnx_ood.exceptions import OutputError, UsageError

Files = Iterable[tuple[str, Path | int]]
"""Files, or open file descriptors, with their roles in a run, such as "the model"."""

# First bytes of a stream.
_STREAM = b'{"record":"header","schema":"onnx-ood/score-stream/'
# Longer texts name no file.
_MAX_PATH = 4096


def check_writable(path: Path) -> None:
    """Check before a long run that a file can be written.

    Besides files, pipes, terminals and the null device are accepted.

    Args:
        path: Path of the file.

    Raises:
        UsageError: If the path is a socket or another device.
        OutputError: If its folder is missing or read-only, or the path is a folder.
    """
    try:
        mode = _mode(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise OutputError(f"{path}: is a folder; name a file in it")
        if mode is None or stat.S_ISREG(mode):
            target = Path(os.path.realpath(path))
            # Removed when closed, even if the program is interrupted.
            tempfile.NamedTemporaryFile(prefix=".", dir=target.parent).close()
        elif not stat.S_ISFIFO(mode) and not _discards_or_shows(path):
            raise UsageError(f"{path}: is not a regular file, pipe or terminal; name a file")
        elif not os.access(path, os.W_OK):
            raise OutputError(f"{path}: cannot be written; check its permissions")
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written: {reason}; choose another folder") from None


def check_outputs(
    outputs: Iterable[tuple[str, Path]], inputs: Files = (), others: Mapping[str, int | Path] | None = None
) -> None:
    """Check before the work that outputs can be written and overwrite neither inputs nor each other.

    Files are compared by what they are, links followed, so that a second name of an input is found too.

    Args:
        outputs: Output files with the options that name them; "" for none.
        inputs: Files that are read, with their roles. Only consumed if an output exists already.
        others: Files and file descriptors that are written as well, now or later, such as standard output, by role.
            They are compared with outputs only.

    Raises:
        UsageError: If an output is an input or another output.
        OutputError: If an output cannot be written.
    """
    taken: dict[tuple[object, ...], str] = {}
    existing: dict[tuple[object, ...], str] = {}
    for role, other in (others or {}).items():
        key = _regular(other) or (_future(other) if isinstance(other, Path) else None)
        if key is not None:
            taken[key] = role
    for option, path in outputs:
        check_writable(path)
        name = f"{option} {path}".lstrip()
        key = _regular(path)
        if key is not None:
            existing[key] = name
        key = key or _future(path)
        if key is not None:
            if key in taken:
                raise UsageError(f"{name}: is already written as {taken[key]}; name another file")
            taken[key] = option or str(path)
    if existing:
        for role, file in inputs:
            found = existing.get(_regular(file) or ())
            if found is not None:
                raise UsageError(
                    f"{found}: is {role}, and outputs do not overwrite inputs; name another file"
                )


def model_files(path: Path) -> Iterator[tuple[str, Path]]:
    """List the files of a model: the file, its external data, its card and the class names of the card.

    Args:
        path: The model file; it may be missing or damaged.
    """
    yield "the model", path
    for file in import_module("onnx_ood.graph.catalogue.external").named_files(path):
        yield "external data of the model", file
    card = path.with_suffix(".json")
    yield "the card of the model", card
    try:
        content = json.loads(card.read_bytes()) if card.is_file() else {}
        yield "the class names of the card", path.parent / content["classes"]
    # The card may be damaged, or name none.
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        return


def run_files(
    model: Path, inputs: Mapping[str, Iterable[Path]], feeds: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Path]]:
    """List the files that a run reads.

    Args:
        model: The model file.
        inputs: Input files by role.
        feeds: Values of model inputs by name; some are files.
    """
    yield from model_files(model)
    for role, paths in inputs.items():
        yield from ((role, path) for path in paths)
    for name, value in (feeds or {}).items():
        yield f"the value of {name}", Path(value)


def result_files(result: BaseModel) -> Iterator[tuple[str, Path]]:
    """List the files that a result names: its model, inputs, references and whatever else exists.

    Args:
        result: Result of an audit.
    """
    seen = set()
    for text in _texts(result.model_dump()):
        name, row = text[:-1].rpartition("[")[::2] if text.endswith("]") else ("", "")
        for one in (text, name) if row.isdecimal() else (text,):
            if one not in seen and 0 < len(one) < _MAX_PATH and one.isprintable():
                seen.add(one)
                if one.lower().endswith(".onnx"):
                    yield from model_files(Path(one))
                else:
                    yield "named in the result", Path(one)


def check_output_of(result: BaseModel, path: Path) -> None:
    """Check that a rendering of a result can be written, and overwrites no file that the result names.

    Args:
        result: Result of an audit.
        path: The output file.

    Raises:
        UsageError: If it is such a file.
        OutputError: If it cannot be written.
    """
    check_outputs([("", path)], result_files(result))
    # The result does not name the stream of its run, which took hours perhaps.
    if _regular(path) is not None:
        with path.open("rb") as file:
            if file.read(len(_STREAM)) == _STREAM:
                raise UsageError(f"{path}: is a stream of onnx-ood score; name another file")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _mode(path: Path) -> int | None:
    """Return the mode of a file, links followed; None if there is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _regular(file: Path | int) -> tuple[object, ...] | None:
    """Return the identity of a regular file; None for all else."""
    try:
        found = os.stat(file)  # noqa: PTH116 - takes descriptors too
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _future(path: Path) -> tuple[object, ...] | None:
    """Return the identity of a file to be created, or of a pipe; None for devices, which take several outputs."""
    target = Path(os.path.realpath(path))
    try:
        mode = _mode(path)
        if mode is not None and not stat.S_ISFIFO(mode):
            return None
        folder = target.parent.stat()
    except OSError:
        return None
    return folder.st_dev, folder.st_ino, target.name


def _discards_or_shows(path: Path) -> bool:
    """Return whether a path is the null device or a terminal."""
    if os.path.realpath(path) == os.devnull:
        return True
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)
