"""Messages of validation errors in files of users: one line, with the key and advice for a misspelled one."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from onnx_ood._printable import shown
from onnx_ood._spelling import did_you_mean
from onnx_ood._validation import reason_of_error


def first_error(error: ValidationError, schema: type[BaseModel]) -> str:
    """Format the first error of a validation as "key: message", on one line.

    Args:
        error: The error.
        schema: The validated class.

    >>> class Size(BaseModel, extra="forbid"):
    ...     width: int = 0
    >>> try:
    ...     Size.model_validate({"widht": 1})
    ... except ValidationError as error:
    ...     print(first_error(error, Size))
    widht: unknown key; did you mean 'width'?
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = reason_of_error(first)
    if first["type"] == "extra_forbidden":
        known = _keys(schema, first["loc"][:-1])
        message = f"unknown key; {did_you_mean(str(first['loc'][-1]), known)}" if known else "unknown key"
    elif first["type"] != "value_error" and isinstance(first["input"], str | int | float):
        message += f", found {first['input']!r}"
    return shown(f"{key}: {message}" if key else message)


def _keys(kind: Any, place: Sequence[str | int]) -> list[str]:
    """List the keys of the table at a place in validated data; none if it cannot be determined."""
    for part in place:
        kind = next((inner for one in _alternatives(kind) if (inner := _child(one, part)) is not None), None)
    return next((list(_fields(one)) for one in _alternatives(kind) if _fields(one)), [])


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """List the types of a union; of any other type, itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)


def _child(kind: Any, part: str | int) -> Any:
    """Find the type of a table's field or of a container's items; None for neither."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(origin, type) and args:
        return args[-1] if issubclass(origin, Mapping) else args[0]
    return _fields(kind).get(str(part))


def _fields(kind: Any) -> dict[str, Any]:
    """Map the keys of a table, as a file spells them, to their types; empty for other types."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
