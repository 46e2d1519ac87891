"""Settings from TOML files, validated by a schema; errors name file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular
from onnx_ood.inputs.schema_errors import first_error

MAX_BYTES = 1 << 20
"""Largest accepted file."""

_Keys = tuple[str | int, ...]
_Schema = TypeVar("_Schema", bound=BaseModel)

# Tokens, as far as finding keys requires: strings, comments, and any other character by itself. A long string may end
# with up to two quotes before its closing ones.
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
    """Settings with the line of each key in their file.

    Attributes:
        value: The settings.
        lines: Line of each key, as from `key_lines`.
        under: Path of the table that holds the settings.
    """

    value: _Schema
    lines: Mapping[_Keys, int]
    under: tuple[str, ...]

    def line(self, *place: str | int) -> int:
        """Return the line of a key, or of the innermost table around a missing one."""
        return _line((*self.under, *place), self.lines)


def read_toml(path: Path, schema: type[_Schema]) -> _Schema:
    """Read settings.

    Args:
        path: A TOML file.
        schema: Class of the settings.

    Raises:
        UsageError: If the file cannot be read, is not TOML, or does not fit the schema (its first error).
    """
    return read_located(path, schema).value


def read_located(path: Path, schema: type[_Schema], under: tuple[str, ...] = ()) -> Located[_Schema]:
    """Read settings with their lines.

    Args:
        path: A TOML file.
        schema: Class of the settings.
        under: Path of the table to read; empty for the whole file.

    Raises:
        UsageError: If the file cannot be read, is not TOML, lacks the table, or does not fit the schema (its first
            error).
    """
    try:
        with open_regular(path, max_bytes=MAX_BYTES) as file:
            # Some editors begin files with a byte order mark.
            text = file.read().decode("utf-8-sig")
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)}: is not UTF-8, which TOML requires") from None
    text = text.replace("\r\n", "\n")
    try:
        values: Any = tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # Python refuses integers of thousands of digits by ValueError
        raise UsageError(f"{name_of(path)}: is not TOML: {shown(error)}") from None
    for name in under:
        values = values.get(name) if isinstance(values, dict) else None
    if under and not isinstance(values, dict):
        raise UsageError(f"{name_of(path)}: has no table [{'.'.join(under)}]; add it or choose another file")
    lines = key_lines(text)
    if (place := next(_null_characters(values), None)) is not None:
        raise UsageError(
            f"{name_of(path)}: line {_line((*under, *place), lines)}: {shown('.'.join(map(str, place)))}: has a null "
            "character, which no name or path can have"
        )
    try:
        return Located(schema.model_validate(values), lines, under)
    except ValidationError as error:
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        line = _line((*under, *place), lines)
        raise UsageError(f"{name_of(path)}: line {line}: {first_error(error, schema)}") from None


def key_lines(text: str) -> dict[_Keys, int]:
    """Find the line of each key.

    Args:
        text: Valid TOML with line feeds.

    Returns:
        Line, counted from 1, by the path of the key: names, and indices of tables in arrays of tables. Keys inside
        arrays and inline tables are included, with indices of items.
    """
    found: dict[_Keys, int] = {}
    tables: dict[_Keys, int] = {}
    table: _Keys = ()
    # Path of the value being read; None while a key, a header or an item of an array is still to come.
    path: _Keys | None = None
    opened: list[_Opened] = []
    line, key = 1, ""
    for token in (match[0] for match in _TOKEN.finditer(text)):
        inside = opened[-1] if opened else None
        if path is None and inside is not None and inside.item is not None and _begins_item(token):
            path = (*inside.path, inside.item)
            _note(found, path, len(inside.path), line)
        if token.startswith("#"):
            pass
        elif token == "\n" and inside is None:
            if key.strip().startswith("["):
                table = _header(key.strip(), tables)
                _note(found, table, 0, line)
            key, path = "", None
        elif token in {"]", "}"} and opened:
            path = opened.pop().path
        elif path is not None and token in {"[", "{"}:
            opened.append(_Opened(path, 0 if token == "[" else None))
            key, path = "", None
        elif inside is not None and token == ",":
            opened[-1] = inside.next()
            key, path = "", None
        elif path is None and token == "=":
            start = table if inside is None else inside.path
            path = (*start, *_names(key))
            _note(found, path, len(start), line)
        elif path is None:
            key += token
        line += token.count("\n")
    if key.strip().startswith("["):
        _note(found, _header(key.strip(), tables), 0, line)
    return found


def _null_characters(value: Any, place: _Keys = ()) -> Iterator[_Keys]:
    """Find texts with null characters, by their paths."""
    if isinstance(value, str) and "\0" in value:
        yield place
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from [place] if isinstance(key, str) and "\0" in key else ()
            yield from _null_characters(one, (*place, key))


class _Opened(NamedTuple):
    """Open array or inline table: its path and, for an array, the index of the current item."""

    path: _Keys
    item: int | None

    def next(self) -> _Opened:
        """Move on to the next item."""
        return self if self.item is None else self._replace(item=self.item + 1)


def _begins_item(token: str) -> bool:
    return bool(token.strip()) and token not in {",", "]"} and not token.startswith("#")


def _header(header: str, tables: dict[_Keys, int]) -> _Keys:
    """Parse a header to the path of its table; `tables` counts those in arrays."""
    several = header.startswith("[[")
    names = _names(header[2:-2] if several else header[1:-1])
    path: _Keys = ()
    for place, name in enumerate(names):
        path = (*path, name)
        if several and place == len(names) - 1:
            tables[path] = tables.get(path, -1) + 1
        if path in tables:
            path = (*path, tables[path])
    return path


def _names(key: str) -> list[str]:
    """Split a dotted key, quoted or not."""
    inner: Any = tomllib.loads(f"{key} = 0")
    names = []
    while isinstance(inner, dict):
        (name, inner), *_ = inner.items()
        names.append(name)
    return names


def _note(found: dict[_Keys, int], path: _Keys, start: int, line: int) -> None:
    """Record the line of a key and of the tables that it creates."""
    for end in range(start + 1, len(path) + 1):
        found.setdefault(path[:end], line)


def _line(place: _Keys, lines: Mapping[_Keys, int]) -> int:
    """Find the line of the innermost existing key on the path to a place; 1 if none exists."""
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), 1)
