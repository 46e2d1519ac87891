"""Sources of inputs: files, single rows of files, and values in memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import FailedInput, name_of
from onnx_ood.inputs.in_memory import MemoryInput
from onnx_ood.inputs.rows.file_types import holds_pictures as file_holds_pictures
from onnx_ood.inputs.rows.file_types import is_archive
from onnx_ood.inputs.rows.file_types import is_picture as is_picture_file
from onnx_ood.inputs.rows.protocol import RowRequest

UNLISTED = "folder cannot be listed"
"""Beginning of the reason of a folder that exists and cannot be read."""
MAX_COUNTED = 10_000
"""Files of rows whose headers are read, for a sample or a progress bar."""
_MAX_NAMED = 20
_MAX_OPENED = 1000


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of a file.

    Attributes:
        path: The file.
        row: Number of the row, from 0.
    """

    path: Path
    row: int

    @property
    def id(self) -> str:
        """Name of the input in results, `x.npy[3]`."""
        return f"{name_of(self.path)}[{self.row}]"


Item: TypeAlias = Path | FileRow | MemoryInput
"""A file with one or several inputs, or one input."""


@dataclass(frozen=True)
class InputSource:
    """Inputs to read, in order.

    Attributes:
        items: Files, rows of files and values in memory. Files follow the order of the arguments, sorted within a
            folder, each once.
        ignored: Files in folders and globs that were passed over: other suffixes, hidden files, and hidden folders
            (each counted once, not entered).
        missing: Arguments that match nothing and folders that cannot be listed.
        repeated: Files and rows that were given more than once; each is read once.
    """

    items: tuple[Item, ...] = ()
    ignored: tuple[Path, ...] = ()
    missing: tuple[FailedInput, ...] = ()
    repeated: tuple[str, ...] = ()

    @classmethod
    def joined(cls, sources: Iterable["InputSource"]) -> "InputSource":
        """Join several sources in order; a file in several is kept once."""
        all_of = tuple(sources)
        return cls(
            tuple(dict.fromkeys(item for one in all_of for item in one.items)),
            tuple(dict.fromkeys(path for one in all_of for path in one.ignored)),
            tuple(dict.fromkeys(missing for one in all_of for missing in one.missing)),
            tuple(dict.fromkeys(name for one in all_of for name in one.repeated)),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Note on files that were given more than once."""
        if not self.repeated:
            return ()
        several = len(self.repeated) > 1
        counted = f"{len(self.repeated):,} files were" if several else "1 file was"
        return (
            f"{counted} given more than once and read once{' each' if several else ''}: {_listed([*self.repeated])}.",
        )

    @property
    def given(self) -> bool:
        """True if any input was requested, found or not."""
        return bool(self.items or self.missing)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(_file(item) for item in self.items if not isinstance(item, MemoryInput)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of files and ids of values in memory, each once."""
        found = (item.id if isinstance(item, MemoryInput) else name_of(_file(item)) for item in self.items)
        return tuple(dict.fromkeys(found))

    @property
    def can_feed_several(self) -> bool:
        """Return whether an item can hold values for several model inputs: .npz or a mapping of arrays."""
        return any(
            isinstance(item.value, Mapping) if isinstance(item, MemoryInput) else is_archive(_file(item))
            for item in self.items
        )

    def require(self, name: str) -> "InputSource":
        """Return the source itself, if it holds anything.

        Args:
            name: Name of the argument, for the message.

        Raises:
            UsageError: If no input is given.
        """
        if not self.given:
            raise UsageError(f"{name} are empty; give at least one")
        return self

    def check_missing(self) -> None:
        """Refuse missing files and folders before anything is measured.

        Raises:
            UsageError: If an argument matches nothing; names all of these. Folders that cannot be listed count as
                failed inputs.
        """
        reasons: dict[str, list[str]] = {}
        for one in self.missing:
            if not one.reason.startswith(UNLISTED):
                reasons.setdefault(one.reason, []).append(one.id)
        if reasons:
            raise UsageError("; ".join(f"{_listed(ids)}: {reason}" for reason, ids in reasons.items()))

    def pictures(self, request: RowRequest) -> "InputSource":
        """Select the pictures; ignored and missing files are dropped.

        Args:
            request: The model's input: it decides whether a uint8 array is a picture or a tensor.
        """
        return InputSource(tuple(item for item in self.items if holds_pictures(item, request)))

    def kinds(self, request: RowRequest) -> tuple[bool, bool]:
        """Return whether there are pictures, and whether there are other inputs.

        Of array files only the first 1,000 are opened.

        Args:
            request: The model's input.
        """
        pictures = others = False
        looked_at: dict[Path, bool] = {}
        for item in self.items:
            if isinstance(item, MemoryInput) or is_picture(item, request):
                found = is_picture(item, request)
            else:
                path = _file(item)
                if path not in looked_at:
                    if len(looked_at) == _MAX_OPENED:
                        continue
                    looked_at[path] = holds_pictures(path, request)
                found = looked_at[path]
            pictures, others = pictures or found, others or not found
            if pictures and others:
                break
        return pictures, others

    def sample(
        self, limit: int | None, seed: int, count: Callable[[Path], int | None] = lambda _: None
    ) -> "InputSource":
        """Draw a random sample of inputs, kept in order; a row of a file is as likely as a file with one input.

        Of more than 10,000 files of rows, `limit` files are drawn first, so that the others are not opened.

        Args:
            limit: Number of inputs; None, or more than there are, for all.
            seed: Seed of the sample.
            count: Counts the rows of a file; None for one input, or a file that cannot be read.
        """
        if limit is None:
            return self
        generator = np.random.default_rng(seed)
        items = self.items
        if len(items) > limit and sum(map(_of_rows, items)) > MAX_COUNTED:
            items = tuple(items[at] for at in _draw(generator, len(items), limit))
        counts = [count(item) if isinstance(item, Path) and _of_rows(item) else None for item in items]
        ends = np.cumsum([1 if rows is None else rows for rows in counts], dtype=np.int64)
        total = int(ends[-1]) if items else 0
        if total <= limit:
            return replace(self, items=items) if len(items) < len(self.items) else self
        drawn: list[Item] = []
        for place in _draw(generator, total, limit):
            at = int(np.searchsorted(ends, place, side="right"))
            item, rows = items[at], counts[at]
            row = place - int(ends[at]) + (rows or 0)
            drawn.append(item if rows is None or not isinstance(item, Path) else FileRow(item, row))
        return replace(self, items=tuple(drawn))

    def shared_with(self, other: "InputSource") -> tuple[str, ...]:
        """List inputs that are in another source too.

        Files are compared by what they resolve to, values in memory by content. A file is not compared with a value
        in memory.

        Args:
            other: The other source.

        Returns:
            Names of files and ids of inputs in this source.
        """
        if not (self.items and other.items):
            return ()
        theirs = set(map(_identity, other.items))
        files = {item.resolve() for item in other.items if isinstance(item, Path)}
        rows_of = {item.path.resolve() for item in other.items if isinstance(item, FileRow)}
        return tuple(
            name_of(item) if isinstance(item, Path) else item.id
            for item in self.items
            if _identity(item) in theirs
            or (isinstance(item, FileRow) and item.path.resolve() in files)
            or (isinstance(item, Path) and item.resolve() in rows_of)
        )


def holds_pictures(item: Item, request: RowRequest) -> bool:
    """Return whether an item is a picture or a file of pictures, which need preprocessing.

    Args:
        item: A file, a row of one, or an input in memory.
        request: The model's input.
    """
    if isinstance(item, MemoryInput):
        return item.is_picture(request)
    return file_holds_pictures(_file(item), request)


def is_picture(item: Item, request: RowRequest) -> bool:
    """Return whether an item is one picture: an image in memory, or a file of one.

    Args:
        item: A file, a row of one, or an input in memory.
        request: The model's input.
    """
    return item.is_picture(request) if isinstance(item, MemoryInput) else is_picture_file(_file(item))


def _of_rows(item: Item) -> bool:
    return isinstance(item, Path) and not is_picture_file(item)


def _draw(generator: np.random.Generator, total: int, count: int) -> list[int]:
    """Draw `count` of the numbers 0, ..., total - 1 without replacement, in order."""
    return sorted(generator.choice(total, count, replace=False).tolist())


def _file(item: Path | FileRow) -> Path:
    return item if isinstance(item, Path) else item.path


def _identity(item: Item) -> object:
    """Return a key that is the same for equal items."""
    if isinstance(item, Path):
        return item.resolve()
    if isinstance(item, FileRow):
        return item.path.resolve(), item.row
    try:
        return item.digest()
    except InputError:
        return item  # broken: equal to itself alone


def _listed(names: list[str]) -> str:
    more = [f"and {len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
    return ", ".join([*(name or "''" for name in names[:_MAX_NAMED]), *more])
