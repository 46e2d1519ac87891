"""Escaping of texts from models, cards and file names, which are untrusted, before a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from onnx_ood._printable import shown

Value = TypeVar("Value")

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def escaped(value: Value) -> Value:
    r"""Escape characters that are not printable in all texts of a result, or of a part of one.

    Newlines would fake lines of a report or commands of a CI runner, escape sequences drive a terminal, and
    bidirectional overrides reorder text.

    Args:
        value: A result, text, number, sequence or mapping. It is not changed.

    Returns:
        An equal value with escaped texts; the same object if it has none to escape.

    >>> escaped(("a\x1b[31m", 1))
    ('a\\x1b[31m', 1)
    """
    changed: Any = value
    if isinstance(value, str):
        changed = shown(value)
    elif isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        new = {name: one for name, old in fields.items() if (one := escaped(old)) is not old}
        changed = value.model_copy(update=new) if new else value
    elif isinstance(value, Mapping):
        pairs = {escaped(key): escaped(one) for key, one in value.items()}
        same = all(a is b for a, b in zip(pairs, value, strict=False)) and len(pairs) == len(value)
        changed = value if same and all(pairs[key] is value[key] for key in value) else pairs
    elif isinstance(value, list | tuple) and value and not isinstance(value[0], int | float):
        parts = [escaped(one) for one in value]
        same = all(a is b for a, b in zip(parts, value, strict=True))
        changed = value if same else parts if isinstance(value, list) else tuple(parts)
    return changed  # type: ignore[no-any-return]


def cell(value: object) -> object:
    """Escape a cell of a table that may be opened in a spreadsheet: texts are never formulas.

    >>> cell("=1+1")
    "'=1+1"
    """
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if value.startswith(_FORMULA) else text
