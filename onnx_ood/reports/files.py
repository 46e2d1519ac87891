"""Writing results to files: found out early whether that works, and never half a file."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from pydantic import BaseModel

from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.exceptions import OutputError, UsageError


def check_writable(path: Path) -> None:
    """Finds out before a long run whether a result can be written.

    Args:
        path: Where the result will go.

    Raises:
        OutputError: If its folder does not exist or can't be written to, or the path is a folder.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        if _is_special(path):
            return
        target = Path(os.path.realpath(path))
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another folder") from None
    os.close(handle)
    Path(name).unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a new file, which takes the place of another once it is written as a whole.

    A link stays one: what it leads to is replaced. Pipes and devices (/dev/stdout) are written to directly.

    Args:
        path: What it will be.

    Yields:
        Where to write; gone again if that fails.

    Raises:
        OutputError: If it can't be written.
    """
    new: Path | None = None
    try:
        if _is_special(path):
            yield path
            return
        target = Path(os.path.realpath(path))
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
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
    """Whether it is there and is neither a file nor a folder: replacing it by a file would break more than us."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_text(path: Path, text: str) -> None:
    """Writes a file as a whole: readers see the old one or the new one, nothing between.

    Args:
        path: Where to.
        text: The content, written as UTF-8 with line feeds.

    Raises:
        OutputError: If it can't be written.
    """
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", newline="\n")


def write_new(path: Path, text: str) -> None:
    """Writes a file that isn't there yet.

    Args:
        path: Where to.
        text: The content.

    Raises:
        UsageError: If there is something already, which stays as it is.
        OutputError: If it can't be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and is not overwritten; name another file") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def append_text(path: Path, text: str) -> None:
    """Adds to the end of a file, which others add to as well.

    Args:
        path: The file, made if need be.
        text: What to add.

    Raises:
        OutputError: If it can't be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def to_json(result: BaseModel) -> str:
    """A result as JSON text; it follows the schema in `docs/schemas/`, and NaN never appears."""
    return result.model_dump_json(indent=2, by_alias=True) + "\n"


def to_csv(result: ScoreResult) -> str:
    """A score result as CSV text: one line an input, strangest first, then those that failed."""
    names = [probe.name for probe in result.probes]
    measures = ("drop", "drop_error", "distortion", "flip_rate")
    detectors = [one.name for one in result.verdict.detectors] if result.verdict else []
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["input", "copies", "rank", *(f"score:{name}" for name in detectors), "p_value", "flagged"]
        + ["strangeness", "direction", "published", "prediction", "probability"]
        + [f"{measure}:{name}" for name in names for measure in measures]
        + ["failed"]
    )
    for entry in result.inputs:
        guess = entry.prediction
        writer.writerow(
            [entry.id, entry.copies, entry.rank, *entry.scores, entry.p_value, entry.flagged]
            + [entry.strangeness, entry.direction, entry.published]
            + ([guess.label or guess.index, guess.probability] if guess else [None, None])
            + [getattr(entry, measure)[p] for p in range(len(names)) for measure in measures]
            + [None]
        )
    for failure in result.failed:
        empty = 9 + len(detectors) + len(names) * len(measures)
        writer.writerow([failure.id] + [None] * empty + [failure.reason])
    return text.getvalue()
