"""Settings from a TOML file: checked by a schema, and what is wrong is told by file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs._files import name_of, open_regular, shown
from onnx_ood.inputs.presets import first_error

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
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


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
    try:
        with open_regular(path, max_bytes=MAX_BYTES) as file:
            text = file.read().decode()
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)}: is not UTF-8, as TOML is") from None
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{name_of(path)}: is not TOML: {shown(error)}") from None
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        line = _line(place, key_lines(text))
        raise UsageError(f"{name_of(path)}: line {line}: {first_error(error)}") from None


def key_lines(text: str) -> dict[_Keys, int]:
    """Finds where keys are.

    Args:
        text: TOML without mistakes, with line feeds.

    Returns:
        The line of each key, from 1 on, by the way to it: names, and numbers of tables in arrays of them. What is
        inside a value isn't listed.
    """
    found: dict[_Keys, int] = {}
    tables: dict[_Keys, int] = {}
    table: _Keys = ()
    line, key, depth, in_value = 1, "", 0, False
    for token in (match[0] for match in _TOKEN.finditer(text)):
        if token == "\n" and not depth:
            if key.strip().startswith("["):
                table = _opened(key.strip(), tables)
                _note(found, table, 0, line)
            key, in_value = "", False
        elif in_value:
            depth += _DEPTH.get(token, 0)
        elif token == "=":
            _note(found, (*table, *_names(key)), len(table), line)
            in_value = True
        elif not token.startswith("#"):
            key += token
        line += token.count("\n")
    if key.strip().startswith("["):
        _note(found, _opened(key.strip(), tables), 0, line)
    return found


def _opened(header: str, tables: dict[_Keys, int]) -> _Keys:
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
