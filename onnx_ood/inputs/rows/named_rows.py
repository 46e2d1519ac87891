"""Arguments that name single rows of files, as results do: `x.npy[3]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx_ood.inputs.files import name_of

_ROW = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,18})\]", re.DOTALL)


@dataclass(frozen=True)
class NamedRows:
    """What arguments name.

    Attributes:
        arguments: What `discover` takes: the arguments, with files in place of their rows.
        ids: The inputs that are named one by one, in the order of the arguments, as `Reader` calls them.
        files: The files of which single rows are named, as `Reader` calls them.
    """

    arguments: tuple[str, ...]
    ids: tuple[str, ...]
    files: frozenset[str]

    def skip(self, name: str) -> bool:
        """Whether an input or file is a row that isn't wanted, for `Reader`."""
        file = name.rpartition("[")[0]
        return file in self.files and name not in self.ids


def named_rows(arguments: Sequence[str]) -> NamedRows:
    """Takes rows of files out of arguments.

    Args:
        arguments: What the user typed; `FILE[k]` is row k of a file, unless there is a file of this very name.

    Returns:
        The files and the rows.
    """
    files: list[str] = []
    ids: list[str] = []
    cut: set[str] = set()
    for argument in arguments:
        match = _ROW.fullmatch(argument)
        if match is None or Path(argument).is_file() or not Path(match["file"]).is_file():
            files.append(argument)
            continue
        name = name_of(Path(match["file"]))
        files.append(match["file"])
        ids.append(f"{name}[{int(match['row'])}]")
        cut.add(name)
    return NamedRows(tuple(dict.fromkeys(files)), tuple(dict.fromkeys(ids)), frozenset(cut))
