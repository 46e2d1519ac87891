"""Find the files that paths, folders and globs name."""

import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from onnx_ood._printable import shown
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.files import FailedInput, name_of, reason_of
from onnx_ood.inputs.rows.csv_tables import listed_paths
from onnx_ood.inputs.rows.file_types import LISTS, NAMED_ONLY, SUFFIXES, is_picture
from onnx_ood.inputs.source import UNLISTED, FileRow, InputSource

_NOTHING = "contains no supported file (JPEG, PNG, .npy, .npz, .wav, .parquet and so on)"
_SIGNS = "*?["  # what makes a word a pattern
_ROW = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,18})\]", re.DOTALL)


def discover(arguments: Sequence[str], *, stdin: TextIO | None = None) -> InputSource:
    """Find the files that command-line arguments name. Only tables are opened.

    - A file is taken whatever its suffix. A .csv, .tsv or .parquet table with a column of paths lists inputs
      (`listed_paths`).
    - `FILE[k]` is row k (from 0) of a file with rows, as results name it, unless a file of that very name exists.
    - A folder gives the files below it with a known suffix, recursively, sorted by path component. Tables of text and
      archives in it are passed over: name them, or give a glob that ends in their suffix.
    - A glob (`*`, `?`, `[...]`, and `**` for any depth) is expanded if no such file exists. Folders that it matches
      are entered. It passes over hidden names unless its own component starts with a dot.
    - `-` reads one file, folder or row per line from `stdin`; signs of globs mean themselves there.

    A file reached twice by the same absolute path is kept once; two links to one file are two inputs. Within an
    argument no folder is entered twice, so loops of links end.

    Args:
        arguments: Files, folders, globs, rows of files, or `-`.
        stdin: Stream that `-` reads; the process's standard input by default.

    Returns:
        The files and rows; `ignored` and `missing` list the rest.

    Raises:
        UsageError: If standard input is not text.

    >>> discover(["no/such/folder"]).missing
    (FailedInput(id='no/such/folder', reason='no such file or folder; check the path'),)
    """
    walk = _Walk()
    for argument in arguments:
        if argument == "-":
            for line in _lines(stdin if stdin is not None else sys.stdin):
                walk.argument(line, globs=False)
        else:
            walk.argument(argument, globs=True)
    return walk.found()


def _name(item: Path | FileRow) -> str:
    return name_of(item) if isinstance(item, Path) else item.id


class _Walk:
    """Collects files and rows, in order and once each (keyed by absolute path)."""

    def __init__(self) -> None:
        # Keys are absolute paths, with the number of a row for rows.
        self.items: dict[str | tuple[str, int], Path | FileRow] = {}
        self.ignored: dict[str, Path] = {}
        self.missing: dict[str, FailedInput] = {}
        self.repeated: dict[str, None] = {}
        self._number = 0
        self._given_by: dict[str | tuple[str, int], int] = {}
        self._entered: set[tuple[int, int]] = set()
        # True once the argument has given a file, or a folder that cannot be listed.
        self._reached = False

    def argument(self, text: str, *, globs: bool) -> None:
        self._entered, self._reached = set(), False
        self._number += 1
        if not text:  # Path("") would be the current folder
            self._miss(text, "an empty argument names no file")
            return
        path = Path(text)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:  # ValueError: a NUL byte
            if (row := _row(text)) is not None:
                self._take(row)
            elif globs and any(sign in text for sign in _SIGNS):
                self._glob(path, text)
            elif isinstance(error, FileNotFoundError):
                self._miss(text, "no such file or folder; check the path")
            else:
                self._miss(text, f"cannot be reached ({reason_of(error)})")
            return
        if stat.S_ISDIR(mode):
            self._folder(path)
            if not self._reached:
                self._miss(text, _NOTHING)
        else:
            self._named(path)

    def found(self) -> InputSource:
        items = []
        for key, item in self.items.items():
            # A row of a file that is read whole would be read twice.
            if isinstance(key, tuple) and key[0] in self.items:
                self.repeated[_name(item)] = None
            else:
                items.append(item)
        return InputSource(
            tuple(items), tuple(self.ignored.values()), tuple(self.missing.values()), tuple(self.repeated)
        )

    def _take(self, item: Path | FileRow) -> None:
        path = item if isinstance(item, Path) else item.path
        self._reached = True
        key = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", resolve follows links
        item_key = key if isinstance(item, Path) else (key, item.row)
        # A pattern may reach a file by several of its folders: only what the user gives again is repeated.
        if self._given_by.setdefault(item_key, self._number) != self._number:
            self.repeated[_name(item)] = None
        self.items.setdefault(item_key, item)
        self.ignored.pop(key, None)  # named by the user after a folder had passed over it

    def _named(self, path: Path) -> None:
        """Add a file that the user names, or the files that it lists."""
        paths = listed_paths(path) if path.suffix.lower() in LISTS else None
        if paths is None:
            self._take(path)
            return
        for one in paths:
            # A list in a list would be entered for ever if it names itself.
            if Path(one).suffix.lower() in LISTS and Path(one).is_file():
                self._take(Path(one))
            else:
                self.argument(one, globs=False)

    def _ignore(self, path: Path) -> None:
        key = os.path.abspath(path)  # noqa: PTH100
        if key not in self.items:
            self.ignored.setdefault(key, path)

    def _miss(self, text: str, reason: str) -> None:
        self.missing.setdefault(text, FailedInput(shown(text), reason))

    def _met(self, path: Path) -> None:
        """Add a file found in a folder, not named by the user."""
        suffix = path.suffix.lower()
        if path.name.startswith(".") or suffix not in SUFFIXES - NAMED_ONLY:
            self._ignore(path)
        else:
            self._take(path)

    def _list(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._reached = True
            self._miss(folder.as_posix(), f"{UNLISTED} ({reason_of(error)})")
            return []

    def _enter(self, folder: Path) -> bool:
        """Note a folder as visited; False if it was visited before within this argument."""
        identity = _identity(folder)
        if identity in self._entered:
            return False
        if identity is not None:
            self._entered.add(identity)
        return True

    def _folder(self, top: Path) -> None:
        # A stack, not recursion: a hostile tree may be deeper than Python's.
        stack = [top]
        while stack:
            path = stack.pop()
            if path is not top and not _is_folder(path):
                self._met(path)
            elif path is not top and path.name.startswith("."):
                self._ignore(path)
            elif self._enter(path):
                stack.extend(path / entry.name for entry in reversed(self._list(path)))

    def _glob(self, pattern: Path, text: str) -> None:
        parts = pattern.parts
        start = Path()
        if pattern.is_absolute():
            start, parts = Path(parts[0]), parts[1:]
        found = False
        for path in self._matches(start, parts):
            found = True
            if _is_folder(path):
                self._folder(path)
            elif path.suffix and path.suffix.lower() in NAMED_ONLY and text.endswith(path.suffix):
                self._named(path)
            else:
                self._met(path)
        if not found:
            self._miss(text, "the pattern matches nothing; check the path")

    def _matches(self, base: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """Paths below `base` that match the pattern's remaining components, sorted.

        Not `glob.glob`: it follows links below `**` as often as it meets them, which takes for ever in a
        tree of linked folders.
        """
        if not parts:
            yield base
            return
        head, rest = parts[0], parts[1:]
        if head == "**":
            if rest:
                for folder in self._below(base):
                    yield from self._matches(folder, rest)
            elif _is_folder(base):
                yield base  # the caller enters it: everything below
        elif any(sign in head for sign in _SIGNS):
            for entry in self._list(base) if _is_folder(base) else ():
                hidden = entry.name.startswith(".") and not head.startswith(".")
                if not hidden and fnmatchcase(entry.name, head):
                    yield from self._matches(base / entry.name, rest)
        elif _mode(base / head) is not None:
            yield from self._matches(base / head, rest)

    def _below(self, base: Path) -> Iterator[Path]:
        """Yield `base` and every folder below it that is not hidden, each real folder once."""
        met: set[tuple[int, int]] = set()
        stack = [base]
        while stack:
            folder = stack.pop()
            identity = _identity(folder)
            if identity in met or not _is_folder(folder):
                continue
            if identity is not None:
                met.add(identity)
            yield folder
            names = [entry.name for entry in self._list(folder) if not entry.name.startswith(".")]
            stack.extend(folder / name for name in reversed(names))


def _row(text: str) -> FileRow | None:
    """Parse an argument that names one row of a file; None if it does not."""
    match = _ROW.fullmatch(text)
    if match is None or not Path(match["file"]).is_file() or is_picture(Path(match["file"])):
        return None
    return FileRow(Path(match["file"]), int(match["row"]))


def _mode(path: Path) -> int | None:
    """Return the file mode behind a path, links followed; None if it is unreachable."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def _is_folder(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lines(stream: TextIO) -> Iterator[str]:
    try:
        for number, line in enumerate(stream):
            # Editors on Windows begin a text with a byte order mark.
            path = line.removeprefix("\ufeff" if number == 0 else "").rstrip("\r\n")
            if path:
                yield path
    except UnicodeDecodeError:
        raise UsageError("-: standard input is not text; give one path a line") from None
