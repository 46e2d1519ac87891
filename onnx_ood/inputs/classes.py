"""Classes of inputs from a CSV file, matched to inputs by their paths."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular, quoted
from onnx_ood.inputs.rows.csv_tables import CLASS_COLUMNS, PATH_COLUMNS, split_lines

MAX_CLASSES_BYTES = 1 << 28
"""A file of classes larger than 256 MiB is refused."""

Steps = tuple[str, ...]

_INPUT, _CLASS = "input", "class"
# What an input's name ends in where its file holds several.
_ROW = re.compile(r"\[\d+\]$")


class Classes:
    """Classes by input.

    A line matches an input if one of the two names equals or ends with the other, by whole path components: `cat/1.png`
    matches `photos/cat/1.png`. The longest match wins.

    Attributes:
        path: The CSV file.
    """

    def __init__(self, path: Path, lines: Iterable[tuple[str, str]]) -> None:
        """Index the lines of a file.

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
        """Look up the class of an input.

        Args:
            name: The input's name, as reports spell it.

        Returns:
            Its class, or None if no line matches.

        Raises:
            UsageError: If several lines match equally well and differ.
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
            UsageError: If no line matches any input, one matches several, or several match one.
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
    """Read the classes of inputs: a CSV file with one line per input, or a folder with a folder per class.

    A CSV file has a column of inputs (`input`, or another of `PATH_COLUMNS`) and one of classes (`class`, or another of
    `CLASS_COLUMNS`).

    Other columns are ignored. An input is named as reports spell it (`photos/cat.jpg`, `garments.npy[3]`), or by
    the end of that.

    Args:
        path: The file, UTF-8, or the folder.

    Returns:
        The classes.

    Raises:
        UsageError: If it cannot be read, lacks a column, or a line lacks a name or class or contradicts an earlier one.
    """
    where = name_of(path)
    if path.is_dir():
        return _folder_classes(path)
    try:
        with open_regular(path, max_bytes=MAX_CLASSES_BYTES) as file:
            text = file.read().decode("utf-8-sig")
        lines = split_lines(text, "\t" if path.suffix.lower() == ".tsv" else ",", where)
        number, header = next(lines, (1, []))
        header = header if number == 1 else []
        known = {header[at].strip().lower(): at for at in reversed(range(len(header)))}
        inputs = next((known[one] for one in (_INPUT, *PATH_COLUMNS) if one in known), None)
        classes = next((known[one] for one in (_CLASS, *CLASS_COLUMNS) if one in known), None)
        missing = [name for name, column in ((_INPUT, inputs), (_CLASS, classes)) if column is None]
        if missing or inputs is None or classes is None:
            raise UsageError(
                f"{where}: its first line names no column {quoted(missing[0])}; it must be a CSV with the columns "
                f"{_INPUT},{_CLASS}"
            )
        found: dict[str, str] = {}
        for number, row in lines:
            name, of = (row[at].strip() if at < len(row) else "" for at in (inputs, classes))
            if not PurePosixPath(name).name or not of:
                raise UsageError(f"{where}: line {number} names no {_CLASS if name else _INPUT}")
            if found.setdefault(name, of) != of:
                raise UsageError(
                    f"{where}: line {number} gives {shown(name)} the class {quoted(of)}, and a line before it "
                    f"{quoted(found[name])}"
                )
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: is not UTF-8 text; save it as such") from None
    return Classes(path, found.items())


def _folder_classes(folder: Path) -> Classes:
    """Classes of the files in a folder: the names of its folders."""
    lines = [
        (path.as_posix(), path.relative_to(folder).parts[0])
        for path in folder.glob("*/**/*")
        if path.is_file()
    ]
    if not lines:
        raise UsageError(f"{name_of(folder)}: holds no folders with files; give a folder per class")
    return Classes(folder, lines)


def _steps(name: str) -> Steps:
    return PurePosixPath(name).parts


def _meant(lines: Mapping[str, Iterable[Steps]], name: Steps) -> list[Steps]:
    """Find the lines that share the most trailing path components with a name."""
    alike = defaultdict(list)
    for line in lines.get(name[-1], ()):
        shared = min(len(line), len(name))
        if line[-shared:] == name[-shared:]:
            alike[shared, line == name].append(line)
    return alike[max(alike)] if alike else []
