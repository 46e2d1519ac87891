"""The classes that a user gives inputs: a CSV of names and classes, matched to inputs by their paths."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path, PurePosixPath

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_of, shown

MAX_CLASSES_BYTES = 1 << 28
"""A file of classes larger than 256 MiB is refused."""

Steps = tuple[str, ...]

_INPUT, _CLASS = "input", "class"
# What an input's name ends in where its file holds several.
_ROW = re.compile(r"\[\d+\]$")


class Classes:
    """Classes by input.

    A line is meant for an input if one of the two names is the other, or ends in it, by whole steps of a path:
    `cat/1.png` is meant for `photos/cat/1.png`. The line that says most wins.

    Attributes:
        path: The file that they come from.
    """

    def __init__(self, path: Path, lines: Iterable[tuple[str, str]]) -> None:
        """Takes what `read_classes` has read.

        Args:
            path: The file.
            lines: Names of inputs, and the class of each.
        """
        self.path = path
        # By the last step of the name, in which a line and an input agree whichever is the longer.
        self._lines: dict[str, dict[Steps, str]] = defaultdict(dict)
        for name, of in lines:
            steps = _steps(name)
            self._lines[steps[-1]][steps] = of

    def of(self, name: str) -> str | None:
        """The class of an input.

        Args:
            name: The input's name, as reports spell it.

        Returns:
            Its class, or None if no line is meant for it.

        Raises:
            UsageError: If several lines may be meant for it, and they differ.
        """
        meant = _meant(self._lines, _steps(name))
        found = {self._lines[line[-1]][line] for line in meant}
        if len(found) > 1:
            raise UsageError(
                f"{name_of(self.path)}: several lines may be meant for {name}, with classes "
                f"{', '.join(sorted(map(quoted, found)))}; write names as reports spell them"
            )
        return found.pop() if found else None

    def check(self, names: Sequence[str]) -> None:
        """Check before a long run that names are understood.

        Args:
            names: Names of files and ids of inputs in memory (`InputSource.names`).

        Raises:
            UsageError: If no line is meant for any file or a row of it, or one for several, or several for one.
        """
        files: dict[str, set[Steps]] = defaultdict(set)
        for line in (line for lines in self._lines.values() for line in lines):
            # Inputs in memory go by the name of a row themselves.
            for meant in (line, (*line[:-1], _ROW.sub("", line[-1]))):
                files[meant[-1]].add(meant)
        owners: dict[Steps, str] = {}
        for name in names:
            self.of(name)
            for line in _meant(files, _steps(name)):
                if line in owners:
                    raise UsageError(
                        f"{name_of(self.path)}: {PurePosixPath(*line)} may be meant for {owners[line]} and for {name}; "
                        "write more of the path"
                    )
                owners[line] = name
        if names and not owners:
            raise UsageError(
                f"{name_of(self.path)}: no line is meant for any of the inputs; names are written as reports spell "
                f"them, {names[0]} say, or as the end of that"
            )


def read_classes(path: Path) -> Classes:
    """Reads a CSV file of classes: a header with the columns `input` and `class`, one line an input.

    Other columns are passed over. An input is named as reports spell it (`photos/cat.jpg`, `garments.npy[3]`), or by
    the end of that.

    Args:
        path: The file, UTF-8.

    Returns:
        The classes.

    Raises:
        UsageError: If it can't be read, lacks a column, or a line has no name or no class, or gives an input another
            class than one before.
    """
    where = name_of(path)
    try:
        with open_regular(path, max_bytes=MAX_CLASSES_BYTES) as file:
            text = file.read().decode("utf-8-sig")
        rows = csv.DictReader(StringIO(text, newline=""))
        missing = [column for column in (_INPUT, _CLASS) if column not in (rows.fieldnames or ())]
        if missing:
            raise UsageError(
                f"{where}: its first line names no column {quoted(missing[0])}; it must be a CSV with the columns "
                f"{_INPUT},{_CLASS}"
            )
        found: dict[str, str] = {}
        for row in rows:
            name, of = (row[_INPUT] or "").strip(), (row[_CLASS] or "").strip()
            if not PurePosixPath(name).name or not of:
                raise UsageError(f"{where}: line {rows.line_num} names no {_CLASS if name else _INPUT}")
            if found.setdefault(name, of) != of:
                raise UsageError(
                    f"{where}: line {rows.line_num} gives {shown(name)} the class {quoted(of)}, and a line before it "
                    f"{quoted(found[name])}"
                )
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: is no text in UTF-8; save it as such") from None
    except csv.Error as error:
        raise UsageError(f"{where}: is no CSV: {reason_of(error)}") from None
    return Classes(path, found.items())


def _steps(name: str) -> Steps:
    return PurePosixPath(name).parts


def _meant(lines: Mapping[str, Iterable[Steps]], name: Steps) -> list[Steps]:
    """The lines that may be meant for a name: of those that end alike the ones with the most steps in common."""
    alike = defaultdict(list)
    for line in lines.get(name[-1], ()):
        shared = min(len(line), len(name))
        if line[-shared:] == name[-shared:]:
            alike[shared, line == name].append(line)
    return alike[max(alike)] if alike else []
