"""From what a user typed (files, folders, globs, `-`) to one ordered list of files."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.files import FailedInput, reason_of, shown
from onnx_ood.inputs.rows.file_types import SUFFIXES

_SIGNS = "*?["  # what makes a word a pattern


@dataclass(frozen=True)
class Discovery:
    """What the arguments stand for.

    Attributes:
        paths: The files to read: in the order of the arguments, sorted within a folder, each once.
        ignored: Files met in a folder (or through a glob) whose suffix is not one we read, hidden
            files, and hidden folders (each counted once, not entered).
        missing: Arguments that match nothing and folders that cannot be listed, each with the reason.
    """

    paths: tuple[Path, ...]
    ignored: tuple[Path, ...]
    missing: tuple[FailedInput, ...]


def discover(arguments: Sequence[str], *, stdin: TextIO | None = None) -> Discovery:
    """Resolve command-line arguments to files. No file is opened.

    - A file is taken whatever its suffix: the user named it.
    - A folder gives the files below it that we read, recursively, sorted by path component.
    - A glob (`*`, `?`, `[...]`, and `**` for any depth) that is no existing file is expanded here, for
      quoted patterns and shells that do not; folders it matches are entered, and it passes over hidden
      names unless its own component starts with a dot.
    - `-` reads one path a line from `stdin`, taken literally (no globs).

    A file that is reached twice by the same absolute path is kept once; two links to one file are two
    inputs. Within an argument no folder is entered twice, so loops of links end.

    Args:
        arguments: What the user typed.
        stdin: Where `-` reads from; the process's standard input by default.

    Raises:
        UsageError: If standard input is not text.
    """
    walk = _Walk()
    for argument in arguments:
        if argument == "-":
            for line in _lines(stdin if stdin is not None else sys.stdin):
                walk.argument(line, globs=False)
        else:
            walk.argument(argument, globs=True)
    return Discovery(tuple(walk.paths.values()), tuple(walk.ignored.values()), tuple(walk.missing.values()))


class _Walk:
    """Collects paths, in order and once each (keyed by absolute path)."""

    def __init__(self) -> None:
        self.paths: dict[str, Path] = {}
        self.ignored: dict[str, Path] = {}
        self.missing: dict[str, FailedInput] = {}
        self._entered: set[tuple[int, int]] = set()

    def argument(self, text: str, *, globs: bool) -> None:
        self._entered = set()
        if not text:  # Path("") would be the current folder
            self._miss(text, "an empty argument names no file")
            return
        path = Path(text)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:  # ValueError: a NUL byte
            if globs and any(sign in text for sign in _SIGNS):
                self._glob(path, text)
            elif isinstance(error, FileNotFoundError):
                self._miss(text, "no such file or folder; check the path")
            else:
                self._miss(text, f"cannot be reached ({reason_of(error)})")
            return
        if stat.S_ISDIR(mode):
            self._folder(path)
        else:
            self._take(path)

    def _take(self, path: Path) -> None:
        key = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", resolve follows links
        self.paths.setdefault(key, path)
        self.ignored.pop(key, None)  # named by the user after a folder had passed over it

    def _ignore(self, path: Path) -> None:
        key = os.path.abspath(path)  # noqa: PTH100
        if key not in self.paths:
            self.ignored.setdefault(key, path)

    def _miss(self, text: str, reason: str) -> None:
        self.missing.setdefault(text, FailedInput(shown(text), reason))

    def _met(self, path: Path) -> None:
        """A file met in passing, not named by the user."""
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            self._ignore(path)
        else:
            self._take(path)

    def _list(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._miss(folder.as_posix(), f"folder cannot be listed ({reason_of(error)})")
            return []

    def _enter(self, folder: Path) -> bool:
        """Whether the folder is met for the first time within this argument."""
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
        """`base` and every folder below it that is not hidden, each real folder once."""
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


def _mode(path: Path) -> int | None:
    """The file mode behind the path, links followed; None where nothing can be reached."""
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
        for line in stream:
            path = line.rstrip("\r\n")
            if path:
                yield path
    except UnicodeDecodeError:
        raise UsageError("-: standard input is not text; give one path a line") from None
