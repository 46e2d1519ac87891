"""Settings from a TOML file: checked by a schema, and what is wrong is told by file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular, shown
from onnx_ood.inputs.preprocessing.presets import first_error

MAX_BYTES = 1 << 20
"""No settings are larger than 1 MiB."""

_Keys = tuple[str | int, ...]
_Schema = TypeVar("_Schema", bound=BaseModel)

# What a TOML text is made of, as far as finding keys goes: strings and comments, in which nothing has a meaning, marks,
# and everything else character by character. The closing quotes of a long string may have two more before them.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|.",
    re.DOTALL,
)


@dataclass(frozen=True)
class Located(Generic[_Schema]):
    """Settings, and where in their file they are.

    Attributes:
        value: What the file says.
        lines: The line of each key, as `key_lines` has it.
        under: The table that holds the settings.
    """

    value: _Schema
    lines: Mapping[_Keys, int]
    under: tuple[str, ...]

    def line(self, *place: str | int) -> int:
        """The line of a key, by the way to it from the settings' table; of none, that of what would hold it."""
        return _line((*self.under, *place), self.lines)


def read_toml(path: Path, schema: type[_Schema]) -> _Schema:
    """Reads settings.

    Args:
        path: A TOML file.
        schema: What it may say.

    Returns:
        What it says.

    Raises:
        UsageError: If it can't be read, is no TOML, or says something else: of several mistakes the first.
    """
    return read_located(path, schema).value


def read_located(path: Path, schema: type[_Schema], under: tuple[str, ...] = ()) -> Located[_Schema]:
    """Reads settings with their lines.

    Args:
        path: A TOML file.
        schema: What it may say.
        under: The table that says it; the rest of the file is others'. Empty for the whole file.

    Returns:
        What it says and where.

    Raises:
        UsageError: If it can't be read, is no TOML, lacks the table, or says something else: of several mistakes the
            first.
    """
    try:
        with open_regular(path, max_bytes=MAX_BYTES) as file:
            # Some editors begin files with a mark that says UTF-8 again.
            text = file.read().decode("utf-8-sig")
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)}: is not UTF-8, as TOML is") from None
    text = text.replace("\r\n", "\n")
    try:
        values: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{name_of(path)}: is not TOML: {shown(error)}") from None
    for name in under:
        values = values.get(name) if isinstance(values, dict) else None
    if under and not isinstance(values, dict):
        raise UsageError(f"{name_of(path)}: has no table [{'.'.join(under)}]; add one, or name another file")
    lines = key_lines(text)
    try:
        return Located(schema.model_validate(values), lines, under)
    except ValidationError as error:
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        line = _line((*under, *place), lines)
        raise UsageError(f"{name_of(path)}: line {line}: {first_error(error)}") from None


def key_lines(text: str) -> dict[_Keys, int]:
    """Finds where keys are.

    Args:
        text: TOML without mistakes, with line feeds.

    Returns:
        The line of each key, counted from 1, by its path: names, and indices of tables in arrays of tables. Keys inside
        arrays and inline tables are included; indices there are those of items.
    """
    found: dict[_Keys, int] = {}
    tables: dict[_Keys, int] = {}
    table: _Keys = ()
    # The way to the value that is being read; None where a key, a header or an item of an array has yet to come.
    way: _Keys | None = None
    opened: list[_Opened] = []
    line, key = 1, ""
    for token in (match[0] for match in _TOKEN.finditer(text)):
        inside = opened[-1] if opened else None
        if way is None and inside is not None and inside.item is not None and _begins_item(token):
            way = (*inside.way, inside.item)
            _note(found, way, len(inside.way), line)
        if token.startswith("#"):
            pass
        elif token == "\n" and inside is None:
            if key.strip().startswith("["):
                table = _header(key.strip(), tables)
                _note(found, table, 0, line)
            key, way = "", None
        elif token in {"]", "}"} and opened:
            way = opened.pop().way
        elif way is not None and token in {"[", "{"}:
            opened.append(_Opened(way, 0 if token == "[" else None))
            key, way = "", None
        elif inside is not None and token == ",":
            opened[-1] = inside.next()
            key, way = "", None
        elif way is None and token == "=":
            start = table if inside is None else inside.way
            way = (*start, *_names(key))
            _note(found, way, len(start), line)
        elif way is None:
            key += token
        line += token.count("\n")
    if key.strip().startswith("["):
        _note(found, _header(key.strip(), tables), 0, line)
    return found


class _Opened(NamedTuple):
    """An array or an inline table whose end has yet to come: the way to it, and for an array the number of the item."""

    way: _Keys
    item: int | None

    def next(self) -> _Opened:
        """Behind a comma."""
        return self if self.item is None else self._replace(item=self.item + 1)


def _begins_item(token: str) -> bool:
    return bool(token.strip()) and token not in {",", "]"} and not token.startswith("#")


def _header(header: str, tables: dict[_Keys, int]) -> _Keys:
    """The way to the table that a header opens; `tables` counts those in arrays."""
    several = header.startswith("[[")
    names = _names(header[2:-2] if several else header[1:-1])
    way: _Keys = ()
    for place, name in enumerate(names):
        way = (*way, name)
        if several and place == len(names) - 1:
            tables[way] = tables.get(way, -1) + 1
        if way in tables:
            way = (*way, tables[way])
    return way


def _names(key: str) -> list[str]:
    """The parts of a dotted key, quoted or not."""
    inner: Any = tomllib.loads(f"{key} = 0")
    names = []
    while isinstance(inner, dict):
        (name, inner), *_ = inner.items()
        names.append(name)
    return names


def _note(found: dict[_Keys, int], way: _Keys, start: int, line: int) -> None:
    """Notes the line of a key and of the tables that it makes on the way."""
    for end in range(start + 1, len(way) + 1):
        found.setdefault(way[:end], line)


def _line(place: _Keys, lines: Mapping[_Keys, int]) -> int:
    """The line of the innermost key that there is on the way to a place; the first for what isn't there at all."""
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), 1)
